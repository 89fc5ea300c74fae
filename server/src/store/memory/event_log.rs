//! The event log in memory.

use std::collections::VecDeque;

use protocol::push::Cursor;

use crate::store::event_log::{Since, UserEvent};

/// The newest events.
#[derive(Default)]
pub(super) struct EventLog {
    events: VecDeque<(Cursor, UserEvent)>,
    head: Cursor,
    /// The newest cursor that was dropped.
    dropped: Cursor,
}

impl EventLog {
    pub(super) fn head(&self) -> Cursor {
        self.head
    }

    pub(super) fn publish(&mut self, event: UserEvent, keep: usize, now: u64) -> Cursor {
        // The cursor never moves back, even if the clock does.
        let next = Cursor { ms: self.head.ms, n: self.head.n + 1 };
        self.head = next.max(Cursor { ms: now, n: 0 });
        self.events.push_back((self.head, event));
        for (dropped, _) in self.events.drain(..self.events.len().saturating_sub(keep)) {
            self.dropped = dropped;
        }
        self.head
    }

    pub(super) fn since(&self, after: Cursor, count: usize) -> Since {
        let begin = self.events.partition_point(|(cursor, _)| *cursor <= after);
        let is_known = match begin.checked_sub(1) {
            Some(before) => self.events.get(before).is_some_and(|(cursor, _)| *cursor == after),
            None => after == self.dropped,
        };
        let events = || self.events.range(begin..).take(count).map(|(cursor, event)| (*cursor, Some(event.clone())));
        if is_known { Since::Events(events().collect()) } else { Since::Gone }
    }
}
