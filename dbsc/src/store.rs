//! What the application keeps: sessions with their keys, and used challenges.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use http::HeaderMap;

use crate::{key::PublicKey, session_id::SessionId, token::ChallengeId};

/// An error of the store. The endpoints answer 503, and the browser keeps its session.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// A verified registration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registration<'a> {
    /// The key of the new session.
    pub key: &'a PublicKey,
    /// The text that was passed to [`crate::Dbsc::offer`]. It is genuine: the challenge is bound to it.
    pub authorization: &'a str,
    /// All headers of the request, such as the cookies that the browser has at this time.
    pub headers: &'a HeaderMap,
}

/// The application's store.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Creates a session with that key, or returns `None` to refuse.
    ///
    /// The authorization says which user and sign-in the session belongs to. A session that already has a key should keep
    /// it: refuse, or end that session first. If the identifier is one that the browser has, the new session replaces it.
    async fn register(&self, registration: Registration<'_>) -> Result<Option<SessionId>, StoreError>;

    /// The key of a session; `None` if there is no such session, or it has ended.
    async fn key(&self, session: &SessionId) -> Result<Option<PublicKey>, StoreError>;

    /// Marks a challenge as used. Returns false if it was already used. Must be atomic.
    ///
    /// It may be forgotten at `expires`. An implementation that always returns true lets an
    /// attacker who has read a request repeat its proof until then.
    async fn spend_challenge(&self, challenge: ChallengeId, expires: SystemTime) -> Result<bool, StoreError>;
}

/// A store in memory, for tests and examples: everything is lost with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, (PublicKey, String)>,
    spent: HashMap<ChallengeId, SystemTime>,
    /// The number of used challenges at which the expired ones are forgotten.
    sweep_at: usize,
}

impl MemoryStore {
    /// The authorization that a session was registered with; `None` if there is no such session.
    pub fn authorization(&self, session: &SessionId) -> Option<String> {
        self.state().sessions.get(session).map(|(_, authorization)| authorization.clone())
    }

    /// Ends a session. The browser learns it at its next refresh.
    pub fn end(&self, session: &SessionId) {
        self.state().sessions.remove(session);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn register(&self, registration: Registration<'_>) -> Result<Option<SessionId>, StoreError> {
        let id = SessionId::random();
        let session = (registration.key.clone(), registration.authorization.to_owned());
        self.state().sessions.insert(id.clone(), session);
        Ok(Some(id))
    }

    async fn key(&self, session: &SessionId) -> Result<Option<PublicKey>, StoreError> {
        Ok(self.state().sessions.get(session).map(|(key, _)| key.clone()))
    }

    async fn spend_challenge(&self, challenge: ChallengeId, expires: SystemTime) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.spent.len() >= state.sweep_at {
            let now = SystemTime::now();
            state.spent.retain(|_, expires| *expires > now);
            state.sweep_at = (2 * state.spent.len()).max(1_000);
        }
        Ok(state.spent.insert(challenge, expires).is_none())
    }
}
