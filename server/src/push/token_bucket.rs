//! A token bucket in exact integers.

/// Lets through `capacity` at once and `rate` a second after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    capacity: u64,
    rate: u64,
    /// Thousandths of a token: `rate` of them come each millisecond.
    thousandths: u64,
    /// Up to when they are counted: ms of a clock that never goes back.
    counted: u64,
}

const TOKEN: u64 = 1000;

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn full(capacity: u32, rate: u32, now: u64) -> Self {
        let capacity = u64::from(capacity) * TOKEN;
        Self { capacity, rate: u64::from(rate), thousandths: capacity, counted: now }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        self.refill(now);
        let taken = self.thousandths >= TOKEN;
        self.thousandths -= if taken { TOKEN } else { 0 };
        taken
    }

    /// When there will be a token: ms of the same clock.
    pub(crate) fn ready(&self) -> u64 {
        let missing = TOKEN.saturating_sub(self.thousandths);
        self.counted.saturating_add(missing.div_ceil(self.rate.max(1)))
    }

    fn refill(&mut self, now: u64) {
        let come = now.saturating_sub(self.counted).saturating_mul(self.rate);
        self.thousandths = self.thousandths.saturating_add(come).min(self.capacity);
        self.counted = self.counted.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_never_lets_through_more_than_capacity_and_rate(
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
        fn it_reaches_its_rate_however_it_is_asked(
            capacity in 2_u32..50, rate in 1_u32..300, steps in prop::collection::vec(0_u64..3, 1..400),
        ) {
            // Asked before it is full: what comes to a full bucket is lost, as it must be.
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
        fn it_is_ready_when_it_says_and_not_before(capacity in 1_u32..5, rate in 1_u32..2000, start in 0_u64..9999) {
            let mut bucket = TokenBucket::full(capacity, rate, start);
            while bucket.take(start) {}
            let ready = bucket.ready();
            prop_assert!(ready > start);
            prop_assert!(!bucket.take(ready - 1));
            prop_assert!(bucket.take(ready));
        }

        #[test]
        fn a_clock_that_goes_back_gives_nothing(back in 0_u64..1000) {
            let mut bucket = TokenBucket::full(1, 1, 1000);
            prop_assert!(bucket.take(1000));
            prop_assert!(!bucket.take(1000 - back));
            prop_assert!(!bucket.take(1999));
            prop_assert!(bucket.take(2000));
        }
    }
}
