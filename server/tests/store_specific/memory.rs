//! What only the memory store must do: outlive the restarts of watch mode, and not grow for ever.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use protocol::problem::Ended;
use server::store::{NonceIssue, RecordKey, SharedStore, Write, memory::MemoryStore};

use super::redis::{bound_now, now};
use crate::contract::fixture::*;

fn restarted(path: &Path) -> SharedStore {
    Arc::new(MemoryStore::with_snapshot(path))
}

/// Waits until the file says what it should: it is written by another thread.
fn until(path: &Path, is_written: impl Fn(&str) -> bool) {
    let began = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| is_written(&text)) {
        assert!(began.elapsed() < Duration::from_secs(10), "the snapshot was not written");
        sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn sessions_and_records_outlive_a_restart_and_nonces_do_not() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let key = RecordKey("account:ada".to_owned());

    let store = restarted(&path);
    let [spent, unspent] = nonces();
    let (handle, ended, unentered) =
        (bound(&store, &[spent, unspent]).await, bound(&store, &[]).await, open(&store).await);
    assert!(passes(&store, handle, spent, *T0).await);
    end(&store, ended, Ended::Revoked).await;
    let write = Write { key: key.clone(), seen: 0, value: "kept".to_owned() };
    assert!(store.write(&[write]).await.expect("the store answers"));
    until(&path, |text| text.contains("kept"));
    let session = async |store: &SharedStore| store.session(&handle, IDLE, *T0).await.expect("the store answers");
    let before = session(&store).await;

    // As a kill would leave it: the store before is not asked again.
    let store = restarted(&path);
    assert!(before.as_ref().is_some_and(|session| session.frame_key.is_some()));
    assert_eq!(session(&store).await, before, "with its keys");
    assert!(!lives(&store, ended, *T0).await);
    assert!(!enter(&store, unentered, *T0).await);
    let found = store.read(&[key]).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| (record.version, record.value.as_str())), Some((1, "kept")));
    for nonce in [spent, unspent] {
        assert_eq!(verdict(&store, request(handle, nonce, *T0)).await, Verdict::BadNonce);
    }
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], *T0).await);
    assert!(passes(&store, handle, fresh, *T0).await);
}

/// Attack 10: what was spent is not in the file, so what was signed before the restart is refused for its age.
#[tokio::test]
async fn a_request_for_nonces_is_not_answered_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = restarted(&path);
    let handle = handle();
    bound_now(&store, handle, &[]).await;
    let kept = asking(handle, nonce(), &[nonce()], now());
    assert_eq!(refilled(&store, kept.clone()).await, NonceIssue::Done);
    until(&path, |text| text.contains(&handle.to_string()));

    let store = restarted(&path);
    assert_eq!(refilled(&store, kept).await, NonceIssue::TooOld);
    sleep(Duration::from_millis(2));
    assert!(issue_nonces(&store, handle, nonce(), &[], now()).await);
}

#[tokio::test]
async fn a_broken_snapshot_is_an_empty_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    for broken in ["", "{", "{\"sessions\":{\"short\":1},\"records\":{}}"] {
        fs::write(&path, broken).expect("a file");
        let store = restarted(&path);
        let handle = bound(&store, &[]).await;
        until(&path, |text| text.contains(&handle.to_string()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_snapshot_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    // Neither a readable file that is there already, nor what a killed process left, lends its mode.
    let left = directory.path().join("store.json.new");
    for path in [&path, &left] {
        fs::write(path, "{").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
    }
    let store = restarted(&path);
    let handle = bound(&store, &[]).await;
    until(&path, |text| text.contains(&handle.to_string()));
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(!left.exists());
}

#[tokio::test]
async fn the_last_change_of_a_burst_is_written() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = restarted(&path);
    let key = RecordKey("burst".to_owned());
    for seen in 0..1000 {
        let write = Write { key: key.clone(), seen, value: format!("value {seen}") };
        assert!(store.write(&[write]).await.expect("the store answers"));
        if seen == 0 {
            until(&path, |text| text.contains("value 0"));
        }
    }
    until(&path, |text| text.contains("value 999"));
}

#[tokio::test]
async fn the_last_change_is_written_before_the_server_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = restarted(&path);
    let handles = [bound(&store, &[]).await, bound(&store, &[]).await];
    drop(store);
    let store = restarted(&path);
    for handle in handles {
        assert!(lives(&store, handle, *T0).await);
    }
}
