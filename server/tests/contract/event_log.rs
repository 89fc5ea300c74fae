//! The contract of [`EventStore`]: all servers read the events in one order, from any cursor.

use std::{sync::Arc, time::Duration};

use protocol::push::{Cursor, Push};
use server::store::{EventStore, Since, UserEvent};
use tokio::sync::Mutex;

use super::fixture::*;

/// Makes a test of each rule of [`EventStore`], on the store that `$store` returns.
macro_rules! event_store {
    ($store:expr) => {
        rules! {
            $store => event_log:
                events_are_read_in_order_from_any_cursor
                unknown_cursor_is_gone
                waiting_call_returns_new_event
                concurrent_publishes_lose_no_event
        }
    };
}
pub(crate) use event_store;

/// Held by a test while it uses the log, which the tests of one Redis share.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

const KEEP: usize = 1000;

fn event(number: u64) -> UserEvent {
    UserEvent { user: user(), push: Push::Heartbeat { latest: number } }
}

async fn publish(store: &dyn EventStore, event: &UserEvent) -> Cursor {
    store.publish(event, KEEP, *T0).await.expect("the store answers")
}

async fn since(store: &dyn EventStore, after: Cursor) -> Vec<(Cursor, UserEvent)> {
    match store.since(after, KEEP).await.expect("the store answers") {
        Since::Events(events) => read(events),
        Since::Gone => panic!("the cursor is known"),
    }
}

fn read(events: Vec<(Cursor, Option<UserEvent>)>) -> Vec<(Cursor, UserEvent)> {
    events.into_iter().map(|(cursor, event)| (cursor, event.expect("an event of this version"))).collect()
}

async fn head(store: &dyn EventStore) -> Cursor {
    store.head().await.expect("the store answers")
}

pub(crate) async fn events_are_read_in_order_from_any_cursor(store: Arc<dyn EventStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    publish(store.as_ref(), &event(0)).await;
    let start = head(store.as_ref()).await;
    let mut expected = Vec::new();
    for number in 1..=20 {
        let one = event(number);
        expected.push((publish(store.as_ref(), &one).await, one));
    }
    assert!(expected.is_sorted_by(|one, other| one.0 < other.0));
    assert_eq!(since(store.as_ref(), start).await, expected);
    assert_eq!(since(store.as_ref(), expected[4].0).await, expected[5..]);
    assert_eq!(since(store.as_ref(), expected[19].0).await, []);
    assert_eq!(head(store.as_ref()).await, expected[19].0);
    let Since::Events(events) = store.since(start, 3).await.expect("the store answers") else {
        panic!("the cursor is known")
    };
    assert_eq!(read(events), expected[..3]);
}

pub(crate) async fn unknown_cursor_is_gone(store: Arc<dyn EventStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    let old = publish(store.as_ref(), &event(0)).await;
    let gone = |after| {
        let store = store.clone();
        async move { store.since(after, KEEP).await.expect("the store answers") == Since::Gone }
    };
    assert!(gone(Cursor { ms: 1, n: 1 }).await, "never in the log");
    assert!(gone(Cursor { ms: u64::MAX, n: 0 }).await, "of another store");
    // Redis trims whole nodes of a stream, so it keeps about one event.
    for number in 0..500 {
        store.publish(&event(number), 1, *T0).await.expect("the store answers");
    }
    assert!(gone(old).await && gone(Cursor::default()).await, "no longer in the log");
    assert!(!gone(head(store.as_ref()).await).await);
}

pub(crate) async fn waiting_call_returns_new_event(store: Arc<dyn EventStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    publish(store.as_ref(), &event(0)).await;
    let start = head(store.as_ref()).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.wait_since(start, 10, Duration::from_secs(60)).await })
    };
    let one = event(7);
    let cursor = publish(store.as_ref(), &one).await;
    let received = waiting.await.expect("no panic").expect("the store answers");
    assert_eq!(received, Since::Events(vec![(cursor, Some(one))]));
    let nothing = store.wait_since(cursor, 10, Duration::from_millis(1)).await.expect("the store answers");
    assert_eq!(nothing, Since::Events(vec![]));
}

pub(crate) async fn concurrent_publishes_lose_no_event(store: Arc<dyn EventStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    publish(store.as_ref(), &event(0)).await;
    let start = head(store.as_ref()).await;
    let mut published = concurrently(100, |number| {
        let store = store.clone();
        async move {
            let one = event(number as u64);
            (publish(store.as_ref(), &one).await, one)
        }
    })
    .await;
    published.sort_by_key(|(cursor, _)| *cursor);
    assert_eq!(since(store.as_ref(), start).await, published);
}
