//! Other tabs of this browser share the cookie, so they share the session: one signs in or out, the others follow.

use gloo_events::EventListener;
use protocol::token::SessionHandle;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// The channel's name. What is said on it: a session's handle, or nothing for "signed out".
const NAME: &str = "pan-session";

/// The line to the other tabs; none where the browser has no such thing.
pub struct OtherTabs(Option<(BroadcastChannel, EventListener)>);

impl OtherTabs {
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
        if let Some((channel, _)) = &self.0 {
            let said = session.map(|handle| handle.to_string()).unwrap_or_default();
            // A closed channel only means that nobody listens.
            let _ = channel.post_message(&JsValue::from_str(&said));
        }
    }
}
