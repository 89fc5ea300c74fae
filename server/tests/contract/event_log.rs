//! The log of events: everybody reads it in one order, from wherever they were.

use std::time::Duration;

use protocol::push::{Cursor, Push};
use server::store::{SharedStore, Since, UserEvent};
use tokio::sync::Mutex;

use super::fixture::*;

/// The tests of one Redis share one log: each has it for itself.
static ALONE: Mutex<()> = Mutex::const_new(());

const KEEP: usize = 1000;

fn news(number: u64) -> UserEvent {
    UserEvent { user: user(), push: Push::Hb { latest: number } }
}

async fn publish(store: &SharedStore, news: &UserEvent) -> Cursor {
    store.publish(news, KEEP, *T0).await.expect("the store answers")
}

async fn since(store: &SharedStore, after: Cursor) -> Vec<(Cursor, UserEvent)> {
    match store.events_since(after, KEEP).await.expect("the store answers") {
        Since::UserEvent(news) => read(news),
        Since::Gone => panic!("the place is known"),
    }
}

fn read(news: Vec<(Cursor, Option<UserEvent>)>) -> Vec<(Cursor, UserEvent)> {
    news.into_iter().map(|(cursor, news)| (cursor, news.expect("it is of this version"))).collect()
}

async fn head(store: &SharedStore) -> Cursor {
    store.event_head().await.expect("the store answers")
}

pub(crate) async fn events_are_read_in_order_from_any_place(store: SharedStore) {
    let _alone = ALONE.lock().await;
    publish(&store, &news(0)).await;
    let start = head(&store).await;
    let mut expected = Vec::new();
    for number in 1..=20 {
        let one = news(number);
        expected.push((publish(&store, &one).await, one));
    }
    assert!(expected.is_sorted_by(|one, other| one.0 < other.0));
    assert_eq!(since(&store, start).await, expected);
    assert_eq!(since(&store, expected[4].0).await, expected[5..]);
    assert_eq!(since(&store, expected[19].0).await, []);
    assert_eq!(head(&store).await, expected[19].0);
    let Since::UserEvent(some) = store.events_since(start, 3).await.expect("the store answers") else {
        panic!("it is known")
    };
    assert_eq!(read(some), expected[..3]);
}

pub(crate) async fn a_place_that_is_not_in_the_log_is_gone(store: SharedStore) {
    let _alone = ALONE.lock().await;
    let old = publish(&store, &news(0)).await;
    let gone = |after| {
        let store = store.clone();
        async move { store.events_since(after, KEEP).await.expect("the store answers") == Since::Gone }
    };
    assert!(gone(Cursor { ms: 1, n: 1 }).await, "never there");
    assert!(gone(Cursor { ms: u64::MAX, n: 0 }).await, "of another store");
    // Redis gives up whole nodes of a stream, so "about 1".
    for number in 0..500 {
        store.publish(&news(number), 1, *T0).await.expect("the store answers");
    }
    assert!(gone(old).await && gone(Cursor::default()).await, "no longer there");
    assert!(!gone(head(&store).await).await);
}

pub(crate) async fn who_waits_for_events_hears_them(store: SharedStore) {
    let _alone = ALONE.lock().await;
    publish(&store, &news(0)).await;
    let start = head(&store).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.wait_for_events(start, 10, Duration::from_secs(60)).await })
    };
    let one = news(7);
    let cursor = publish(&store, &one).await;
    let heard = waiting.await.expect("no panic").expect("the store answers");
    assert_eq!(heard, Since::UserEvent(vec![(cursor, Some(one))]));
    let nothing = store.wait_for_events(cursor, 10, Duration::from_millis(1)).await.expect("the store answers");
    assert_eq!(nothing, Since::UserEvent(vec![]));
}

pub(crate) async fn many_publish_at_once_and_nothing_is_lost(store: SharedStore) {
    let _alone = ALONE.lock().await;
    publish(&store, &news(0)).await;
    let start = head(&store).await;
    let mut published = at_once(100, |number| {
        let store = store.clone();
        async move {
            let one = news(number as u64);
            (publish(&store, &one).await, one)
        }
    })
    .await;
    published.sort_by_key(|(cursor, _)| *cursor);
    assert_eq!(since(&store, start).await, published);
}
