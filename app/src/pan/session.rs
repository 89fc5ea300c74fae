//! Which session this page has, as the pages see it.

use std::future::Future;

use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use protocol::{problem::Ended, token::SessionHandle};

use super::push;
use crate::fault::Fault;

/// The name of the `<meta>` with the handle of the session whose cookie the browser sent.
pub const META: &str = "pan-session";

/// How long something may take before the page says that it is at work: ms.
const PATIENCE: u32 = 300;

/// How the page's session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nobody is signed in.
    Out,
    /// There is a session. Whether the key is here shows with the first request.
    In(SessionHandle),
    /// There was one; the server has ended it, and may say why.
    Ended(Option<Ended>),
    /// There is one, but this browser has lost its key.
    KeyLost,
}

/// The page's session, for components to read. Reading it follows its changes.
#[derive(Clone, Debug)]
pub struct Session {
    standing: ArcRwSignal<Standing>,
    slow: ArcRwSignal<u32>,
    push: ArcRwSignal<push::State>,
}

impl Session {
    /// A session as the cookie says: with a handle, somebody is signed in.
    pub fn new(handle: Option<SessionHandle>) -> Self {
        let standing = handle.map_or(Standing::Out, Standing::In);
        Self { standing: ArcRwSignal::new(standing), slow: ArcRwSignal::new(0), push: ArcRwSignal::default() }
    }

    /// The session that the server wrote into this page's [`META`].
    pub fn of_page() -> Self {
        Self::new(meta(META).and_then(|handle| SessionHandle::parse(&handle).ok()))
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// Whether a session is there.
    pub fn is_in(&self) -> bool {
        matches!(self.standing(), Standing::In(_))
    }

    /// Whether something takes long enough to say so.
    pub fn is_slow(&self) -> bool {
        self.slow.get() > 0
    }

    /// What it has of the connection for pushed news.
    pub fn push(&self) -> push::State {
        self.push.get()
    }

    /// Changes that.
    pub(crate) fn set_push(&self, state: push::State) {
        if self.push.get_untracked() != state {
            self.push.set(state);
        }
    }

    /// Its handle, without following changes.
    pub(crate) fn handle(&self) -> Option<SessionHandle> {
        match self.standing.get_untracked() {
            Standing::In(handle) => Some(handle),
            Standing::Out | Standing::Ended(_) | Standing::KeyLost => None,
        }
    }

    /// Why there is no session.
    pub(crate) fn absence(&self) -> Fault {
        match self.standing.get_untracked() {
            Standing::Ended(why) => why.map_or(Fault::Ended, Fault::EndedBecause),
            Standing::KeyLost => Fault::LostKey,
            Standing::Out | Standing::In(_) => Fault::SignedOut,
        }
    }

    /// Changes it. Components that read it follow.
    pub(crate) fn set(&self, standing: Standing) {
        if self.standing.get_untracked() != standing {
            self.standing.set(standing);
        }
    }

    /// Awaits something, and shows that it takes long when it does.
    pub(crate) async fn busy_while<T>(&self, work: impl Future<Output = T>) -> T {
        match select(Box::pin(work), TimeoutFuture::new(PATIENCE)).await {
            Either::Left((done, _)) => done,
            Either::Right(((), work)) => {
                self.slow.update(|count| *count += 1);
                // Also when the caller goes away while it waits.
                let _done = OnDrop(self.slow.clone());
                work.await
            }
        }
    }
}

/// Counts one slow thing less when it goes.
struct OnDrop(ArcRwSignal<u32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.update(|count| *count = count.saturating_sub(1));
    }
}

/// The content of a `<meta>` of this page.
pub(crate) fn meta(name: &str) -> Option<String> {
    let element = document().query_selector(&format!("meta[name={name}]")).ok()??;
    element.get_attribute("content")
}
