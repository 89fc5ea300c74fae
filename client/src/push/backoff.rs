//! How long to wait before a reconnect: exponential back-off with full jitter, so that pages do not all return at once after
//! an outage.

/// The longest delay after the first failure: ms.
const FIRST: u32 = 1_000;

/// The longest delay after any number of failures: ms.
const LAST: u32 = 30_000;

/// The delay after that many failures in a row: ms. `random` is in 0..1. `retry_after` is the server's `Retry-After` in
/// seconds, and the shortest delay.
pub(super) fn delay(failures: u32, random: f64, retry_after: Option<u64>) -> u32 {
    let most = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LAST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and LAST")]
    let jittered = (f64::from(most) * random.clamp(0.0, 1.0)) as u32;
    let retry_after = retry_after.map_or(0, |seconds| u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX));
    // At most ten minutes, even if the server asks for hours.
    jittered.saturating_add(retry_after.min(600_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_a_limit_with_full_jitter() {
        let most: Vec<u32> = (1..8).map(|failures| delay(failures, 1.0, None)).collect();
        assert_eq!(most, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(delay(u32::MAX, 1.0, None), 30_000);
        assert_eq!((delay(0, 1.0, None), delay(5, 0.0, None), delay(5, 0.5, None)), (1_000, 0, 8_000));
        assert_eq!(delay(1, f64::NAN, None), 0);
    }

    #[test]
    fn retry_after_is_the_shortest_delay() {
        assert_eq!(delay(1, 0.0, Some(7)), 7_000);
        assert_eq!(delay(1, 1.0, Some(7)), 8_000);
        assert_eq!(delay(1, 0.0, Some(u64::MAX)), 600_000);
    }
}
