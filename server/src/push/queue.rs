//! The bounded send queue of a connection, with an overflow policy per topic.

use std::collections::{BTreeMap, VecDeque};

use protocol::push::{Cursor, Push, Topic};

/// What to do with a message when the queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Policy {
    /// Only the newest message counts: it replaces the queued one.
    Coalesce,
    /// Drop the oldest message, and report the number of dropped messages to the page.
    DropOldest,
    /// The message must arrive: close the connection, and the page resumes at its cursor.
    Close,
}

/// The policy of a topic.
pub(crate) fn policy(topic: Topic) -> Policy {
    match topic {
        Topic::Heartbeat | Topic::Telemetry | Topic::UserActivity => Policy::Coalesce,
        Topic::Activity => Policy::DropOldest,
        Topic::Security | Topic::Control => Policy::Close,
    }
}

/// The queue is full and the message must arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// A queue of at most `capacity` messages, each with its cursor in the event log, if any.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    waiting: VecDeque<(Option<Cursor>, Push)>,
    /// Messages dropped since the last report to the page.
    dropped: BTreeMap<Topic, u32>,
    /// Total number of dropped or replaced messages.
    pub(crate) lost: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, waiting: VecDeque::new(), dropped: BTreeMap::new(), lost: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped.is_empty()
    }

    /// Appends a message. `cursor` is its position in the event log, if it is in the log.
    pub(crate) fn put(&mut self, cursor: Option<Cursor>, push: Push) -> Result<(), Full> {
        let topic = push.topic();
        if policy(topic) == Policy::Coalesce
            && let Some(older) = self.waiting.iter_mut().find(|(_, waiting)| waiting.topic() == topic)
        {
            self.lost += 1;
            older.1 = push;
            return Ok(());
        }
        if self.waiting.len() < self.capacity || self.make_room(topic) {
            self.waiting.push_back((cursor, push));
            return Ok(());
        }
        if policy(topic) == Policy::Close {
            return Err(Full);
        }
        self.count_dropped(topic);
        Ok(())
    }

    /// Prepends a message about the connection itself. It may exceed the capacity.
    pub(crate) fn put_first(&mut self, push: Push) {
        self.waiting.push_front((None, push));
    }

    /// The next message: reports of dropped messages first, so that a gap does not look like silence.
    pub(crate) fn take(&mut self) -> Option<(Option<Cursor>, Push)> {
        match self.dropped.pop_first() {
            Some((of, count)) => Some((None, Push::Dropped { of, count })),
            None => self.waiting.pop_front(),
        }
    }

    /// Drops the oldest droppable message to make room for one of `topic`.
    ///
    /// A message that must arrive displaces any droppable or coalesced one; others displace only droppable ones.
    fn make_room(&mut self, topic: Topic) -> bool {
        let is_droppable = |(_, waiting): &(Option<Cursor>, Push)| match policy(topic) {
            Policy::Close => policy(waiting.topic()) != Policy::Close,
            Policy::DropOldest | Policy::Coalesce => policy(waiting.topic()) == Policy::DropOldest,
        };
        let Some(at) = self.waiting.iter().position(is_droppable) else { return false };
        if let Some((_, gone)) = self.waiting.remove(at) {
            self.count_dropped(gone.topic());
        }
        true
    }

    fn count_dropped(&mut self, topic: Topic) {
        self.lost += 1;
        let count = self.dropped.entry(topic).or_default();
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::push::Security;

    use super::*;

    fn session() -> protocol::token::SessionHandle {
        "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a handle")
    }

    fn activity(number: u64) -> Push {
        Push::Activity { action: number.to_string(), session: Some(session()), note: String::new() }
    }

    fn security(times: u64) -> Push {
        Push::Security(Security::Theft { session: session(), times })
    }

    fn any_push() -> impl Strategy<Value = Push> {
        (0_u64..1000).prop_flat_map(|number| {
            prop_oneof![
                Just(activity(number)),
                Just(security(number)),
                Just(Push::Telemetry { cpu: 1, memory: number, connections: 0 }),
                Just(Push::UserActivity { users: 1, verified: 2 }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_message_is_sent_lost_or_queued(
            capacity in 1_usize..20, pushes in prop::collection::vec((any_push(), any::<bool>()), 0..200),
        ) {
            let mut queue = Queue::new(capacity);
            let (mut put, mut sent, mut reported) = (0, 0, 0_u64);
            let mut count = |taken: Option<(Option<Cursor>, Push)>, reported: &mut u64| match taken {
                Some((_, Push::Dropped { count, .. })) => *reported += u64::from(count),
                Some(_) => sent += 1,
                None => {}
            };
            for (push, and_take) in pushes {
                put += u64::from(queue.put(None, push).is_ok());
                prop_assert!(queue.waiting.len() <= capacity);
                if and_take {
                    count(queue.take(), &mut reported);
                }
            }
            while !queue.is_empty() {
                count(queue.take(), &mut reported);
            }
            prop_assert_eq!(sent + queue.lost, put);
            prop_assert!(reported <= queue.lost);
        }

        #[test]
        fn newest_messages_remain_in_order(capacity in 1_usize..20, many in 0_u64..60) {
            let mut queue = Queue::new(capacity);
            for number in 0..many {
                prop_assert!(queue.put(None, activity(number)).is_ok());
            }
            let lost = many.saturating_sub(capacity as u64);
            if lost > 0 {
                let reported = Push::Dropped { of: Topic::Activity, count: u32::try_from(lost).expect("small") };
                prop_assert_eq!(queue.take(), Some((None, reported)));
            }
            for number in lost..many {
                prop_assert_eq!(queue.take(), Some((None, activity(number))));
            }
            prop_assert!(queue.is_empty());
        }
    }

    #[test]
    fn required_message_displaces_droppable_or_closes() {
        let mut queue = Queue::new(2);
        queue.put(None, activity(1)).expect("room");
        queue.put(None, security(1)).expect("room");
        queue.put(None, security(2)).expect("displaces the activity");
        assert_eq!(queue.put(None, security(3)), Err(Full));
        queue.put(None, activity(2)).expect("the message itself is dropped");
        assert_eq!(queue.take(), Some((None, Push::Dropped { of: Topic::Activity, count: 2 })));
        assert_eq!(queue.take(), Some((None, security(1))));
    }

    #[test]
    fn newer_telemetry_replaces_older() {
        let mut queue = Queue::new(3);
        for memory in 0..5 {
            queue.put(None, Push::Telemetry { cpu: 0, memory, connections: 0 }).expect("replaces the older one");
        }
        assert_eq!(queue.take(), Some((None, Push::Telemetry { cpu: 0, memory: 4, connections: 0 })));
        assert_eq!(queue.lost, 4);
        assert!(queue.is_empty());
    }
}
