//! What waits to be sent on one connection: bounded, with a policy for each topic.

use std::collections::{BTreeMap, VecDeque};

use protocol::push::{Cursor, Push, Topic};

/// What is done when there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Policy {
    /// Only the newest one counts: it takes the place of the one that waits.
    Coalesce,
    /// The oldest one is given up, and the page is told how many were.
    DropOldest,
    /// It must arrive: the connection is closed, and the page goes on from its cursor.
    Close,
}

/// The declared policies.
pub(crate) fn policy(topic: Topic) -> Policy {
    match topic {
        Topic::Hb | Topic::Tm | Topic::Ua => Policy::Coalesce,
        Topic::Activity => Policy::DropOldest,
        Topic::Security | Topic::Control => Policy::Close,
    }
}

/// There is no room, and it must arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// A queue of at most `capacity` pushes, each with the cursor that the page has when it has got it.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    waiting: VecDeque<(Option<Cursor>, Push)>,
    /// What was given up since it was told last.
    dropped: BTreeMap<Topic, u32>,
    /// All that was given up or replaced.
    pub(crate) lost: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, waiting: VecDeque::new(), dropped: BTreeMap::new(), lost: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped.is_empty()
    }

    /// Puts something at the end. `cursor` is its place in the log, if it is in the log.
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
        self.give_up(topic);
        Ok(())
    }

    /// Puts something before all that waits, over the capacity if need be: it is about the connection itself.
    pub(crate) fn put_first(&mut self, push: Push) {
        self.waiting.push_front((None, push));
    }

    /// What is to be sent next: first what was given up, so that nobody takes a gap for silence.
    pub(crate) fn take(&mut self) -> Option<(Option<Cursor>, Push)> {
        match self.dropped.pop_first() {
            Some((of, count)) => Some((None, Push::Dropped { of, count })),
            None => self.waiting.pop_front(),
        }
    }

    /// Gives up the oldest push that may be given up. What must arrive displaces what need not; nothing else displaces
    /// another topic.
    fn make_room(&mut self, topic: Topic) -> bool {
        let may_go = |(_, waiting): &(Option<Cursor>, Push)| match policy(topic) {
            Policy::Close => policy(waiting.topic()) != Policy::Close,
            Policy::DropOldest | Policy::Coalesce => policy(waiting.topic()) == Policy::DropOldest,
        };
        let Some(at) = self.waiting.iter().position(may_go) else { return false };
        if let Some((_, gone)) = self.waiting.remove(at) {
            self.give_up(gone.topic());
        }
        true
    }

    fn give_up(&mut self, topic: Topic) {
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
                Just(Push::Tm { cpu: 1, memory: number, connections: 0 }),
                Just(Push::Ua { users: 1, verified: 2 }),
            ]
        })
    }

    proptest! {
        #[test]
        fn sent_and_lost_and_waiting_are_all_that_was_put(
            capacity in 1_usize..20, pushes in prop::collection::vec((any_push(), any::<bool>()), 0..200),
        ) {
            let mut queue = Queue::new(capacity);
            let (mut put, mut sent, mut told) = (0, 0, 0_u64);
            let mut count = |taken: Option<(Option<Cursor>, Push)>, told: &mut u64| match taken {
                Some((_, Push::Dropped { count, .. })) => *told += u64::from(count),
                Some(_) => sent += 1,
                None => {}
            };
            for (push, and_take) in pushes {
                put += u64::from(queue.put(None, push).is_ok());
                prop_assert!(queue.waiting.len() <= capacity);
                if and_take {
                    count(queue.take(), &mut told);
                }
            }
            while !queue.is_empty() {
                count(queue.take(), &mut told);
            }
            prop_assert_eq!(sent + queue.lost, put);
            prop_assert!(told <= queue.lost);
        }

        #[test]
        fn of_what_is_dropped_the_newest_are_left_in_order(capacity in 1_usize..20, many in 0_u64..60) {
            let mut queue = Queue::new(capacity);
            for number in 0..many {
                prop_assert!(queue.put(None, activity(number)).is_ok());
            }
            let lost = many.saturating_sub(capacity as u64);
            if lost > 0 {
                let told = Push::Dropped { of: Topic::Activity, count: u32::try_from(lost).expect("small") };
                prop_assert_eq!(queue.take(), Some((None, told)));
            }
            for number in lost..many {
                prop_assert_eq!(queue.take(), Some((None, activity(number))));
            }
            prop_assert!(queue.is_empty());
        }
    }

    #[test]
    fn what_must_arrive_displaces_what_need_not_and_else_closes() {
        let mut queue = Queue::new(2);
        queue.put(None, activity(1)).expect("room");
        queue.put(None, security(1)).expect("room");
        queue.put(None, security(2)).expect("the activity goes");
        assert_eq!(queue.put(None, security(3)), Err(Full));
        queue.put(None, activity(2)).expect("it is given up itself");
        assert_eq!(queue.take(), Some((None, Push::Dropped { of: Topic::Activity, count: 2 })));
        assert_eq!(queue.take(), Some((None, security(1))));
    }

    #[test]
    fn telemetry_is_only_ever_the_newest() {
        let mut queue = Queue::new(3);
        for memory in 0..5 {
            queue.put(None, Push::Tm { cpu: 0, memory, connections: 0 }).expect("it takes the older one's place");
        }
        assert_eq!(queue.take(), Some((None, Push::Tm { cpu: 0, memory: 4, connections: 0 })));
        assert_eq!(queue.lost, 4);
        assert!(queue.is_empty());
    }
}
