//! The audit log in memory.

use std::collections::VecDeque;

use crate::{
    audit::entry::{AuditEntry, Head, MAX_OF_USER},
    model::UserId,
    store::audit_log::Appended,
};

/// The newest entries.
#[derive(Default)]
pub(super) struct AuditLog {
    entries: VecDeque<AuditEntry>,
    head: Head,
}

impl AuditLog {
    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn append(&mut self, head: &Head, entries: &[AuditEntry], keep: usize) -> Appended {
        if *head != self.head {
            return Appended::Moved(self.head);
        }
        self.entries.extend(entries.iter().cloned());
        self.entries.drain(..self.entries.len().saturating_sub(keep));
        self.head = entries.last().map_or(self.head, AuditEntry::head);
        Appended::Done
    }

    pub(super) fn lines_after(&self, after: u64, count: usize) -> Vec<(u64, String)> {
        let later = self.entries.iter().skip_while(|entry| entry.body.n <= after);
        later.take(count).map(|entry| (entry.body.n, entry.to_string())).collect()
    }

    pub(super) fn entries_of_user(&self, user: &UserId) -> Vec<AuditEntry> {
        let is_theirs = |entry: &&AuditEntry| entry.body.event.user.as_ref() == Some(user);
        self.entries.iter().rev().filter(is_theirs).take(MAX_OF_USER).cloned().collect()
    }
}
