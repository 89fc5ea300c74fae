//! [`Session`]: the page's session, for components to read.

use std::future::Future;

use futures::future::{Either, LocalBoxFuture, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use protocol::{key::KeyThumbprint, problem::Ended, return_path, token::SessionHandle};

use crate::{
    connection_state::ConnectionState,
    error::ClientError,
    markup::{SESSION_META, SIGN_ORIGIN_META, meta},
    tab_sync::TabSync,
    timeout::SLOW,
};

/// How long a call may take before the page shows progress: ms.
const PROGRESS_DELAY: u32 = 300;

/// What a call that takes long is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// An answer, for a moment.
    Working,
    /// An answer, for long.
    NoAnswer,
    /// The signing frame, which has not loaded.
    NoFrame,
}

impl Progress {
    const ALL: [Self; 3] = [Self::NoFrame, Self::NoAnswer, Self::Working];

    /// The sentence that the user reads.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Working => "Working…",
            Self::NoAnswer => "There is no answer yet. Wait, or check your connection.",
            Self::NoFrame => {
                "Part of this page has not loaded yet. Wait, or turn off content blockers for this site and reload the page."
            }
        }
    }
}

/// The state of the page's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// No session.
    SignedOut,
    /// A session. The first request shows whether its key is in this browser.
    SignedIn(SessionHandle),
    /// The server has ended the session, for this reason if it is known.
    Ended(Option<Ended>),
    /// The session exists, but this browser has lost its keys.
    KeyLost,
    /// The session exists, but the signing frame has lost its key. The confirmation key can replace it.
    FrameKeyLost {
        /// The session.
        session: SessionHandle,
        /// The frame's new key.
        key: KeyThumbprint,
    },
}

/// The state of the confirmation window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConfirmationState {
    /// No confirmation is under way.
    #[default]
    Closed,
    /// The window is open.
    Open,
    /// The window is open, and has not shown the request for a while.
    Silent,
    /// The browser has blocked the window.
    Blocked,
}

/// The page's session. Its getters are reactive.
#[derive(Clone, Debug)]
pub struct Session {
    state: ArcRwSignal<SessionState>,
    /// How many calls wait for each [`Progress`].
    slow_calls: ArcRwSignal<[u32; Progress::ALL.len()]>,
    connection: ArcRwSignal<ConnectionState>,
    confirmation: ArcRwSignal<ConfirmationState>,
    redirect_outcome: ArcRwSignal<Option<Result<(), String>>>,
    /// The other sessions that the browser's cookies name, the most likely one last.
    others: ArcStoredValue<Vec<SessionHandle>>,
    sign_origin: String,
}

impl Session {
    /// The session that the cookie names: with a handle, the user is signed in.
    pub fn new(handle: Option<SessionHandle>, sign_origin: String) -> Self {
        let state = handle.map_or(SessionState::SignedOut, SessionState::SignedIn);
        Self {
            state: ArcRwSignal::new(state),
            slow_calls: ArcRwSignal::default(),
            connection: ArcRwSignal::default(),
            confirmation: ArcRwSignal::default(),
            redirect_outcome: ArcRwSignal::default(),
            others: ArcStoredValue::default(),
            sign_origin,
        }
    }

    /// The session that the server wrote into this page's [`SESSION_META`].
    pub fn from_page() -> Self {
        let content = meta(SESSION_META).unwrap_or_default();
        let mut handles: Vec<_> = content.split(' ').filter_map(|handle| SessionHandle::parse(handle).ok()).collect();
        // Of several cookies all but one were planted: prefer the session that this browser had before.
        let known = TabSync::last().and_then(|last| handles.iter().position(|handle| Some(*handle) == last.0));
        let handle = (!handles.is_empty()).then(|| handles.remove(known.unwrap_or_default()));
        let session = Self::new(handle, meta(SIGN_ORIGIN_META).unwrap_or_default());
        handles.reverse();
        session.others.set_value(handles);
        session
    }

    /// Takes the next of the other sessions that the browser's cookies name, if `session` is still the page's session.
    pub(crate) fn take_other(&self, session: SessionHandle) -> Option<SessionHandle> {
        let is_current = self.handle() == Some(session);
        is_current.then(|| self.others.try_update_value(Vec::pop).flatten()).flatten()
    }

    /// The sign origin, where users sign in and confirm.
    pub fn sign_origin(&self) -> &str {
        &self.sign_origin
    }

    /// The URL where the user signs in. Afterwards the user returns to that path of the application.
    pub fn sign_in_url(&self, path: &str) -> String {
        self.sign_origin_url("/sign-in", path)
    }

