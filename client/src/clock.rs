//! The device's clocks.

use leptos::prelude::window;

/// Unix time in ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock is positive and below 2^53")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// The time since the page was opened, in ms. It does not change when the clock is set.
pub(crate) fn steady() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}
