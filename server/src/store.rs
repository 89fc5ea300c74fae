//! What the server keeps between requests: one small trait per noun.
//!
//! | trait | keeps |
//! |---|---|
//! | [`SessionStore`] | sessions, frame keys, nonces, request limits per session |
//! | [`ChallengeStore`] | challenges of the sign origin |
//! | [`RateLimitStore`] | request counters per client IP and account |
//! | [`RecordStore`] | accounts and the application's data |
//! | [`AuditStore`] | the audit log |
//! | [`EventStore`] | events to push |
//!
//! A store decides only what must be decided atomically: a nonce is spent once, a session is entered once, a frame key
//! is bound once, a limit is not exceeded, a record is not overwritten unseen. Each method is atomic; nothing is atomic
//! over two traits, so each can be kept elsewhere. No method has a default implementation. The contract suite in
//! `tests/store_contract.rs` has one part per trait and runs on every store.
//!
//! The caller passes the time (Unix ms), so that tests can set it and all stores judge expiry alike. A store's own key
//! expiry only frees memory.

use std::sync::Arc;

mod audit_log;
mod challenges;
mod error;
mod event_log;
pub(crate) mod instrumented;
pub mod memory;
mod rate_limits;
mod records;
pub mod redis;
mod sessions;

pub use crate::model::{AtCap, Limit, Quota, Session, SessionCap, Theft, UserId};
pub use audit_log::{Appended, AuditStore};
pub use challenges::ChallengeStore;
pub use error::{Result, StoreError};
pub use event_log::{EventStore, Since, UserEvent};
pub use rate_limits::{Counted, Counter, RateLimitStore};
pub use records::{Record, RecordKey, RecordStore, Write};
pub use sessions::{
    Authorization, AuthorizeRequest, Authorized, BindFrameKey, DeviceProof, EnterSession, Enterable, Entering,
    FrameKeyBinding, IssueNonces, MAX_NONCES, NewSession, NonceIssue, SessionStore, Settled,
};

use memory::MemoryStore;
use redis::RedisStore;

/// One store per noun. Cloning it is cheap.
///
/// Usually all are one [`MemoryStore`] or one [`RedisStore`]. To keep something elsewhere, replace that field:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use server::store::{Result, SessionStore, Stores, redis::RedisStore};
/// # async fn example(redis: RedisStore, sessions: impl SessionStore) -> Result<()> {
/// let stores = Stores { sessions: Arc::new(sessions), ..Stores::from(redis) };
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Stores {
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Challenges of the sign origin.
    pub challenges: Arc<dyn ChallengeStore>,
    /// Request counters per client IP and account.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// Accounts and the application's data.
    pub records: Arc<dyn RecordStore>,
    /// The audit log.
    pub audit_log: Arc<dyn AuditStore>,
    /// Events to push.
    pub event_log: Arc<dyn EventStore>,
}

impl Stores {
    /// An empty [`MemoryStore`] for everything.
    pub fn memory() -> Self {
        MemoryStore::new().into()
    }

    fn of<S>(store: S) -> Self
    where
        S: SessionStore + ChallengeStore + RateLimitStore + RecordStore + AuditStore + EventStore,
    {
        let store = Arc::new(store);
        Self {
            sessions: store.clone(),
            challenges: store.clone(),
            rate_limits: store.clone(),
            records: store.clone(),
            audit_log: store.clone(),
            event_log: store,
        }
    }
}

impl From<MemoryStore> for Stores {
    fn from(store: MemoryStore) -> Self {
        Self::of(store)
    }
}

impl From<RedisStore> for Stores {
    fn from(store: RedisStore) -> Self {
        Self::of(store)
    }
}
