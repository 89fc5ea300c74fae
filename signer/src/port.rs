//! The one line to the application's page.
//!
//! The frame says to its parent, and the confirmation window to its opener, that it is ready, and takes the first port that
//! comes back from that window at the app origin. It takes no second one, and listens to no other window. Until that port
//! comes it repeats that it is ready. Browsers can lose a message to a page of another process: Chromium does while a debugger
//! holds a window that the page is opening.

use std::{cell::Cell, rc::Rc};

use js_sys::{Array, Promise};
use protocol::message::{CONNECT, READY};
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MessageEvent, MessagePort, Window};

/// The longest message that is read, in bytes: a body of 64 KiB, whose JSON text may be escaped, and a proof.
const MAX_MESSAGE: usize = 512 * 1024;

/// How often the page is told again that a port can be taken, in ms.
const REPEAT: i32 = 500;

/// Says to `peer` that this page is ready, until `is_claimed`.
async fn repeat_ready(window: Window, peer: Window, app_origin: String, is_claimed: Rc<Cell<bool>>) {
    while !is_claimed.get() {
        // Fails only when the origin is no URL.
        if peer.post_message(&READY.into(), &app_origin).is_err() {
            return;
        }
        let pause = Promise::new(&mut |resolve, _| {
            // A timer can always be set.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, REPEAT);
        });
        // It never rejects.
        let _ = JsFuture::from(pause).await;
    }
}

/// The port, claimed.
pub(crate) struct Port(MessagePort);

impl Port {
    /// Waits until `peer`, a window at the app origin, hands over a port.
    pub(crate) async fn claim(window: &Window, peer: &Window, app_origin: &str) -> Result<Self, JsValue> {
        let origin = app_origin.to_owned();
        let source = peer.clone();
        let from_peer = move |event: &MessageEvent| {
            let is_peer = event.source().is_some_and(|window| window.loose_eq(&source));
            is_peer && event.origin() == origin && event.data() == CONNECT
        };
        let mut listener = None;
        // A promise is settled once, so the first port is the only one.
        let first = Promise::new(&mut |resolve, _| {
            let from_peer = from_peer.clone();
            listener = Some(Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let ports: Array = event.ports().unchecked_into();
                if from_peer(&event) && ports.length() == 1 {
                    // Calling resolve cannot fail.
                    let _ = resolve.call1(&JsValue::NULL, &ports.get(0));
                }
            }));
        });
        let listener = listener.ok_or(JsValue::NULL)?;
        let callback = listener.as_ref().unchecked_ref();
        window.add_event_listener_with_callback("message", callback)?;
        let is_claimed = Rc::new(Cell::new(false));
        spawn_local(repeat_ready(window.clone(), peer.clone(), app_origin.to_owned(), Rc::clone(&is_claimed)));
        let port = JsFuture::from(first).await?.unchecked_into();
        is_claimed.set(true);
        window.remove_event_listener_with_callback("message", callback)?;
        Ok(Self(port))
    }

    /// Hands every message to `hear`, for as long as the page lives.
    pub(crate) fn listen(&self, hear: impl Fn(String) + 'static) {
        let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string().filter(|text| text.len() <= MAX_MESSAGE) {
                hear(text);
            }
        });
        // Setting it starts the port.
        self.0.set_onmessage(Some(listener.into_js_value().unchecked_ref()));
    }

    /// Waits for the first message. There is no second one.
    pub(crate) async fn first(&self) -> Result<String, JsValue> {
        let first = Promise::new(&mut |resolve, _| {
            self.listen(move |text| {
                // Calling resolve cannot fail.
                let _ = resolve.call1(&JsValue::NULL, &text.into());
            });
        });
        JsFuture::from(first).await.map(|text| text.as_string().unwrap_or_default())
    }

    /// Says something to the page.
    pub(crate) fn say(&self, message: &impl Serialize) {
        // A message always has a JSON text, and a port takes every text, also when the page is gone.
        if let Ok(text) = serde_json::to_string(message) {
            let _ = self.0.post_message(&text.into());
        }
    }
}
