//! The device's two clocks.

/// One moment on the device's two clocks, in ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// `Date.now()`: Unix time, as far as the device knows; may be set at any time.
    pub(crate) wall: f64,
    /// `performance.now()`: never goes back, never is set; may stand still while the device sleeps.
    pub(crate) steady: f64,
}

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self { wall: js_sys::Date::now(), steady: steady() }
    }
}

/// `performance.now()`.
pub(crate) fn steady() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}
