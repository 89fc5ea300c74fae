//! The WebAssembly programs of the sign origin, the only code that can use a session's keys.
//!
//! The crate builds three programs. The **signing frame** is a hidden page inside the application's page, reachable from
//! there by one message port; it signs requests that need no confirmation with the frame key. The **pages**, and the
//! **confirmation window**, are top-level documents where users sign in, register and confirm; no other page can style, cover or shrink them, and
//! the confirmation key is used nowhere else. Script injected into the application can ask the frame for signatures and
//! open a confirmation; it cannot read a key, sign arbitrary bytes, or confirm.
//!
//! | module | contents |
//! |---|---|
//! | `frame` | the signing frame |
//! | `pages` | sign-in, registration and the confirmation window |
//! | `port` | the handshake with the application's page, and its messages |
//! | `sign` | signing of a request |
//! | `keys` | key pairs in `WebCrypto` |
//! | `key_store` | storage of keys in `IndexedDB` |
//! | `locks` | Web Locks |
//! | `http` | requests to the sign origin |
//! | `clock`, `moment` | the estimate of the server's clock, the device's clocks |
//! | `wait` | waiting for the browser, for a limited time |
//!
//! Modules that use no browser API are tested natively (`clock`, `frame::policy`, `pages::arming`, `pages::cooldown`,
//! `pages::request`); the rest is tested in a browser, in `end2end`.

mod clock;
mod frame;
mod http;
mod key_store;
mod keys;
mod locks;
mod moment;
mod pages;
mod port;
mod sign;
#[cfg(test)]
#[path = "../../protocol/tests/wire/test_actions.rs"]
mod test_actions;
mod wait;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

/// Starts the signing frame. Errors go to the browser's console: the document lacks a meta element, or the frame is not
/// directly inside the application's page.
pub fn start_frame() {
    run(frame::Frame::run());
}

/// Starts the sign-in or the registration page. Errors go to the browser's console, and the page shows that it has not started.
pub fn start_pages() {
    run(pages::run_entry());
}

/// Starts the confirmation window. Errors as in [`start_pages`]. A program of its own, because each page has a size limit.
pub fn start_confirm() {
    run(pages::run_confirm());
}

fn run(program: impl Future<Output = Result<(), JsValue>> + 'static) {
    spawn_local(async {
        if let Err(error) = program.await {
            web_sys::console::error_1(&error);
        }
    });
}

/// The content of a `<meta>` element of this document.
fn meta(name: &str) -> Result<String, JsValue> {
    let document = web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
    let meta = document.query_selector(&["meta[name=", name, "]"].concat())?;
    meta.and_then(|meta| meta.get_attribute("content")).ok_or(JsValue::NULL)
}

/// Host and port of an origin, as in `@authority` (RFC 9421 §2.2.3).
fn authority(origin: &str) -> &str {
    // An origin has no path, so this is the part after the last slash. Searching for "://" would add 3 KB to the frame.
    origin.rsplit_once('/').map_or("", |(_scheme, authority)| authority)
}
