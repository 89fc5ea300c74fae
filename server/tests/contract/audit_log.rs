//! The contract of [`AuditStore`]: entries are appended one after another and read back unchanged.

use std::sync::Arc;

use server::{
    audit::{AuditEntry, Chain, Event, Finding, Head, MAX_OF_USER, Outcome, verify},
    settings::Secret,
    store::{Appended, AuditStore},
};

use tokio::sync::Mutex;

use super::fixture::*;

/// Makes a test of each rule of [`AuditStore`], on the store that `$store` returns.
macro_rules! audit_store {
    ($store:expr) => {
        rules! {
            $store => audit_log:
                entries_are_appended_read_and_trimmed
                concurrent_appends_lose_no_entry
        }
    };
}
pub(crate) use audit_store;

const KEEP: usize = 100_000;

/// Held by a test while it uses the log, which the tests of one Redis share.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

fn chain() -> Chain {
    Chain::new(&Secret::default())
}

fn event(user: Option<&str>, action: &'static str) -> Event {
    let user = user.map(|user| user.parse().expect("a user name"));
    Event { session: Some(handle()), user, action: action.into(), outcome: Outcome::Passed, reason: None }
}

/// Chains these events to a log.
fn entries(mut head: Head, events: impl IntoIterator<Item = Event>) -> Vec<AuditEntry> {
    events
        .into_iter()
        .map(|event| {
            let entry = chain().entry(&head, *T0, 1, event).expect("JSON");
            head = entry.head();
            entry
        })
        .collect()
}

async fn append(store: &dyn AuditStore, entries: &[AuditEntry], keep: usize) -> Head {
    let before = store.head().await.expect("the store answers");
    assert_eq!(store.append(&before, entries, keep).await.expect("the store answers"), Appended::Done);
    let head = store.head().await.expect("the store answers");
    assert_eq!(head, entries.last().expect("an entry").head());
    head
}

async fn lines(store: &dyn AuditStore, after: u64, count: usize) -> Vec<String> {
    let found = store.lines_after(after, count).await.expect("the store answers");
    let is_numbered = |(n, line): &(u64, String)| AuditEntry::parse(line).is_ok_and(|entry| entry.body.n == *n);
    assert!(found.iter().all(is_numbered));
    found.into_iter().map(|(_, line)| line).collect()
}

async fn head(store: &dyn AuditStore) -> Head {
    store.head().await.expect("the store answers")
}

pub(crate) async fn entries_are_appended_read_and_trimmed(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    // A writer must know the last entry.
    let start = head(store.as_ref()).await;
    let first = entries(start, [event(Some("ada"), "bind"), event(None, "public"), event(Some("bob"), "bind")]);
    assert_eq!(append(store.as_ref(), &first, KEEP).await.n, start.n + 3);
    let late = entries(start, [event(Some("eve"), "bind")]);
    let moved = store.append(&start, &late, KEEP).await.expect("the store answers");
    assert_eq!(moved, Appended::Moved(head(store.as_ref()).await));

    // Entries are read in order and unchanged.
    let read = lines(store.as_ref(), start.n, 10).await;
    assert_eq!(read, first.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(lines(store.as_ref(), start.n + 1, 1).await, read[1..2]);
    let report = verify(&chain(), read.iter().map(String::as_str), Some(head(store.as_ref()).await));
    assert_eq!((report.findings.as_slice(), report.entries), (&[][..], 3));

    // Each user has a list of bounded length, newest first.
    let user = user();
    let many = (0..MAX_OF_USER + 5).map(|_| event(Some(user.as_str()), "account"));
    let many = entries(head(store.as_ref()).await, many.chain([event(Some("bob"), "account")]));
    append(store.as_ref(), &many, KEEP).await;
    let own = store.entries_of_user(&user).await.expect("the store answers");
    let expected: Vec<AuditEntry> = many[5..MAX_OF_USER + 5].iter().rev().cloned().collect();
    assert_eq!(own, expected);

    // The oldest entries are trimmed, and the rest still verifies.
    let last = append(store.as_ref(), &entries(head(store.as_ref()).await, [event(None, "last")]), 10).await;
    let left = lines(store.as_ref(), 0, 1000).await;
    assert_eq!(left.len(), 10);
    let mut report = verify(&chain(), left.iter().map(String::as_str), Some(last));
    report.expect_kept(last.n, 10);
    assert_eq!((report.findings.as_slice(), report.first), (&[][..], last.n - 9));

    // The first remaining entry is verified like the others, and a missing one is found.
    let mut altered = left.clone();
    altered[0] = altered[0].replace("\"times\":1", "\"times\":2");
    let report = verify(&chain(), altered.iter().map(String::as_str), Some(last));
    assert_eq!(report.findings, [Finding::Altered(last.n - 9)]);
    let mut report = verify(&chain(), left[1..].iter().map(String::as_str), Some(last));
    report.expect_kept(last.n, 10);
    assert_eq!(report.findings, [Finding::CutOff(last.n - 9..=last.n - 9)]);
}

pub(crate) async fn concurrent_appends_lose_no_entry(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    let start = head(store.as_ref()).await;
    concurrently(4, |_| {
        let store = store.clone();
        async move {
            for _ in 0..25 {
                let mut known = head(store.as_ref()).await;
                loop {
                    let entries = entries(known, [event(None, "concurrent")]);
                    match store.append(&known, &entries, KEEP).await.expect("the store answers") {
                        Appended::Done => break,
                        Appended::Moved(head) => known = head,
                    }
                }
            }
        }
    })
    .await;
    let read = lines(store.as_ref(), start.n, 1000).await;
    let report = verify(&chain(), read.iter().map(String::as_str), Some(head(store.as_ref()).await));
    assert_eq!((report.findings.as_slice(), report.entries), (&[][..], 100));
}
