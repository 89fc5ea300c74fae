//! The audit logs: append-only, chained lists of entries.

use async_trait::async_trait;

use super::error::Result;
#[cfg(doc)]
use crate::audit::entry::MAX_OF_USER;
use crate::{
    audit::entry::{AuditEntry, AuditLog, Head, Repeated, Retention},
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

/// Keeps the audit logs.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Appends entries if the last entry is still `head`, and deletes entries as `retention` says.
    ///
    /// For each user named in them it keeps the newest [`MAX_OF_USER`] entries of the security log, except for events that
    /// others can cause ([`Repeated`]): it counts these, from both logs, by action, outcome and reason.
    async fn append(
        &self,
        log: AuditLog,
        head: &Head,
        entries: &[AuditEntry],
        retention: Retention,
    ) -> Result<Appended>;

    /// The last entry; [`Head::default`] for an empty log.
    async fn head(&self, log: AuditLog) -> Result<Head>;

    /// Up to `count` lines after number `after`, oldest first, with their numbers. The lines are returned as stored,
    /// even if they were tampered with.
    async fn lines_after(&self, log: AuditLog, after: u64, count: usize) -> Result<Vec<(u64, String)>>;

    /// A user's newest entries, newest first.
    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>>;

    /// The counters of a user, in any order.
    async fn repeated_of_user(&self, user: &UserId) -> Result<Vec<Repeated>>;
}
