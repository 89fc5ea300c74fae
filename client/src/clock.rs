//! The device's clock.

/// Unix time in ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock is positive and below 2^53")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}