    /// The URL where the user registers. Afterwards the user returns to that path of the application.
    pub fn register_url(&self, path: &str) -> String {
        self.sign_origin_url("/register", path)
    }

    fn sign_origin_url(&self, page: &str, path: &str) -> String {
        // A path may contain these characters, which have another meaning in a query.
        let query = return_path::check(path).replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        format!("{}{page}?return={query}", self.sign_origin)
    }

    /// The state of the confirmation window.
    pub fn confirmation(&self) -> ConfirmationState {
        self.confirmation.get()
    }

    pub(crate) fn set_confirmation(&self, state: ConfirmationState) {
        if self.confirmation.get_untracked() != state {
            self.confirmation.set(state);
        }
    }

    /// The result of a request that the user confirmed after leaving this page; an error is a sentence for the user.
    pub fn redirect_outcome(&self) -> Option<Result<(), String>> {
        self.redirect_outcome.get()
    }

    pub(crate) fn set_redirect_outcome(&self, outcome: Result<(), String>) {
        self.redirect_outcome.set(Some(outcome));
    }

    /// The state of the session.
    pub fn state(&self) -> SessionState {
        self.state.get()
    }

    /// Whether the user is signed in.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.state(), SessionState::SignedIn(_))
    }

    /// What the calls that take long are waiting for.
    pub fn progress(&self) -> Option<Progress> {
        let slow_calls = self.slow_calls.get();
        Progress::ALL.into_iter().find(|progress| slow_calls[*progress as usize] > 0)
    }

    /// The state of the push connection.
    pub fn connection(&self) -> ConnectionState {
        self.connection.get()
    }

    pub(crate) fn set_connection(&self, state: ConnectionState) {
        if self.connection.get_untracked() != state {
            self.connection.set(state);
        }
    }

    /// The handle of the session, if the user is signed in. Not reactive.
    pub fn handle(&self) -> Option<SessionHandle> {
        match self.state.get_untracked() {
            SessionState::SignedIn(handle) => Some(handle),
            SessionState::SignedOut
            | SessionState::Ended(_)
            | SessionState::KeyLost
            | SessionState::FrameKeyLost { .. } => None,
        }
    }

    /// Why a call cannot be made: the reason why [`handle`](Self::handle) is `None`. Not reactive.
    pub fn absence_reason(&self) -> ClientError {
        match self.state.get_untracked() {
            SessionState::Ended(reason) => reason.map_or(ClientError::Ended, ClientError::EndedBecause),
            SessionState::KeyLost => ClientError::LostKey,
            SessionState::FrameKeyLost { key, .. } => ClientError::FrameKeyLost(key),
            SessionState::SignedOut | SessionState::SignedIn(_) => ClientError::SignedOut,
        }
    }

    /// The session whose frame key is lost, and the frame's new key. Not reactive.
    pub(crate) fn to_restore(&self) -> Option<(SessionHandle, KeyThumbprint)> {
        match self.state.get_untracked() {
            SessionState::FrameKeyLost { session, key } => Some((session, key)),
            _ => None,
        }
    }

    pub(crate) fn set(&self, state: SessionState) {
        if self.state.get_untracked() != state {
            self.state.set(state);
        }
    }

    /// Awaits `work`, and shows progress when it takes long.
    pub(crate) async fn show_progress<T>(&self, work: impl Future<Output = T>) -> T {
        let work = self.show_after(SLOW, Progress::NoAnswer, Box::pin(work));
        self.show_after(PROGRESS_DELAY, Progress::Working, work).await
    }

    /// Awaits `work`, and shows `progress` when it takes longer than `delay`.
    pub(crate) fn show_after<'a, T>(
        &'a self,
        delay: u32,
        progress: Progress,
        work: LocalBoxFuture<'a, T>,
    ) -> LocalBoxFuture<'a, T>
    where
        T: 'a,
    {
        Box::pin(async move {
            match select(work, TimeoutFuture::new(delay)).await {
                Either::Left((done, _)) => done,
                Either::Right(((), work)) => {
                    self.slow_calls.update(|counts| counts[progress as usize] += 1);
                    // Also when the caller is dropped while it waits.
                    let _done = DecrementOnDrop(self.slow_calls.clone(), progress);
                    work.await
                }
            }
        })
    }
}

/// Counts one slow call less when it is dropped.
struct DecrementOnDrop(ArcRwSignal<[u32; Progress::ALL.len()]>, Progress);

impl Drop for DecrementOnDrop {
    fn drop(&mut self) {
        self.0.update(|counts| counts[self.1 as usize] -= 1);
    }
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
