//! The audit log: an append-only, chained list of entries.

use async_trait::async_trait;

use super::error::Result;
#[cfg(doc)]
use crate::audit::entry::MAX_OF_USER;
use crate::{
    audit::entry::{AuditEntry, Head},
    model::UserId,
};

/// The outcome of [`AuditStore::append`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Appended {
    /// The entries are now the last ones.
    Done,
    /// Nothing was appended, because another server has appended in between. This is the last entry now.
    Moved(Head),
}

/// Keeps the audit log.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends entries if the last entry is still `head`. Keeps the newest `keep` entries, and for each user named in
    /// them the newest [`MAX_OF_USER`].
    async fn append(&self, head: &Head, entries: &[AuditEntry], keep: usize) -> Result<Appended>;

    /// The last entry; [`Head::default`] for an empty log.
    async fn head(&self) -> Result<Head>;

    /// Up to `count` lines after number `after`, oldest first, with their numbers. The lines are returned as stored,
    /// even if they were tampered with.
    async fn lines_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>>;

    /// A user's newest entries, newest first.
    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>>;
}
