//! What only the memory store must do: keep its snapshot over restarts.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use protocol::problem::Ended;
use server::{
    open_stores,
    settings::{Environment, Settings, StoreSettings},
    store::{NonceIssue, RecordKey, Stores, Write, memory::MemoryStore},
};

use super::redis::{bound_now, now};
use crate::contract::fixture::*;

fn restarted(path: &Path) -> Stores {
    MemoryStore::with_snapshot(path).expect("a snapshot").into()
}

/// Waits until another thread has written the file.
fn until(path: &Path, is_written: impl Fn(&str) -> bool) {
    let began = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| is_written(&text)) {
        assert!(began.elapsed() < Duration::from_secs(10), "the snapshot was not written");
        sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn restart_keeps_sessions_and_records_not_nonces() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let key = RecordKey("account:ada".to_owned());

    let stores = restarted(&path);
    let store = stores.sessions.clone();
    let [spent, unspent] = nonces();
    let (handle, ended, unentered) =
        (bound(&store, &[spent, unspent]).await, bound(&store, &[]).await, self::unentered(&store).await);
    assert!(passes(&store, handle, spent, *T0).await);
    end(&store, ended, Ended::Revoked).await;
    let write = Write { key: key.clone(), seen: 0, value: "kept".to_owned() };
    assert!(stores.records.write(&[write]).await.expect("the store answers"));
    until(&path, |text| text.contains("kept"));
    let session = async |store: &Sessions| store.find(&handle, IDLE, *T0).await.expect("the store answers");
    let before = session(&store).await;

    // As after a kill: the earlier store is not dropped.
    let stores = restarted(&path);
    let store = stores.sessions.clone();
    assert!(before.as_ref().is_some_and(|session| session.frame_key.is_some()));
    assert_eq!(session(&store).await, before, "with its keys");
    assert!(!is_live(&store, ended, *T0).await);
    assert!(!enter(&store, unentered, *T0).await);
    let found = stores.records.read(&[key]).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| (record.version, record.value.as_str())), Some((1, "kept")));
    for nonce in [spent, unspent] {
        assert_eq!(verdict(&store, request(handle, nonce, *T0)).await, Verdict::BadNonce);
    }
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], *T0).await);
    assert!(passes(&store, handle, fresh, *T0).await);
}

/// Attack 10: spent nonces are not in the file, so a request that was signed before the restart is rejected as too old.
#[tokio::test]
async fn nonce_request_is_not_repeated_after_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = restarted(&path).sessions;
    let handle = handle();
    bound_now(&store, handle, &[]).await;
    let kept = nonce_request(handle, nonce(), &[nonce()], now());
    assert_eq!(nonce_issue(&store, kept.clone()).await, NonceIssue::Issued);
    until(&path, |text| text.contains(&handle.to_string()));

    let store = restarted(&path).sessions;
    assert_eq!(nonce_issue(&store, kept).await, NonceIssue::TooOld);
    sleep(Duration::from_millis(2));
    assert!(issue_nonces(&store, handle, nonce(), &[], now()).await);
}

#[tokio::test]
async fn broken_snapshot_stops_production_and_is_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let settings = |environment| Settings {
        environment,
        store: StoreSettings { allow_memory: true, snapshot: Some(path.clone()) },
        ..Settings::default()
    };
    for broken in ["{", "{\"sessions\":{\"short\":1},\"records\":{}}"] {
        fs::write(&path, broken).expect("a file");
        let error = open_stores(&settings(Environment::Production)).await.map(drop).expect_err("a broken file");
        assert!(error.to_string().contains("store.snapshot"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), broken);

        // In development it is put aside.
        let store = open_stores(&settings(Environment::Development)).await.expect("an empty store").sessions;
        let handle = bound(&store, &[]).await;
        until(&path, |text| text.contains(&handle.to_string()));
        assert_eq!(fs::read_to_string(path.with_extension("broken")).expect("a file"), broken);
    }
}

/// Case 24: what production keeps in memory survives a restart.
#[tokio::test]
async fn accounts_survive_a_restart_in_production() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = StoreSettings { allow_memory: true, snapshot: Some(path.clone()) };
    let settings = Settings { environment: Environment::Production, store, ..Settings::default() };
    let key = RecordKey("account:ada".to_owned());
    let stores = open_stores(&settings).await.expect("a store");
    let write = Write { key: key.clone(), seen: 0, value: "a hash".to_owned() };
    assert!(stores.records.write(&[write]).await.expect("the store answers"));
    drop(stores);
    let stores = open_stores(&settings).await.expect("a store");
    let found = stores.records.read(&[key]).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| record.value.as_str()), Some("a hash"));
}

#[cfg(unix)]
#[tokio::test]
async fn snapshot_is_readable_by_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    // The mode comes neither from an existing readable file nor from a temporary file of a killed process.
    let left = directory.path().join("store.json.new");
    for path in [&path, &left] {
        fs::write(path, r#"{"sessions":{},"records":{}}"#).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
    }
    let store = restarted(&path).sessions;
    let handle = bound(&store, &[]).await;
    until(&path, |text| text.contains(&handle.to_string()));
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(!left.exists());
}

#[tokio::test]
async fn last_change_of_burst_is_written() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let stores = restarted(&path);
    let key = RecordKey("burst".to_owned());
    for seen in 0..1000 {
        let write = Write { key: key.clone(), seen, value: format!("value {seen}") };
        assert!(stores.records.write(&[write]).await.expect("the store answers"));
        if seen == 0 {
            until(&path, |text| text.contains("value 0"));
        }
    }
    until(&path, |text| text.contains("value 999"));
}

#[tokio::test]
async fn last_change_is_written_on_drop() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store.json");
    let store = restarted(&path).sessions;
    let handles = [bound(&store, &[]).await, bound(&store, &[]).await];
    drop(store);
    let store = restarted(&path).sessions;
    for handle in handles {
        assert!(is_live(&store, handle, *T0).await);
    }
}

/// As with a file system that is read-only, or a file that is a mount of its own.
#[tokio::test]
async fn unwritable_snapshot_prevents_start() {
    // Even root can create nothing there.
    let unwritable = StoreSettings { allow_memory: true, snapshot: Some("/proc/pan/store.json".into()) };
    let settings = Settings { store: unwritable, ..Settings::default() };
    let error = open_stores(&settings).await.map(drop).expect_err("an unwritable file");
    assert!(error.to_string().contains("cannot be written") && error.to_string().contains("store.snapshot"), "{error}");

    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("missing/store.json");
    let writable = StoreSettings { allow_memory: true, snapshot: Some(path.clone()) };
    open_stores(&Settings { store: writable, ..Settings::default() }).await.expect("a store");
    assert!(path.exists());
}
