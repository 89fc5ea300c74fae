//! The message port to the application's page.
//!
//! The frame posts "ready" to its parent, and the confirmation window to its opener. It accepts the first port from
//! that window at the app origin, no second one, and no message from another window. It repeats "ready" until the port
//! arrives, because browsers can lose a message to a page of another process: Chromium does while a debugger holds a
//! window that the page is opening.

use std::{cell::Cell, rc::Rc};

use js_sys::{Array, Promise};
use protocol::message::{CONNECT, READY};
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MessageEvent, MessagePort, Window};

use crate::wait::after;

/// The longest accepted message, in bytes: a body of 64 KiB, whose JSON text may be escaped, and a proof.
const MAX_MESSAGE: usize = 512 * 1024;

/// The interval between "ready" messages, in ms.
const REPEAT: i32 = 500;

/// Posts "ready" to `peer` until `is_claimed`.
async fn repeat_ready(peer: Window, app_origin: String, is_claimed: Rc<Cell<bool>>) {
    while !is_claimed.get() {
        // Fails only when the origin is not a URL.
        if peer.post_message(&READY.into(), &app_origin).is_err() {
            return;
        }
        let pause = Promise::new(&mut |resolve, _| after(REPEAT, &resolve));
        // It never rejects.
        let _ = JsFuture::from(pause).await;
    }
}

/// The port to the page.
pub(crate) struct Port(MessagePort);

impl Port {
    /// Waits until `peer`, a window at the app origin, transfers a port.
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
        spawn_local(repeat_ready(peer.clone(), app_origin.to_owned(), Rc::clone(&is_claimed)));
        let port = JsFuture::from(first).await?.unchecked_into();
        is_claimed.set(true);
        window.remove_event_listener_with_callback("message", callback)?;
        Ok(Self(port))
    }

    /// Calls `handle` with every message, for the life of the page.
    pub(crate) fn listen(&self, handle: impl Fn(String) + 'static) {
        let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string().filter(|text| text.len() <= MAX_MESSAGE) {
                handle(text);
            }
        });
        // Setting it starts the port.
        self.0.set_onmessage(Some(listener.into_js_value().unchecked_ref()));
    }

    /// Waits for the first message. Later ones are ignored.
    pub(crate) async fn first(&self) -> Result<String, JsValue> {
        let first = Promise::new(&mut |resolve, _| {
            self.listen(move |text| {
                // Calling resolve cannot fail.
                let _ = resolve.call1(&JsValue::NULL, &text.into());
            });
        });
        JsFuture::from(first).await.map(|text| text.as_string().unwrap_or_default())
    }

    /// Sends a message to the page.
    pub(crate) fn send(&self, message: &impl Serialize) {
        // Neither step can fail: every message serialises, and a port accepts every text even when the page is gone.
        if let Ok(text) = serde_json::to_string(message) {
            let _ = self.0.post_message(&text.into());
        }
    }
}
