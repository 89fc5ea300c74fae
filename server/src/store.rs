//! What the server remembers between requests, behind few atomic verbs.
//!
//! A store decides nothing but what must be decided atomically: that a nonce is spent once, that a key is bound once,
//! that a limit is not passed, that a record is not overwritten unseen. There are no defaults: a store that forgets a
//! rule does not compile. One contract suite (`tests/store_contract.rs`) runs against every store.
//!
//! The caller brings the time (Unix ms), so that tests can move it and every store judges expiry alike; a store's own
//! key expiry is only how it gives memory back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use protocol::{
    key::PublicKey,
    token::{Challenge, Nonce, SessionHandle},
    value::UserName,
};
use serde::{Deserialize, Serialize};

pub mod memory;
pub mod redis;
mod snapshot;

/// The store, shared by every request.
pub type SharedStore = Arc<dyn Store>;

/// The most nonces alive in one session; issuing more drops the oldest.
pub const MAX_NONCES: usize = 32;

/// The store cannot answer. The request must be refused with 503, never passed.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot answer")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The one shape of a result here.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A session as it is opened by signing in: it has no key yet.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its public name.
    pub handle: SessionHandle,
    /// Who signed in.
    pub user: UserName,
    /// Unix ms.
    pub created: u64,
    /// When it must have been bound: Unix ms.
    pub bind_by: u64,
    /// When it ends however busy it is: Unix ms.
    pub expires: u64,
    /// Where it was opened from, as text.
    pub ip: String,
    /// The browser's `User-Agent`, cut to 256 characters.
    pub agent: String,
    /// `BindSecret::hashed`.
    pub bind_secret: String,
}

/// A bound session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who signed in.
    pub user: UserName,
    /// The key that was bound.
    pub key: PublicKey,
    /// Unix ms.
    pub created: u64,
    /// Last verified use: Unix ms.
    pub seen: u64,
    /// When it ends however busy it is: Unix ms.
    pub expires: u64,
    /// Where it was opened from.
    pub ip: String,
    /// The browser's `User-Agent`.
    pub agent: String,
}

/// A limit: at most `max` in a fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many are let through in one window.
    pub max: u32,
    /// The window's length.
    pub window: Duration,
}

/// What [`Store::admit`] is asked.
#[derive(Clone, Debug)]
pub struct Admit {
    /// The session.
    pub handle: SessionHandle,
    /// The nonce that the request spends.
    pub nonce: Nonce,
    /// The nonce to issue in its place.
    pub next: Nonce,
    /// Unix ms.
    pub now: u64,
    /// How long a session may be unused.
    pub idle: Duration,
    /// How long a nonce lives from its issue.
    pub nonce_life: Duration,
    /// Which of the session's counters to use: "changes" or "reads".
    pub counter: &'static str,
    /// That counter's limit.
    pub limit: Limit,
}

/// What [`Store::admit`] decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The nonce is spent, the request counted, `next` issued, `seen` moved. Nothing is verified yet.
    Admitted(Session),
    /// No such session: never opened, not bound, expired, idle for too long, or ended.
    NoSession,
    /// The session lives; the nonce is not one of its live ones. Nothing was changed.
    BadNonce,
    /// The limit is passed; the nonce is not spent. The time until the window ends.
    Limited(Duration),
}

/// The name of a [`Record`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RecordKey(pub String);

/// A value that an application keeps, with the version that a writer must have seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// 1 for the first write, one more for each later one.
    pub version: u64,
    /// Whatever the application keeps, as text (JSON).
    pub value: String,
}

/// One write of [`Store::write`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Which record.
    pub key: RecordKey,
    /// The version that the writer saw; 0 when it saw none.
    pub seen: u64,
    /// The new value.
    pub value: String,
}

/// Few, atomic verbs.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Opens a session without a key. The handle is fresh randomness, so it is not there yet.
    async fn open(&self, session: NewSession) -> Result<()>;

    /// Remembers the challenge for binding, replacing an earlier one. `false` when the session is not there, is bound,
    /// is past `bind_by`, or the secret is another.
    async fn challenge(
        &self,
        handle: &SessionHandle,
        bind_secret: &str,
        challenge: &Challenge,
        now: u64,
    ) -> Result<bool>;

    /// Takes secret and challenge and binds the key, all or nothing, once and for ever: of any number of calls at most
    /// one gives `true`. Issues `nonces`. `false` under the conditions of [`Store::challenge`], or when the challenge is
    /// not the remembered one; a wrong challenge uses up the remembered one.
    async fn bind(
        &self,
        handle: &SessionHandle,
        bind_secret: &str,
        challenge: &Challenge,
        key: &PublicKey,
        nonces: &[Nonce],
        now: u64,
    ) -> Result<bool>;

    /// The one operation of a verified request, one round trip: is there such a session, is the nonce one of its live
    /// ones, is the limit kept? Only then spends the nonce, counts, issues the next and moves `seen`: a request that
    /// has no live nonce changes nothing, so a stolen cookie can use up neither nonces nor limits.
    async fn admit(&self, admit: Admit) -> Result<Admission>;

    /// A living, bound session, without touching it. `None` as [`Admission::NoSession`].
    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>>;

    /// Issues nonces to a living session whose request for them was verified, and moves `seen`. `spent` is the nonce
    /// that the frame invented: `false`, and nothing issued, when it was spent here before (within `nonce_life`) or the
    /// session is gone.
    async fn refill(
        &self,
        handle: &SessionHandle,
        spent: &Nonce,
        nonces: &[Nonce],
        nonce_life: Duration,
        now: u64,
    ) -> Result<bool>;

    /// Ends a session: everything about it is gone when this returns. Ending what is not there is no error.
    async fn end(&self, handle: &SessionHandle) -> Result<()>;

    /// Counts one more of `counter` (such as `sign_in:ip:…`). `None` when within the limit, else the time until the
    /// window ends; what is over the limit is not counted on.
    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Option<Duration>>;

    /// Reads records, in the order asked.
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>>;

    /// Writes all or none: `false`, and nothing written, when any record is no longer at the version its writer saw.
    async fn write(&self, writes: &[Write]) -> Result<bool>;
}
