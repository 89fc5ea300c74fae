//! Which session this page has, as the pages see it.

use std::future::Future;

use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use protocol::{key::KeyThumbprint, problem::Ended, return_path, token::SessionHandle};

use super::{frame, push, tab_sync::TabSync};
use crate::error::AppError;

/// The name of the `<meta>` with the handles of the sessions whose cookies the browser sent.
pub const META: &str = "pan-session";

/// How long something may take before the page says that it is at work: ms.
const PATIENCE: u32 = 300;

/// How the page's session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// Nobody is signed in.
    Out,
    /// There is a session. Whether the key is here shows with the first request.
    In(SessionHandle),
    /// There was one; the server has ended it, and may say why.
    Ended(Option<Ended>),
    /// There is one, but this browser has lost its keys.
    KeyLost,
    /// There is one, but the signing frame has lost its key. The confirmation key can replace it.
    FrameKeyLost {
        /// The session.
        session: SessionHandle,
        /// The frame's new key.
        key: KeyThumbprint,
    },
}

/// What there is of a confirmation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Confirming {
    /// Nothing.
    #[default]
    No,
    /// Its window is open.
    Open,
    /// The browser has blocked its window.
    Blocked,
}

/// The page's session, for components to read. Reading it follows its changes.
#[derive(Clone, Debug)]
pub struct Session {
    state: ArcRwSignal<SessionState>,
    slow: ArcRwSignal<u32>,
    push: ArcRwSignal<push::State>,
    confirming: ArcRwSignal<Confirming>,
    outcome: ArcRwSignal<Option<Result<(), AppError>>>,
    /// The other sessions that the browser's cookies name, the likeliest last.
    others: ArcStoredValue<Vec<SessionHandle>>,
    sign_origin: String,
}

impl Session {
    /// A session as the cookie says: with a handle, somebody is signed in.
    pub fn new(handle: Option<SessionHandle>, sign_origin: String) -> Self {
        let state = handle.map_or(SessionState::Out, SessionState::In);
        Self {
            state: ArcRwSignal::new(state),
            slow: ArcRwSignal::new(0),
            push: ArcRwSignal::default(),
            confirming: ArcRwSignal::default(),
            outcome: ArcRwSignal::default(),
            others: ArcStoredValue::default(),
            sign_origin,
        }
    }

    /// The session that the server wrote into this page's [`META`].
    pub fn of_page() -> Self {
        let names = meta(META).unwrap_or_default();
        let mut handles: Vec<_> = names.split(' ').filter_map(|handle| SessionHandle::parse(handle).ok()).collect();
        // Of several cookies all but one were planted: not the one that this browser had before.
        let known = TabSync::last().flatten().and_then(|known| handles.iter().position(|handle| *handle == known));
        let handle = (!handles.is_empty()).then(|| handles.remove(known.unwrap_or_default()));
        let session = Self::new(handle, meta(frame::ORIGIN_META).unwrap_or_default());
        handles.reverse();
        session.others.set_value(handles);
        session
    }

    /// The next of the other sessions that the browser's cookies name, if this one is still the page's.
    pub(crate) fn take_other(&self, session: SessionHandle) -> Option<SessionHandle> {
        let is_present = self.handle() == Some(session);
        is_present.then(|| self.others.try_update_value(Vec::pop).flatten()).flatten()
    }

    /// The sign origin, where users sign in and confirm.
    pub fn sign_origin(&self) -> &str {
        &self.sign_origin
    }

    /// The address where a user signs in, who then returns to a path of the application.
    pub fn sign_in_url(&self, path: &str) -> String {
        self.entry_url("/sign-in", path)
    }

    /// The address where a user opens an account, who then returns to a path of the application.
    pub fn register_url(&self, path: &str) -> String {
        self.entry_url("/register", path)
    }

    fn entry_url(&self, page: &str, path: &str) -> String {
        // Of what a path may hold, these mean something else in a query.
        let query = return_path::check(path).replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        format!("{}{page}?return={query}", self.sign_origin)
    }

    /// What there is of a confirmation.
    pub fn confirming(&self) -> Confirming {
        self.confirming.get()
    }

    /// Changes that.
    pub(crate) fn set_confirming(&self, confirming: Confirming) {
        self.confirming.set(confirming);
    }

    /// What came of a request that was confirmed while the user had left this page.
    pub fn outcome(&self) -> Option<Result<(), AppError>> {
        self.outcome.get()
    }

    /// Changes that.
    pub(crate) fn set_outcome(&self, outcome: Result<(), AppError>) {
        self.outcome.set(Some(outcome));
    }

    /// How it stands.
    pub fn state(&self) -> SessionState {
        self.state.get()
    }

    /// Whether a session is there.
    pub fn is_in(&self) -> bool {
        matches!(self.state(), SessionState::In(_))
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
        match self.state.get_untracked() {
            SessionState::In(handle) => Some(handle),
            SessionState::Out | SessionState::Ended(_) | SessionState::KeyLost | SessionState::FrameKeyLost { .. } => {
                None
            }
        }
    }

    /// Why there is no session.
    pub(crate) fn absence(&self) -> AppError {
        match self.state.get_untracked() {
            SessionState::Ended(why) => why.map_or(AppError::Ended, AppError::EndedBecause),
            SessionState::KeyLost => AppError::LostKey,
            SessionState::FrameKeyLost { key, .. } => AppError::FrameKeyLost(key),
            SessionState::Out | SessionState::In(_) => AppError::SignedOut,
        }
    }

    /// The session whose frame key is lost, and the frame's new key.
    pub(crate) fn to_restore(&self) -> Option<(SessionHandle, KeyThumbprint)> {
        match self.state.get_untracked() {
            SessionState::FrameKeyLost { session, key } => Some((session, key)),
            _ => None,
        }
    }

    /// Changes it. Components that read it follow.
    pub(crate) fn set(&self, state: SessionState) {
        if self.state.get_untracked() != state {
            self.state.set(state);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_url_keeps_the_path_and_only_paths() {
        let session = Session::new(None, "https://sign.example.com".to_owned());
        let url = |path| session.sign_in_url(path);
        assert_eq!(url("/activity"), "https://sign.example.com/sign-in?return=/activity");
        assert_eq!(url("/a%20b?c=1&d=2"), "https://sign.example.com/sign-in?return=/a%2520b?c=1%26d=2");
        assert_eq!(url("//evil.example"), "https://sign.example.com/sign-in?return=/account");
    }
}
