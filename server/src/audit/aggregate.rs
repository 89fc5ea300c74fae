//! Merges equal events over a minute.

use std::collections::HashMap;

use super::entry::{AuditLog, Event};

/// Maximum number of different events that wait for the end of their minute.
const MAX_WAITING: usize = 4_096;

/// An event to write: its log, when it first happened (Unix ms), and how often it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    pub(super) log: AuditLog,
    pub(super) at: u64,
    pub(super) event: Event,
    pub(super) times: u64,
}

/// Counts equal events, and gives each for writing at most twice a minute.
#[derive(Default)]
pub(super) struct Aggregate {
    waiting: HashMap<(AuditLog, Event), (u64, u64)>,
}

impl Aggregate {
    /// Adds an event that happened at `at`. Returns it if it must be written now: what the user did always, what others
    /// caused if it is the first of its kind in this minute. Everything else waits.
    pub(super) fn add(&mut self, log: AuditLog, at: u64, event: Event) -> Option<Counted> {
        let is_by_anyone = event.is_by_anyone();
        if log == AuditLog::Security && !is_by_anyone {
            return Some(Counted { log, at, event, times: 1 });
        }
        let key = (log, event);
        if let Some((first, times)) = self.waiting.get_mut(&key) {
            if *times == 0 {
                *first = at;
            }
            *times += 1;
            return None;
        }
        let is_full = self.waiting.len() >= MAX_WAITING;
        if !is_full {
            self.waiting.insert(key.clone(), (at, u64::from(!is_by_anyone)));
        }
        let (log, event) = key;
        (is_by_anyone || is_full).then_some(Counted { log, at, event, times: 1 })
    }

    /// Ends the minute: gives what has waited, oldest first.
    pub(super) fn drain(&mut self) -> Vec<Counted> {
        let waiting = self.waiting.drain().filter(|(_, (_, times))| *times > 0);
        let mut events: Vec<_> = waiting.map(|((log, event), (at, times))| Counted { log, at, event, times }).collect();
        events.sort_by_key(|counted| counted.at);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Outcome;

    fn event(action: &'static str, outcome: Outcome) -> Event {
        Event { session: None, user: None, action: action.into(), outcome, reason: None }
    }

    fn times(events: &[Counted]) -> Vec<(&str, u64, u64)> {
        events.iter().map(|counted| (&*counted.event.action, counted.at, counted.times)).collect()
    }

    #[test]
    fn own_act_is_written_at_once_every_time() {
        let mut aggregate = Aggregate::default();
        for at in 0..3 {
            let written = aggregate.add(AuditLog::Security, at, event("order", Outcome::Passed));
            assert_eq!(times(written.as_slice()), [("order", at, 1)]);
        }
        assert_eq!(aggregate.drain(), []);
    }

    #[test]
    fn rejections_are_written_first_and_then_counted() {
        let mut aggregate = Aggregate::default();
        assert!(aggregate.add(AuditLog::Traffic, 1, event("order", Outcome::Refused)).is_some());
        for at in 2..1_000 {
            assert!(aggregate.add(AuditLog::Traffic, at, event("order", Outcome::Refused)).is_none());
        }
        assert_eq!(times(&aggregate.drain()), [("order", 2, 998)]);
        assert!(aggregate.add(AuditLog::Traffic, 1_001, event("order", Outcome::Refused)).is_some(), "a new minute");
        assert_eq!(aggregate.drain(), []);
    }

    #[test]
    fn reads_are_counted_per_minute() {
        let mut aggregate = Aggregate::default();
        for at in 1..=5 {
            assert!(aggregate.add(AuditLog::Traffic, at, event("account", Outcome::Passed)).is_none());
        }
        assert_eq!(times(&aggregate.drain()), [("account", 1, 5)]);
    }

    #[test]
    fn number_of_waiting_events_is_bounded() {
        let mut aggregate = Aggregate::default();
        let reason = |n: usize| Event { reason: Some(n.to_string().into()), ..event("account", Outcome::Passed) };
        for n in 0..MAX_WAITING {
            assert!(aggregate.add(AuditLog::Traffic, 1, reason(n)).is_none());
        }
        assert!(aggregate.add(AuditLog::Traffic, 1, reason(MAX_WAITING)).is_some(), "nothing is lost");
        assert_eq!(aggregate.waiting.len(), MAX_WAITING);
    }
}
