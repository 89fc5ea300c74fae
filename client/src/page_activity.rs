//! Whether the page should have a push connection: it is visible, and the browser has not just gone offline.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use leptos::prelude::{document, window};

use crate::notify::Notify;

/// How long after the page is hidden its connection is closed: ms. It resumes when the page becomes visible again.
const HIDDEN: u32 = 60_000;

/// How long the browser is believed that it is offline: ms. `navigator.onLine` is not read: behind some virtual networks
/// it is always false.
const OFFLINE: u32 = 30_000;

/// Whether the page should have a push connection.
#[derive(Default)]
pub(crate) struct PageActivity {
    /// The page is in the back/forward cache, or has been hidden for a while.
    is_paused: Cell<bool>,
    hidden_timer: RefCell<Option<Timeout>>,
    /// Runs for a while after the browser has gone offline.
    offline_timer: RefCell<Option<Timeout>>,
    /// Notified when the session, the network or the page's visibility changes.
    pub(crate) changed: Notify,
}

impl PageActivity {
    /// Whether a push connection may be open now.
    pub(crate) fn may_connect(&self) -> bool {
        !self.is_paused.get() && self.offline_timer.borrow().is_none()
    }

    /// Follows the browser's events about network, cache and visibility.
    pub(crate) fn watch(self: &Rc<Self>) {
        let on = |target: &web_sys::EventTarget, name: &'static str, act: fn(&Rc<Self>)| {
            let page = Rc::clone(self);
            EventListener::new(target, name, move |_| act(&page)).forget();
        };
        on(&window(), "online", |page| page.set_online());
        on(&window(), "offline", |page| {
            let online = Rc::clone(page);
            page.offline_timer.replace(Some(Timeout::new(OFFLINE, move || online.set_online())));
            page.changed.notify();
        });
        // An open connection would keep the page out of the back/forward cache.
        on(&window(), "pagehide", |page| page.set_paused(true));
        on(&window(), "pageshow", |page| page.set_paused(false));
        on(&document(), "visibilitychange", Self::check_visibility);
        // The page may have been opened in the background.
        self.check_visibility();
    }

    fn check_visibility(self: &Rc<Self>) {
        if document().hidden() {
            let page = Rc::clone(self);
            let timer = Timeout::new(HIDDEN, move || page.set_paused(true));
            self.hidden_timer.replace(Some(timer));
        } else {
            self.set_paused(false);
        }
    }

    fn set_online(&self) {
        self.offline_timer.take();
        self.changed.notify();
    }

    fn set_paused(&self, is_paused: bool) {
        self.hidden_timer.take();
        self.is_paused.set(is_paused);
        self.changed.notify();
    }
}
