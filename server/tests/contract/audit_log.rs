//! The contract of [`AuditStore`]: entries are appended one after another and read back unchanged.

use std::sync::Arc;

use server::{
    audit::{AuditEntry, AuditLog, Chain, Event, Finding, Head, MAX_OF_USER, Outcome, Repeated, Retention, verify},
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
                old_entries_are_deleted
                traffic_displaces_nothing_of_the_security_log
                others_cannot_displace_entries_of_a_user
        }
    };
}
pub(crate) use audit_store;

const SECURITY: AuditLog = AuditLog::Security;

const KEEP: Retention = Retention { keep: 100_000, since: 0 };

/// Held by a test while it uses the log, which the tests of one Redis share.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

fn chain() -> Chain {
    Chain::new(&Secret::default(), SECURITY)
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

async fn append(store: &dyn AuditStore, entries: &[AuditEntry], retention: Retention) -> Head {
    append_to(store, SECURITY, entries, retention).await
}

async fn append_to(store: &dyn AuditStore, log: AuditLog, entries: &[AuditEntry], retention: Retention) -> Head {
    let before = store.head(log).await.expect("the store answers");
    assert_eq!(store.append(log, &before, entries, retention).await.expect("the store answers"), Appended::Done);
    let head = store.head(log).await.expect("the store answers");
    assert_eq!(head, entries.last().expect("an entry").head());
    head
}

async fn lines(store: &dyn AuditStore, after: u64, count: usize) -> Vec<String> {
    let found = store.lines_after(SECURITY, after, count).await.expect("the store answers");
    let is_numbered = |(n, line): &(u64, String)| AuditEntry::parse(line).is_ok_and(|entry| entry.body.n == *n);
    assert!(found.iter().all(is_numbered));
    found.into_iter().map(|(_, line)| line).collect()
}

async fn head(store: &dyn AuditStore) -> Head {
    store.head(SECURITY).await.expect("the store answers")
}

pub(crate) async fn entries_are_appended_read_and_trimmed(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    // A writer must know the last entry.
    let start = head(store.as_ref()).await;
    let first = entries(start, [event(Some("ada"), "bind"), event(None, "public"), event(Some("bob"), "bind")]);
    assert_eq!(append(store.as_ref(), &first, KEEP).await.n, start.n + 3);
    let late = entries(start, [event(Some("eve"), "bind")]);
    let moved = store.append(SECURITY, &start, &late, KEEP).await.expect("the store answers");
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
    let last = append(
        store.as_ref(),
        &entries(head(store.as_ref()).await, [event(None, "last")]),
        Retention { keep: 10, since: 0 },
    )
    .await;
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
                    match store.append(SECURITY, &known, &entries, KEEP).await.expect("the store answers") {
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

pub(crate) async fn old_entries_are_deleted(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    let start = head(store.as_ref()).await;
    let mut last = start;
    let day = 24 * HOUR;
    for n in 0..5 {
        let entry = chain().entry(&last, *T0 + n * day, 1, event(None, "public")).expect("JSON");
        last = append(store.as_ref(), &[entry], KEEP).await;
    }
    let entry = chain().entry(&last, *T0 + 5 * day, 1, event(None, "public")).expect("JSON");
    let last = append(store.as_ref(), &[entry], Retention { since: *T0 + 3 * day, ..KEEP }).await;
    let left = lines(store.as_ref(), 0, 1000).await;
    assert_eq!(left.len(), 3);
    let report = verify(&chain(), left.iter().map(String::as_str), Some(last));
    assert_eq!((report.findings.as_slice(), report.first), (&[][..], start.n + 4));
}

pub(crate) async fn traffic_displaces_nothing_of_the_security_log(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    let (start, few) = (head(store.as_ref()).await, Retention { keep: 10, since: 0 });
    let last = append(store.as_ref(), &entries(start, [event(None, "kept")]), few).await;
    let chain = Chain::new(&Secret::default(), AuditLog::Traffic);
    let mut before = store.head(AuditLog::Traffic).await.expect("the store answers");
    let first = before;
    for _ in 0..50 {
        let entry = chain.entry(&before, *T0, 1, event(None, "read")).expect("JSON");
        before = append_to(store.as_ref(), AuditLog::Traffic, &[entry], few).await;
    }
    assert_eq!(head(store.as_ref()).await, last);
    assert_eq!(lines(store.as_ref(), start.n, 10).await.len(), 1);
    let traffic = store.lines_after(AuditLog::Traffic, first.n, 100).await.expect("the store answers");
    let lines = traffic.iter().map(|(_, line)| line.as_str());
    assert_eq!(verify(&chain, lines.clone(), Some(before)).findings, []);
    assert_eq!(traffic.len(), 10);
    // An entry of one log is not valid in the other.
    assert_eq!(verify(&self::chain(), lines, Some(before)).findings.len(), 10);
}

pub(crate) async fn others_cannot_displace_entries_of_a_user(store: Arc<dyn AuditStore>) {
    let _exclusive = EXCLUSIVE.lock().await;
    let user = user();
    let of = |outcome, action: &'static str, reason: Option<&'static str>| Event {
        outcome,
        reason: reason.map(Into::into),
        ..event(Some(user.as_str()), action)
    };
    let own = entries(head(store.as_ref()).await, [of(Outcome::Passed, "order", None)]);
    append(store.as_ref(), &own, KEEP).await;
    let chain = Chain::new(&Secret::default(), AuditLog::Traffic);
    let mut before = store.head(AuditLog::Traffic).await.expect("the store answers");
    for n in 0..2 * u64::try_from(MAX_OF_USER).expect("a number") {
        let rejected = of(Outcome::Refused, "sign_in", Some("wrong_credentials"));
        let entry = chain.entry(&before, *T0 + n, 3, rejected).expect("JSON");
        before = append_to(store.as_ref(), AuditLog::Traffic, &[entry], KEEP).await;
    }
    let thefts = entries(head(store.as_ref()).await, [of(Outcome::Noticed, "theft", Some("bad_nonce"))]);
    append(store.as_ref(), &thefts, KEEP).await;
    // Reads are nowhere in the user's part.
    let read = chain.entry(&before, *T0, 9, of(Outcome::Passed, "account", None)).expect("JSON");
    append_to(store.as_ref(), AuditLog::Traffic, &[read], KEEP).await;

    assert_eq!(store.entries_of_user(&user).await.expect("the store answers"), own);
    let mut repeated = store.repeated_of_user(&user).await.expect("the store answers");
    repeated.sort_by_key(|counter| counter.times);
    let counter = |action: &str, outcome, reason: &str, times, last| Repeated {
        action: action.to_owned(),
        outcome,
        reason: Some(reason.to_owned()),
        times,
        first: *T0,
        last,
    };
    assert_eq!(
        repeated,
        [
            counter("theft", Outcome::Noticed, "bad_nonce", 1, *T0),
            counter("sign_in", Outcome::Refused, "wrong_credentials", 1_200, *T0 + 399),
        ]
    );
    assert_eq!(store.repeated_of_user(&super::fixture::user()).await.expect("the store answers"), []);
}
