//! How long to wait before trying again: exponential, with full jitter, so that the pages of a server that was away do not
//! come back all at once.

/// The first try comes within this time: ms.
const FIRST: u32 = 1_000;

/// No try comes later than this: ms.
const LAST: u32 = 30_000;

/// How long to wait after so many failures in a row: ms. `random` is in 0..1; `told` is what the server asks for, in
/// seconds, and what is waited at least.
pub fn wait(failures: u32, random: f64, told: Option<u64>) -> u32 {
    let most = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LAST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and LAST")]
    let jittered = (f64::from(most) * random.clamp(0.0, 1.0)) as u32;
    let told = told.map_or(0, |seconds| u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX));
    // A server that asks for hours is asked again after ten minutes.
    jittered.saturating_add(told.min(600_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_bound_and_spreads_over_all_of_it() {
        let most: Vec<u32> = (1..8).map(|failures| wait(failures, 1.0, None)).collect();
        assert_eq!(most, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(wait(u32::MAX, 1.0, None), 30_000);
        assert_eq!((wait(0, 1.0, None), wait(5, 0.0, None), wait(5, 0.5, None)), (1_000, 0, 8_000));
        assert_eq!(wait(1, f64::NAN, None), 0);
    }

    #[test]
    fn what_the_server_asks_for_is_waited_at_least() {
        assert_eq!(wait(1, 0.0, Some(7)), 7_000);
        assert_eq!(wait(1, 1.0, Some(7)), 8_000);
        assert_eq!(wait(1, 0.0, Some(u64::MAX)), 600_000);
    }
}
