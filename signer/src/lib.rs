//! PAN's signing frame: the one place that can use a session's key.
//!
//! It is a page of its own on the sign origin, shown inside the application's page and reachable from there by one
//! message port. Script injected into the application can ask it for signatures; it cannot read the key, sign bytes of
//! its own choosing, or press the confirmation sheet's button.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | the whole: what it remembers, how it answers |
//! | `port` | the handshake with the page, and the messages |
//! | `policy` | what may be signed |
//! | `sign` | signing a request |
//! | `bind` | making a key and binding it to a session |
//! | `keys` | `WebCrypto` |
//! | `push` | hearing pushed frames |
//! | `agreement` | the keys of pushed frames |
//! | `vault` | `IndexedDB` |
//! | `home` | requests to the frame's own origin |
//! | `clock` | the server's time |
//! | `sheet` | asking a person, from opening the sheet to the proof |
//! | `arming` | when the sheet's button may be pressed |
//! | `dialog` | what the sheet looks like |
//!
//! `policy`, `clock` and `arming` are tested natively; the rest is tested in a browser, in `end2end`.

mod agreement;
mod arming;
mod bind;
mod clock;
mod dialog;
mod frame;
mod home;
mod keys;
mod policy;
mod port;
mod push;
mod sheet;
mod sign;
mod vault;

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

/// Starts the frame. An error is shown in the browser's console: the page was not served as it was built, or the
/// frame is not where it belongs.
///
/// # Errors
/// Whatever the browser said.
#[wasm_bindgen(start)]
pub async fn start() -> Result<(), JsValue> {
    frame::Frame::run().await
}
