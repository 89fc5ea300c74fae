//! The contract of [`RecordStore`]: a record is overwritten only by a writer that has read its current version.

use std::sync::Arc;

use server::store::{Record, RecordKey, RecordStore, Write};

use super::fixture::*;

/// Makes a test of each rule of [`RecordStore`], on the store that `$store` returns.
macro_rules! record_store {
    ($store:expr) => {
        rules! {
            $store => records:
                first_write_has_version_1
                records_are_read_in_requested_order
                records_are_written_all_or_none
                concurrent_writes_lose_no_update
                write_of_one_record_twice_is_rejected
                empty_read_and_write_succeed
        }
    };
}
pub(crate) use record_store;

fn key(name: &str) -> RecordKey {
    RecordKey(format!("{name}:{}", handle()))
}

fn to(key: &RecordKey, seen: u64, value: &str) -> Write {
    Write { key: key.clone(), seen, value: value.to_owned() }
}

async fn write(store: &dyn RecordStore, writes: &[Write]) -> bool {
    store.write(writes).await.expect("the store answers")
}

async fn read(store: &dyn RecordStore, key: &RecordKey) -> Option<Record> {
    store.read(std::slice::from_ref(key)).await.expect("the store answers").pop().expect("one answer")
}

pub(crate) async fn first_write_has_version_1(store: Arc<dyn RecordStore>) {
    let key = key("account");
    assert_eq!(read(store.as_ref(), &key).await, None);
    for (seen, value) in [(0, "{\"text\":\"1:é\\n\"}"), (1, ""), (2, ":")] {
        assert!(write(store.as_ref(), &[to(&key, seen, value)]).await);
        assert_eq!(read(store.as_ref(), &key).await, Some(Record { version: seen + 1, value: value.to_owned() }));
    }
}

pub(crate) async fn records_are_read_in_requested_order(store: Arc<dyn RecordStore>) {
    let [one, other, none] = ["one", "other", "none"].map(key);
    assert!(write(store.as_ref(), &[to(&one, 0, "1"), to(&other, 0, "2")]).await);
    let found = store.read(&[other, none, one]).await.expect("the store answers");
    let values: Vec<_> = found.into_iter().map(|record| record.map(|record| record.value)).collect();
    assert_eq!(values, [Some("2".to_owned()), None, Some("1".to_owned())]);
}

pub(crate) async fn records_are_written_all_or_none(store: Arc<dyn RecordStore>) {
    let [one, other] = ["one", "other"].map(key);
    assert!(write(store.as_ref(), &[to(&one, 0, "before")]).await);
    for stale in [0, 2] {
        assert!(!write(store.as_ref(), &[to(&other, 0, "after"), to(&one, stale, "after")]).await);
    }
    assert_eq!(read(store.as_ref(), &other).await, None);
    assert_eq!(read(store.as_ref(), &one).await.map(|record| record.value), Some("before".to_owned()));
}

pub(crate) async fn concurrent_writes_lose_no_update(store: Arc<dyn RecordStore>) {
    let key = key("balance");
    concurrently(50, |_| {
        let (store, key) = (store.clone(), key.clone());
        async move {
            loop {
                let (seen, value) = read(store.as_ref(), &key)
                    .await
                    .map_or((0, 0), |record| (record.version, record.value.parse::<u64>().expect("a number")));
                if write(store.as_ref(), &[to(&key, seen, &(value + 1).to_string())]).await {
                    break;
                }
            }
        }
    })
    .await;
    assert_eq!(read(store.as_ref(), &key).await, Some(Record { version: 50, value: "50".to_owned() }));
}

pub(crate) async fn write_of_one_record_twice_is_rejected(store: Arc<dyn RecordStore>) {
    let key = key("balance");
    assert!(!write(store.as_ref(), &[to(&key, 0, "1"), to(&key, 0, "2")]).await);
    assert_eq!(read(store.as_ref(), &key).await, None);
}

pub(crate) async fn empty_read_and_write_succeed(store: Arc<dyn RecordStore>) {
    assert_eq!(store.read(&[]).await.expect("the store answers"), []);
    assert!(write(store.as_ref(), &[]).await);
}
