//! What PAN runs in the browser on the sign origin: the one place that can use a session's keys.
//!
//! Two programs are made of it. The **signing frame** is a hidden page inside the application's page, reachable from there
//! by one message port; it signs with the frame key what needs no confirmation. The **pages** are top-level documents
//! where users sign in, register and confirm; no other page can style, cover or shrink them, and the confirmation key is
//! used nowhere else. Script injected into the application can ask the frame for signatures and open a confirmation; it
//! cannot read a key, sign bytes of its own choosing, or confirm.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | the signing frame |
//! | `pages` | sign-in, registration and the confirmation window |
//! | `port` | the handshake with the application's page, and the messages |
//! | `sign` | signing a request |
//! | `keys` | `WebCrypto` |
//! | `key_store` | `IndexedDB` |
//! | `locks` | Web Locks |
//! | `http` | requests to the sign origin |
//! | `clock`, `moment` | the server's time, the device's clocks |
//!
//! What needs no browser is tested natively (`clock`, `frame::policy`, `pages::arming`, `pages::cooldown`,
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
mod test_actions;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

/// Starts the signing frame. An error is shown in the browser's console: the page was not served as it was built, or the
/// frame is not where it belongs.
pub fn start_frame() {
    run(frame::Frame::run());
}

/// Starts the page that this document is. An error is shown in the browser's console, and the page says that it has not
/// started.
pub fn start_pages() {
    run(pages::run());
}

fn run(program: impl Future<Output = Result<(), JsValue>> + 'static) {
    spawn_local(async {
        if let Err(error) = program.await {
            web_sys::console::error_1(&error);
        }
    });
}

/// The content of a `<meta>` of this document.
fn meta(name: &str) -> Result<String, JsValue> {
    let document = web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
    let meta = document.query_selector(&["meta[name=", name, "]"].concat())?;
    meta.and_then(|meta| meta.get_attribute("content")).ok_or(JsValue::NULL)
}

/// Host and port of an origin, as `@authority` has them.
fn authority(origin: &str) -> &str {
    // An origin has no path: what follows its last slash. (A search for "://" would weigh 3 KB.)
    origin.rsplit_once('/').map_or("", |(_scheme, authority)| authority)
}
