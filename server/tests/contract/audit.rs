//! The audit log: appended to by one after another, and read back whole.

use server::{
    audit::{Appended, AuditEntry, Chain, Event, Finding, Head, MAX_OF_USER, Outcome, verify},
    settings::Secret,
    store::SharedStore,
};

use tokio::sync::Mutex;

use super::fixture::*;

const KEEP: usize = 100_000;

/// The tests of one Redis share one log: each has it for itself.
static ALONE: Mutex<()> = Mutex::const_new(());

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

async fn append(store: &SharedStore, entries: &[AuditEntry], keep: usize) -> Head {
    let before = store.audit_head().await.expect("the store answers");
    assert_eq!(store.append(&before, entries, keep).await.expect("the store answers"), Appended::Done);
    let head = store.audit_head().await.expect("the store answers");
    assert_eq!(head, entries.last().expect("an entry").head());
    head
}

async fn lines(store: &SharedStore, after: u64, count: usize) -> Vec<String> {
    let found = store.audit_after(after, count).await.expect("the store answers");
    let is_numbered = |(n, line): &(u64, String)| AuditEntry::parse(line).is_ok_and(|entry| entry.body.n == *n);
    assert!(found.iter().all(is_numbered));
    found.into_iter().map(|(_, line)| line).collect()
}

async fn head(store: &SharedStore) -> Head {
    store.audit_head().await.expect("the store answers")
}

pub(crate) async fn the_audit_log_is_appended_to_read_and_kept_short(store: SharedStore) {
    let _alone = ALONE.lock().await;
    // Only whoever knows the last entry can append.
    let start = head(&store).await;
    let first = entries(start, [event(Some("ada"), "bind"), event(None, "public"), event(Some("bob"), "bind")]);
    assert_eq!(append(&store, &first, KEEP).await.n, start.n + 3);
    let late = entries(start, [event(Some("eve"), "bind")]);
    let moved = store.append(&start, &late, KEEP).await.expect("the store answers");
    assert_eq!(moved, Appended::Moved(head(&store).await));

    // What was appended is what is read, in order, and whole.
    let read = lines(&store, start.n, 10).await;
    assert_eq!(read, first.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(lines(&store, start.n + 1, 1).await, read[1..2]);
    let report = verify(&chain(), read.iter().map(String::as_str), Some(head(&store).await));
    assert_eq!((report.findings.as_slice(), report.entries), (&[][..], 3));

    // A user has their own list, newest first, of a bounded length.
    let user = user();
    let many = (0..MAX_OF_USER + 5).map(|_| event(Some(user.as_str()), "account"));
    let many = entries(head(&store).await, many.chain([event(Some("bob"), "account")]));
    append(&store, &many, KEEP).await;
    let own = store.audit_of(&user).await.expect("the store answers");
    let expected: Vec<AuditEntry> = many[5..MAX_OF_USER + 5].iter().rev().cloned().collect();
    assert_eq!(own, expected);

    // The oldest entries go, and the rest still verifies.
    let last = append(&store, &entries(head(&store).await, [event(None, "last")]), 10).await;
    let left = lines(&store, 0, 1000).await;
    assert_eq!(left.len(), 10);
    let mut report = verify(&chain(), left.iter().map(String::as_str), Some(last));
    report.expect_kept(last.n, 10);
    assert_eq!((report.findings.as_slice(), report.first), (&[][..], last.n - 9));

    // The first that is left is verified like the others, and one that should be left is missed.
    let mut altered = left.clone();
    altered[0] = altered[0].replace("\"times\":1", "\"times\":2");
    let report = verify(&chain(), altered.iter().map(String::as_str), Some(last));
    assert_eq!(report.findings, [Finding::Altered(last.n - 9)]);
    let mut report = verify(&chain(), left[1..].iter().map(String::as_str), Some(last));
    report.expect_kept(last.n, 10);
    assert_eq!(report.findings, [Finding::CutOff(last.n - 9..=last.n - 9)]);
}

pub(crate) async fn many_servers_append_to_one_log_and_lose_nothing(store: SharedStore) {
    let _alone = ALONE.lock().await;
    let start = head(&store).await;
    at_once(4, |_| {
        let store = store.clone();
        async move {
            for _ in 0..25 {
                let mut known = head(&store).await;
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
    let read = lines(&store, start.n, 1000).await;
    let report = verify(&chain(), read.iter().map(String::as_str), Some(head(&store).await));
    assert_eq!((report.findings.as_slice(), report.entries), (&[][..], 100));
}
