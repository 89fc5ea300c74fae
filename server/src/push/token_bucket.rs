//! A token bucket in exact integer arithmetic.

/// Allows a burst of `capacity`, then `rate` per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    capacity: u64,
    rate: u64,
    /// The tokens in thousandths: each millisecond adds `rate` of them.
    thousandths: u64,
    /// When the tokens were last refilled: ms of a monotonic clock.
    refilled: u64,
}

const TOKEN: u64 = 1000;

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn full(capacity: u32, rate: u32, now: u64) -> Self {
        let capacity = u64::from(capacity) * TOKEN;
        Self { capacity, rate: u64::from(rate), thousandths: capacity, refilled: now }
    }

    /// Takes a token. `false` if there is none.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        self.refill(now);
        let taken = self.thousandths >= TOKEN;
        self.thousandths -= if taken { TOKEN } else { 0 };
        taken
    }

    /// When the next token is available: ms of the same clock.
    pub(crate) fn ready(&self) -> u64 {
        let missing = TOKEN.saturating_sub(self.thousandths);
        self.refilled.saturating_add(missing.div_ceil(self.rate.max(1)))
    }

    fn refill(&mut self, now: u64) {
        let added = now.saturating_sub(self.refilled).saturating_mul(self.rate);
        self.thousandths = self.thousandths.saturating_add(added).min(self.capacity);
        self.refilled = self.refilled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn capacity_and_rate_are_never_exceeded(
            capacity in 1_u32..50, rate in 1_u32..2000, steps in prop::collection::vec(0_u64..5000, 1..200),
        ) {
            let (mut bucket, mut now, mut passed) = (TokenBucket::full(capacity, rate, 7), 7, 0_u64);
            for step in steps {
                now += step;
                while bucket.take(now) {
                    passed += 1;
                }
                prop_assert!(passed <= u64::from(capacity) + (now - 7) * u64::from(rate) / 1000);
            }
        }

        #[test]
        fn rate_is_reached_for_any_call_pattern(
            capacity in 2_u32..50, rate in 1_u32..300, steps in prop::collection::vec(0_u64..3, 1..400),
        ) {
            // Taken before the bucket is full: a full bucket gains no tokens.
            let (mut bucket, mut now, mut passed) = (TokenBucket::full(capacity, rate, 0), 0, 0_u64);
            for step in steps {
                now = (now + step).max(bucket.ready());
                while bucket.take(now) {
                    passed += 1;
                }
                let most = u64::from(capacity) + now * u64::from(rate) / 1000;
                prop_assert!(passed + u64::from(capacity) >= most, "{passed} of {most}");
            }
        }

        #[test]
        fn ready_time_is_exact(capacity in 1_u32..5, rate in 1_u32..2000, start in 0_u64..9999) {
            let mut bucket = TokenBucket::full(capacity, rate, start);
            while bucket.take(start) {}
            let ready = bucket.ready();
            prop_assert!(ready > start);
            prop_assert!(!bucket.take(ready - 1));
            prop_assert!(bucket.take(ready));
        }

        #[test]
        fn clock_set_back_adds_no_tokens(back in 0_u64..1000) {
            let mut bucket = TokenBucket::full(1, 1, 1000);
            prop_assert!(bucket.take(1000));
            prop_assert!(!bucket.take(1000 - back));
            prop_assert!(!bucket.take(1999));
            prop_assert!(bucket.take(2000));
        }
    }
}
