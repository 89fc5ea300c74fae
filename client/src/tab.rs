//! [`Tab`]: the state of one loaded page.

use std::{cell::OnceCell, rc::Rc};

use protocol::{
    action::ActionEntry,
    catalogue::Catalogue,
    message::FrameRequest,
    token::{Nonce, SessionHandle},
};

use crate::{
    clock::now,
    confirmation::Confirmation,
    error::ClientError,
    frame::Frame,
    interaction_recorder::InteractionRecorder,
    nonce_pool::NoncePool,
    page_activity::PageActivity,
    redirect::TypedInputs,
    session::{Session, SessionState},
    subscribers::Subscribers,
    tab_sync::TabSync,
};

thread_local! {
    static CURRENT: OnceCell<Rc<Tab>> = const { OnceCell::new() };
}

/// The state of one loaded page.
pub(crate) struct Tab {
    /// The application's protected actions.
    catalogue: Catalogue,
    frame: Option<Rc<Frame>>,
    pub(crate) recorder: InteractionRecorder,
    pub(crate) nonces: NoncePool,
    pub(crate) session: Session,
    pub(crate) subscribers: Subscribers,
    pub(crate) activity: Rc<PageActivity>,
    pub(crate) confirmation: Rc<Confirmation>,
    pub(crate) typed_inputs: TypedInputs,
    pub(crate) other_tabs: TabSync,
}

impl Tab {
    /// Finds the frame and starts recording interactions.
    pub(crate) fn new(session: Session, catalogue: Catalogue, other_tabs: TabSync) -> Self {
        let keep_nonces = |session, nonces| {
            if let Ok(tab) = Self::current() {
                tab.keep_nonces(session, nonces);
            }
        };
        Self {
            catalogue,
            frame: Frame::find(keep_nonces),
            recorder: InteractionRecorder::start(),
            nonces: NoncePool::default(),
            confirmation: Confirmation::new(session.clone()),
            session,
            subscribers: Subscribers::default(),
            activity: Rc::default(),
            typed_inputs: TypedInputs::default(),
            other_tabs,
        }
    }

    /// The tab of this page.
    pub(crate) fn current() -> Result<Rc<Self>, ClientError> {
        CURRENT.with(|tab| tab.get().cloned()).ok_or(ClientError::Unverified)
    }

    /// Makes it the tab that [`Tab::current`] returns.
    pub(crate) fn make_current(self: Rc<Self>) {
        CURRENT.with(|current| {
            // Set only once: the browser hydrates a page once.
            let _ = current.set(self);
        });
    }

    /// The catalogue's entry for a path, if it is protected.
    pub(crate) fn protected(&self, path: &str) -> Option<&'static ActionEntry> {
        self.catalogue.at(path)
    }

    /// The signing frame.
    pub(crate) fn frame(&self) -> Result<&Rc<Frame>, ClientError> {
        self.frame.as_ref().ok_or(ClientError::NoFrame)
    }

    /// Changes the session's state, and wakes what depends on it.
    pub(crate) fn set_session(&self, state: SessionState) {
        self.session.set(state);
        self.activity.changed.notify();
    }

    /// Follows another tab that has signed in or out.
    pub(crate) fn follow_session(&self, session: Option<SessionHandle>) {
        if self.session.handle() != session {
            self.nonces.clear();
            self.set_session(session.map_or(SessionState::SignedOut, SessionState::SignedIn));
        }
    }

    /// Ends the session in this browser: drops its nonces, shows `state`, and has the frame destroy its key.
    pub(crate) async fn end_session(&self, session: SessionHandle, state: SessionState) {
        // Another tab may have signed in meanwhile; then only the old key is destroyed.
        let own = self.session.handle().or_else(|| self.session.to_restore().map(|(session, _)| session));
        if own == Some(session) {
            self.nonces.clear();
            self.set_session(state);
            TabSync::record_end();
        }
        if let Ok(frame) = self.frame() {
            // The key of an ended session opens nothing, so a failure to destroy it is not reported.
            let _ = frame.request(FrameRequest::Forget { session }).await;
        }
    }

    /// Keeps the nonces of a session, unless another tab has signed in as another user meanwhile.
    pub(crate) fn keep_nonces(&self, session: SessionHandle, nonces: impl IntoIterator<Item = Nonce>) {
        if self.session.handle() == Some(session) {
            self.nonces.put(nonces, now());
        }
    }
}
