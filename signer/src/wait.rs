//! Waits for the browser, which may never answer: for its storage, keys, locks and network.

use js_sys::{Array, Function, Promise};
use wasm_bindgen_futures::JsFuture;

/// How long the browser's storage, keys and locks may take, in ms.
pub(crate) const LOCAL: i32 = 3_000;

/// How long another party may take before the page says whom it waits for, in ms.
pub(crate) const SLOW: i32 = 4_000;

/// Waits for a promise for at most `ms`.
pub(crate) fn within(ms: i32, promise: &Promise) -> JsFuture {
    let timeout = Promise::new(&mut |_, reject| after(ms, &reject));
    Promise::race(&Array::of2(promise, &timeout)).into()
}

/// Calls `act` after `ms`.
pub(crate) fn after(ms: i32, act: &Function) {
    if let Some(window) = web_sys::window() {
        // A timer can always be set.
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(act, ms);
    }
}
