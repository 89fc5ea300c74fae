//! Keeps the tabs of one browser on the same session: they share the cookie, so one signs in or out and the others follow.
//!
//! A tab announces its session on a broadcast channel. A page in the back/forward cache receives nothing, so the session is
//! also kept in the browser's storage, and read when the page is shown again.

use gloo_events::EventListener;
use leptos::prelude::window;
use protocol::token::SessionHandle;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// The name of the channel, and of the entry in the browser's storage. A message is the session's handle, or empty for
/// "signed out".
const NAME: &str = "pan-session";

/// The session that this browser had last; `None` for "signed out".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSession(pub(crate) Option<SessionHandle>);

/// The channel to the other tabs; `None` where the browser has no broadcast channels.
pub(crate) struct TabSync(Option<(BroadcastChannel, EventListener)>);

impl TabSync {
    /// Joins the channel. `on_message` gets the session that another tab has now.
    pub(crate) fn join(on_message: impl Fn(Option<SessionHandle>) + 'static) -> Self {
        Self(BroadcastChannel::new(NAME).ok().map(|channel| {
            let listener = EventListener::new(&channel, "message", move |event| {
                let message = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
                on_message(SessionHandle::parse(&message).ok());
            });
            (channel, listener)
        }))
    }

    /// Announces the session that this tab has now.
    pub(crate) fn announce(&self, session: Option<SessionHandle>) {
        let message = store(session);
        if let Some((channel, _)) = &self.0 {
            // A closed channel only means that no tab receives.
            let _ = channel.post_message(&JsValue::from_str(&message));
        }
    }

    /// Stores that the session has ended. The other tabs learn it, and the reason, from their own requests.
    pub(crate) fn record_end() {
        store(None);
    }

    /// The session that was stored last, if any was.
    pub(crate) fn last() -> Option<LastSession> {
        let stored = window().local_storage().ok()??.get_item(NAME).ok()??;
        Some(LastSession(SessionHandle::parse(&stored).ok()))
    }
}

fn store(session: Option<SessionHandle>) -> String {
    let message = session.map(|handle| handle.to_string()).unwrap_or_default();
    if let Ok(Some(storage)) = window().local_storage() {
        // Full or forbidden storage: then a page from the cache learns of the change with its first request.
        let _ = storage.set_item(NAME, &message);
    }
    message
}
