//! Records change under whoever has seen them, and under nobody else.

use server::store::{Record, RecordKey, SharedStore, Write};

use super::fixture::*;

fn key(name: &str) -> RecordKey {
    RecordKey(format!("{name}:{}", handle()))
}

fn to(key: &RecordKey, seen: u64, value: &str) -> Write {
    Write { key: key.clone(), seen, value: value.to_owned() }
}

async fn write(store: &SharedStore, writes: &[Write]) -> bool {
    store.write(writes).await.expect("the store answers")
}

async fn read(store: &SharedStore, key: &RecordKey) -> Option<Record> {
    store.read(std::slice::from_ref(key)).await.expect("the store answers").pop().expect("one answer")
}

pub(crate) async fn a_record_begins_at_version_1(store: SharedStore) {
    let key = key("account");
    assert_eq!(read(&store, &key).await, None);
    for (seen, value) in [(0, "{\"text\":\"1:é\\n\"}"), (1, ""), (2, ":")] {
        assert!(write(&store, &[to(&key, seen, value)]).await);
        assert_eq!(read(&store, &key).await, Some(Record { version: seen + 1, value: value.to_owned() }));
    }
}

pub(crate) async fn records_are_read_in_the_order_asked(store: SharedStore) {
    let [one, other, none] = ["one", "other", "none"].map(key);
    assert!(write(&store, &[to(&one, 0, "1"), to(&other, 0, "2")]).await);
    let found = store.read(&[other, none, one]).await.expect("the store answers");
    let values: Vec<_> = found.into_iter().map(|record| record.map(|record| record.value)).collect();
    assert_eq!(values, [Some("2".to_owned()), None, Some("1".to_owned())]);
}

pub(crate) async fn records_are_written_all_or_none(store: SharedStore) {
    let [one, other] = ["one", "other"].map(key);
    assert!(write(&store, &[to(&one, 0, "before")]).await);
    for stale in [0, 2] {
        assert!(!write(&store, &[to(&other, 0, "after"), to(&one, stale, "after")]).await);
    }
    assert_eq!(read(&store, &other).await, None);
    assert_eq!(read(&store, &one).await.map(|record| record.value), Some("before".to_owned()));
}

pub(crate) async fn a_record_is_never_overwritten_unseen(store: SharedStore) {
    let key = key("balance");
    at_once(50, |_| {
        let (store, key) = (store.clone(), key.clone());
        async move {
            loop {
                let (seen, value) = read(&store, &key)
                    .await
                    .map_or((0, 0), |record| (record.version, record.value.parse::<u64>().expect("a number")));
                if write(&store, &[to(&key, seen, &(value + 1).to_string())]).await {
                    break;
                }
            }
        }
    })
    .await;
    assert_eq!(read(&store, &key).await, Some(Record { version: 50, value: "50".to_owned() }));
}

pub(crate) async fn a_record_cannot_be_written_twice_at_once(store: SharedStore) {
    let key = key("balance");
    assert!(!write(&store, &[to(&key, 0, "1"), to(&key, 0, "2")]).await);
    assert_eq!(read(&store, &key).await, None);
}

pub(crate) async fn nothing_is_read_and_written_as_nothing(store: SharedStore) {
    assert_eq!(store.read(&[]).await.expect("the store answers"), []);
    assert!(write(&store, &[]).await);
}
