//! News from the server, as it happens. What a page is told was signed for this very connection, and verified by the
//! frame, before any of this sees it (docs/PROTOCOL.md §9).
//!
//! A page says what it wants to hear, in one line, and is told for as long as it is shown:
//!
//! ```no_run
//! # fn component() {
//! use app::pan::push;
//! push::each(|news| leptos::logging::log!("{:?}", news.push));
//! # }
//! ```
//!
//! | module | does |
//! |---|---|
//! | `line` | one connection, by event stream or WebSocket |
//! | `listen` | opens connections for as long as somebody is signed in, hears them, comes back when they break |
//! | `events` | reads an event stream |
//! | `patience` | how long to wait before coming back |
//! | [`place`] | how far the person has read, over all tabs |

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use leptos::prelude::{document, on_cleanup, window};
use protocol::{
    push::{Cursor, Payload},
    token::SessionHandle,
};

use super::{Tab, notify::Changed};

pub mod backoff;
mod connection;
pub mod read_cursor;
mod reconnect;
pub mod sse;

pub use connection::Transport;
pub(super) use reconnect::run;

/// After this time that nobody looks at the page its connection is closed: ms. It goes on where it was when somebody does.
const UNSEEN: u32 = 60_000;

/// What this page has of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// None is wanted: nobody is signed in, or nobody looks.
    #[default]
    Off,
    /// It is being opened.
    Opening,
    /// It is open, and the last frame was believed.
    Live(Transport),
    /// It broke, and will be tried again.
    Waiting,
}

type Listener = Rc<dyn Fn(&Payload)>;

/// This page's end of the push connection.
#[derive(Default)]
pub(crate) struct Push {
    listeners: RefCell<Vec<(u32, Listener)>>,
    last_listener: Cell<u32>,
    /// The last place of the log that this page was told, and by which session.
    told: Cell<Option<(SessionHandle, Cursor)>>,
    /// The page lies in the browser's cache, or nobody has looked at it for a while.
    rests: Cell<bool>,
    unseen: RefCell<Option<Timeout>>,
    /// Something about the session, the network or who looks.
    pub(super) changed: Changed,
}

impl Push {
    /// Where the connection goes on: where this page has got to, or else where the person has read to.
    fn after(&self, session: SessionHandle) -> Option<Cursor> {
        let told = self.told.get().filter(|(by, _)| *by == session).map(|(_, cursor)| cursor);
        told.or_else(|| read_cursor::of(session))
    }

    fn tell(&self, session: SessionHandle, payload: &Payload) {
        self.told.set(Some((session, payload.id)));
        // As they are now: one that is told may add or remove some.
        let listeners: Vec<Listener> =
            self.listeners.borrow().iter().map(|(_, listener)| Rc::clone(listener)).collect();
        for listener in listeners {
            listener(payload);
        }
    }

    fn may_connect(&self) -> bool {
        !self.rests.get() && window().navigator().on_line()
    }

    fn rest(&self, rests: bool) {
        self.unseen.take();
        self.rests.set(rests);
        self.changed.tell();
    }

    /// Listens to the browser: network, cache, and whether anybody looks.
    pub(super) fn watch(tab: &Rc<Tab>) {
        let on = |target: &web_sys::EventTarget, name: &'static str, act: fn(&Rc<Tab>)| {
            let tab = Rc::clone(tab);
            EventListener::new(target, name, move |_| act(&tab)).forget();
        };
        on(&window(), "online", |tab| tab.push.changed.tell());
        on(&window(), "offline", |tab| tab.push.changed.tell());
        // An open connection would keep the page out of the back/forward cache.
        on(&window(), "pagehide", |tab| tab.push.rest(true));
        on(&window(), "pageshow", |tab| tab.push.rest(false));
        on(&document(), "visibilitychange", Self::look);
        // It may have been opened in the background.
        Self::look(tab);
    }

    fn look(tab: &Rc<Tab>) {
        if document().hidden() {
            let unseen = Rc::clone(tab);
            let timer = Timeout::new(UNSEEN, move || unseen.push.rest(true));
            tab.push.unseen.replace(Some(timer));
        } else {
            tab.push.rest(false);
        }
    }
}

/// Calls `hear` with everything that is pushed, for as long as the component that calls this lives.
///
/// [`Push::Reset`](protocol::push::Push::Reset) says that something was missed: whatever is shown must be asked for anew.
pub fn each(hear: impl Fn(&Payload) + 'static) {
    // There is none on the server, where pages are only rendered.
    let Ok(tab) = Tab::get() else { return };
    let id = tab.push.last_listener.get().wrapping_add(1);
    tab.push.last_listener.set(id);
    tab.push.listeners.borrow_mut().push((id, Rc::new(hear)));
    on_cleanup(move || {
        if let Ok(tab) = Tab::get() {
            tab.push.listeners.borrow_mut().retain(|(other, _)| *other != id);
        }
    });
}
