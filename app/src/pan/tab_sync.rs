//! Other tabs of this browser share the cookie, so they share the session: one signs in or out, the others follow.
//!
//! A tab says on a channel which session it has. A page that lies in the back/forward cache hears nothing, so the session is
//! written down as well, and looked up when the page is shown again.

use gloo_events::EventListener;
use leptos::prelude::window;
use protocol::token::SessionHandle;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// The name of the channel, and of the entry in the browser's storage. What is said: a session's handle, or nothing for
/// "signed out".
const NAME: &str = "pan-session";

/// The line to the other tabs; none where the browser has no such thing.
pub struct TabSync(Option<(BroadcastChannel, EventListener)>);

impl TabSync {
    /// Listens: `heard` gets the session that another tab has now.
    pub fn join(heard: impl Fn(Option<SessionHandle>) + 'static) -> Self {
        Self(BroadcastChannel::new(NAME).ok().map(|channel| {
            let listener = EventListener::new(&channel, "message", move |event| {
                let said = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
                heard(SessionHandle::parse(&said).ok());
            });
            (channel, listener)
        }))
    }

    /// Says which session this tab has now.
    pub fn tell(&self, session: Option<SessionHandle>) {
        let said = note(session);
        if let Some((channel, _)) = &self.0 {
            // A closed channel only means that nobody listens.
            let _ = channel.post_message(&JsValue::from_str(&said));
        }
    }

    /// Writes down that the session is over. The other tabs find out by themselves, and why.
    pub fn note_end() {
        note(None);
    }

    /// The session that this browser had last, if it was written down: `Some(None)` when it was signed out.
    pub fn last() -> Option<Option<SessionHandle>> {
        let said = window().local_storage().ok()??.get_item(NAME).ok()??;
        Some(SessionHandle::parse(&said).ok())
    }
}

fn note(session: Option<SessionHandle>) -> String {
    let said = session.map(|handle| handle.to_string()).unwrap_or_default();
    if let Ok(Some(storage)) = window().local_storage() {
        // Full or forbidden storage: then a page from the cache notices with its first request.
        let _ = storage.set_item(NAME, &said);
    }
    said
}
