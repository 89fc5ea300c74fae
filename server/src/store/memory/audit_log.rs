//! The audit log in memory.

use std::collections::VecDeque;

use protocol::user::UserName;

use crate::audit::{Appended, AuditEntry, Head, MAX_OF_USER};

/// The newest entries of the log.
#[derive(Default)]
pub(super) struct Log {
    entries: VecDeque<AuditEntry>,
    head: Head,
}

impl Log {
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

    pub(super) fn after(&self, after: u64, count: usize) -> Vec<(u64, String)> {
        let later = self.entries.iter().skip_while(|entry| entry.body.n <= after);
        later.take(count).map(|entry| (entry.body.n, entry.to_string())).collect()
    }

    pub(super) fn of(&self, user: &UserName) -> Vec<AuditEntry> {
        let is_theirs = |entry: &&AuditEntry| entry.body.event.user.as_ref() == Some(user);
        self.entries.iter().rev().filter(is_theirs).take(MAX_OF_USER).cloned().collect()
    }
}
