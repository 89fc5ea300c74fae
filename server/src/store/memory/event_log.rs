//! The log of events in memory.

use std::collections::VecDeque;

use protocol::push::Cursor;

use crate::store::{Since, UserEvent as Event};

/// The newest events.
#[derive(Default)]
pub(super) struct UserEvent {
    events: VecDeque<(Cursor, Event)>,
    head: Cursor,
    /// The last place that is no longer kept.
    forgotten: Cursor,
}

impl UserEvent {
    pub(super) fn head(&self) -> Cursor {
        self.head
    }

    pub(super) fn publish(&mut self, event: Event, keep: usize, now: u64) -> Cursor {
        // Never back, whatever the clock does.
        let next = Cursor { ms: self.head.ms, n: self.head.n + 1 };
        self.head = next.max(Cursor { ms: now, n: 0 });
        self.events.push_back((self.head, event));
        for (gone, _) in self.events.drain(..self.events.len().saturating_sub(keep)) {
            self.forgotten = gone;
        }
        self.head
    }

    pub(super) fn since(&self, after: Cursor, count: usize) -> Since {
        let begin = self.events.partition_point(|(cursor, _)| *cursor <= after);
        let is_known = match begin.checked_sub(1) {
            Some(before) => self.events.get(before).is_some_and(|(cursor, _)| *cursor == after),
            None => after == self.forgotten,
        };
        let events = || self.events.range(begin..).take(count).map(|(cursor, event)| (*cursor, Some(event.clone())));
        if is_known { Since::UserEvent(events().collect()) } else { Since::Gone }
    }
}
