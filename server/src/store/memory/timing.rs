//! Times as the memory store counts them: Unix ms.

use std::time::Duration;

/// More than a clock errs between two readings: ms. A time that is further ahead was written before the clock was set
/// back.
pub(super) const MAX_SKEW: u64 = 60_000;

/// Milliseconds.
pub(super) fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
