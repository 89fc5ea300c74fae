//! The audit logs in memory.

use std::collections::{HashMap, VecDeque};

use crate::{
    audit::entry::{AuditEntry, AuditLog, EntryBody, Event, Head, MAX_OF_USER, Repeated, Retention},
    model::UserId,
    store::audit_log::Appended,
};

/// Both logs, and the counters of each user.
#[derive(Default)]
pub(super) struct AuditLogs {
    security: Entries,
    traffic: Entries,
    repeated: HashMap<UserId, Vec<Repeated>>,
}

/// The newest entries of a log.
#[derive(Default)]
struct Entries {
    entries: VecDeque<AuditEntry>,
    head: Head,
}

impl AuditLogs {
    fn of(&self, log: AuditLog) -> &Entries {
        match log {
            AuditLog::Security => &self.security,
            AuditLog::Traffic => &self.traffic,
        }
    }

    pub(super) fn head(&self, log: AuditLog) -> Head {
        self.of(log).head
    }

    pub(super) fn append(
        &mut self,
        log: AuditLog,
        head: &Head,
        entries: &[AuditEntry],
        retention: Retention,
    ) -> Appended {
        let kept = match log {
            AuditLog::Security => &mut self.security,
            AuditLog::Traffic => &mut self.traffic,
        };
        if *head != kept.head {
            return Appended::Moved(kept.head);
        }
        kept.entries.extend(entries.iter().cloned());
        kept.entries.drain(..kept.entries.len().saturating_sub(retention.keep));
        while kept.entries.front().is_some_and(|entry| entry.body.at < retention.since) {
            kept.entries.pop_front();
        }
        kept.head = entries.last().map_or(kept.head, AuditEntry::head);
        for entry in entries {
            self.count(&entry.body);
        }
        Appended::Done
    }

    /// Counts an event that others than its user can cause.
    fn count(&mut self, EntryBody { at, times, event, .. }: &EntryBody) {
        let Some(user) = event.user.as_ref().filter(|_| event.is_by_anyone()) else { return };
        let counters = self.repeated.entry(user.clone()).or_default();
        if let Some(counter) = counters.iter_mut().find(|counter| counts(counter, event)) {
            counter.times += times;
            counter.last = counter.last.max(*at);
        } else {
            let reason = event.reason.as_ref().map(ToString::to_string);
            let (action, outcome) = (event.action.to_string(), event.outcome);
            counters.push(Repeated { action, outcome, reason, times: *times, first: *at, last: *at });
        }
    }

    pub(super) fn lines_after(&self, log: AuditLog, after: u64, count: usize) -> Vec<(u64, String)> {
        let later = self.of(log).entries.iter().skip_while(|entry| entry.body.n <= after);
        later.take(count).map(|entry| (entry.body.n, entry.to_string())).collect()
    }

    pub(super) fn entries_of_user(&self, user: &UserId) -> Vec<AuditEntry> {
        let is_theirs = |entry: &&AuditEntry| {
            let event = &entry.body.event;
            event.user.as_ref() == Some(user) && !event.is_by_anyone()
        };
        self.security.entries.iter().rev().filter(is_theirs).take(MAX_OF_USER).cloned().collect()
    }

    pub(super) fn repeated_of_user(&self, user: &UserId) -> Vec<Repeated> {
        self.repeated.get(user).cloned().unwrap_or_default()
    }
}

/// Whether a counter counts events like this one.
fn counts(counter: &Repeated, event: &Event) -> bool {
    (counter.action.as_str(), counter.outcome, counter.reason.as_deref())
        == (&*event.action, event.outcome, event.reason.as_deref())
}
