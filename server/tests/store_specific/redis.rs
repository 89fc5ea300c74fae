//! What only the Redis store must do: one command per request, and no harm when Redis restarts, is unavailable or full.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use protocol::{
    problem::Ended,
    push::Push,
    token::{Nonce, SessionHandle},
};
use redis::cmd;
use server::{
    clock::Clock,
    store::{
        Authorization, Counter, IssueNonces, NewSession, NonceIssue, RecordKey, RecordStore, Since, Stores, UserEvent,
        redis::RedisStore,
    },
};

use crate::{contract::fixture::*, support::redis_server::RedisServer};

pub(super) async fn connect(server: &RedisServer) -> Stores {
    crate::connect(&server.settings()).await
}

pub(super) fn save(server: &RedisServer) {
    cmd("SAVE").exec(&mut server.aside()).expect("Redis saves");
}

/// Waits until the store answers.
pub(super) async fn recovered(store: &Sessions) -> Duration {
    let began = Instant::now();
    while store.find(&handle(), IDLE, *T0).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the store does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn authorize_request_is_one_command() {
    let server = RedisServer::start();
    let store = connect(&server).await.sessions;
    let one = nonce();
    let handle = bound(&store, &[one]).await;

    let watch = server.watch();
    assert!(passes(&store, handle, one, *T0).await);
    let sent = watch.stop();
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert!(sent[0].starts_with("\"EVALSHA\""), "{sent:?}");
}

/// During an upgrade two versions of the server read one log.
#[tokio::test]
async fn event_of_another_version_is_skipped() {
    let server = RedisServer::start();
    let stores = connect(&server).await;
    let event = |latest| UserEvent { user: "ada".parse().expect("a name"), push: Push::Heartbeat { latest } };
    let start = stores.event_log.publish(&event(1), 100, *T0).await.expect("the store answers");
    let foreign = r#"{"user":"ada","push":{"type":"of_tomorrow","data":{}}}"#;
    let added: String = cmd("XADD")
        .arg("push:{news}")
        .arg("*")
        .arg("news")
        .arg(foreign)
        .query(&mut server.aside())
        .expect("Redis answers");
    let last = stores.event_log.publish(&event(2), 100, *T0).await.expect("the store answers");
    let since = stores.event_log.since(start, 10).await.expect("the store answers");
    assert_eq!(since, Since::Events(vec![(added.parse().expect("a place"), None), (last, Some(event(2)))]));
}

#[tokio::test]
async fn ended_session_leaves_only_its_reason() {
    let server = RedisServer::start();
    let store = connect(&server).await.sessions;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert!(issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await);
    let size = || cmd("DBSIZE").query::<u32>(&mut server.aside()).expect("Redis answers");
    assert_eq!(size(), 4);
    end(&store, handle, Ended::Revoked).await;
    assert_eq!(size(), 1);
    let left: Vec<String> =
        cmd("HGETALL").arg(format!("session:{{{handle}}}")).query(&mut server.aside()).expect("Redis answers");
    assert_eq!(left, ["ended", "revoked"]);
}

#[tokio::test]
async fn all_keys_but_records_expire() {
    let server = RedisServer::start();
    let stores = connect(&server).await;
    let store = stores.sessions.clone();
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert!(issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await);
    create(&store, new_session(self::handle())).await;
    let counter = Counter { name: "sign_in:ip:192.0.2.1".to_owned(), limit: AMPLE };
    stores.rate_limits.count(&[counter], *T0).await.expect("the store answers");
    let mut aside = server.aside();
    let keys: Vec<String> = cmd("KEYS").arg("*").query(&mut aside).expect("Redis answers");
    assert_eq!(keys.len(), 7, "{keys:?}");
    for key in keys {
        let life: i64 = cmd("PTTL").arg(&key).query(&mut aside).expect("Redis answers");
        assert!((1..=24 * 3_600_000 + 60_000).contains(&life), "{key} lives {life} ms");
    }
}

/// Attacks 10 and 21: Redis comes back without its last writes.
#[tokio::test]
async fn older_snapshot_revives_no_spent_nonce() {
    let mut server = RedisServer::start();
    let stores = connect(&server).await;
    let store = stores.sessions.clone();
    let elsewhere = connect(&server).await.sessions;
    let [spent, unspent] = nonces();
    let handle = handle();
    bound_now(&store, handle, &[spent, unspent]).await;
    save(&server);
    assert!(passes(&store, handle, spent, now()).await);
    server.kill();
    server.restart();

    // The replay may be the first request of either server after the restart, and may be repeated.
    recovered_without_script(stores.records.as_ref()).await;
    for store in [&store, &elsewhere] {
        let answers = concurrently(100, |_| {
            let (store, replay) = (store.clone(), request(handle, spent, now()));
            async move { store.authorize_request(replay).await }
        })
        .await;
        assert_eq!(count(&answers, |answer| matches!(answer, Ok(Authorization::Authorized(_)))), 0);
    }
    recovered(&store).await;
    recovered(&elsewhere).await;
    for store in [&store, &elsewhere, &connect(&server).await.sessions] {
        for nonce in [spent, unspent] {
            assert_eq!(verdict(store, request(handle, nonce, now())).await, Verdict::BadNonce);
        }
    }

    // The session itself is still live, and gets fresh nonces.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], now()).await);
    assert!(passes(&elsewhere, handle, fresh, now()).await);
}

/// The same for a client-generated nonce: the store no longer knows that it was spent.
#[tokio::test]
async fn older_snapshot_repeats_no_nonce_request() {
    let mut server = RedisServer::start();
    let stores = connect(&server).await;
    let store = stores.sessions.clone();
    let elsewhere = connect(&server).await.sessions;
    let handle = handle();
    bound_now(&store, handle, &[]).await;
    save(&server);
    let kept = nonce_request(handle, nonce(), &[nonce()], now());
    assert_eq!(nonce_issue(&store, kept.clone()).await, NonceIssue::Issued);
    server.kill();
    server.restart();

    recovered_without_script(stores.records.as_ref()).await;
    // The store answers in the next second, so requests that are signed from then on have a later time.
    let second = now() / 1000;
    while store.find(&handle, IDLE, now()).await.is_err() {}
    assert!(now() / 1000 > second);
    recovered(&elsewhere).await;
    for store in [&store, &elsewhere, &connect(&server).await.sessions] {
        assert_eq!(nonce_issue(store, kept.clone()).await, NonceIssue::TooOld);
    }
    let young = IssueNonces { created: now() / 1000 * 1000, ..nonce_request(handle, nonce(), &[], now()) };
    for store in [&store, &elsewhere] {
        assert_eq!(nonce_issue(store, IssueNonces { spent: nonce(), ..young.clone() }).await, NonceIssue::Issued);
    }
}

/// The time, where a test depends on when a server was started.
pub(super) fn now() -> u64 {
    Clock::system().now()
}

/// Creates, enters and binds a session now. Waits first, so that its nonces are younger than the store.
pub(super) async fn bound_now(store: &Sessions, handle: SessionHandle, nonces: &[Nonce]) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (created, session) = (now(), new_session(handle));
    let lengths = (session.enter_by - session.created, session.expires - session.created);
    let session = NewSession { created, enter_by: created + lengths.0, expires: created + lengths.1, ..session };
    create(store, session).await;
    enter_and_bind(store, handle, nonces, created).await;
}

/// Waits until Redis answers a plain command, which does not detect the restart as a script does.
pub(super) async fn recovered_without_script(store: &dyn RecordStore) {
    let key = RecordKey("none".to_owned());
    while store.read(std::slice::from_ref(&key)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A replica that replaces a failed Redis must not know the script, or the store would not detect it.
#[tokio::test]
async fn replica_has_data_without_script() {
    let (server, replica) = (RedisServer::start(), RedisServer::start());
    cmd("REPLICAOF").arg("127.0.0.1").arg(server.port()).exec(&mut replica.aside()).expect("Redis obeys");
    let info = |server: &RedisServer, section: &str| {
        cmd("INFO").arg(section).query::<String>(&mut server.aside()).expect("Redis answers")
    };
    while !info(&replica, "replication").contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = connect(&server).await.sessions;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    while cmd("DBSIZE").query::<u32>(&mut replica.aside()).expect("Redis answers") < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(info(&server, "memory").contains("number_of_cached_scripts:1\r"));
    assert!(info(&replica, "memory").contains("number_of_cached_scripts:0\r"));
}

#[tokio::test]
async fn dead_redis_is_an_error_until_it_returns() {
    let mut server = RedisServer::start();
    let stores = connect(&server).await;
    let store = stores.sessions.clone();
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    save(&server);
    server.kill();
    for _ in 0..3 {
        let began = Instant::now();
        assert!(store.authorize_request(request(handle, one, *T0)).await.is_err());
        assert!(store.find(&handle, IDLE, *T0).await.is_err());
        assert!(store.end(&handle, &user(), Ended::Revoked, *T0).await.is_err());
        assert!(stores.records.read(&[RecordKey("none".to_owned())]).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(9), "four calls took {:?}", began.elapsed());
    }
    server.restart();
    let took = recovered(&store).await;
    assert!(took < Duration::from_secs(5), "recovering took {took:?}");
    assert!(is_live(&store, handle, *T0).await);
}

#[tokio::test]
async fn hanging_redis_is_an_error_within_2_s() {
    let server = RedisServer::start();
    let store = connect(&server).await.sessions;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &server.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    };
    signal("-STOP");
    let began = Instant::now();
    let answers = concurrently(20, |_| {
        let (store, request) = (store.clone(), request(handle, nonce(), *T0));
        async move { store.authorize_request(request).await }
    })
    .await;
    let took = began.elapsed();
    signal("-CONT");
    assert_eq!(count(&answers, Result::is_err), 20);
    assert!(took < Duration::from_millis(2300), "it took {took:?}");
    recovered(&store).await;
    assert!(passes(&store, handle, one, *T0).await);
}

#[tokio::test]
async fn missing_redis_is_an_error_at_once() {
    let mut server = RedisServer::start();
    server.kill();
    let began = Instant::now();
    assert!(RedisStore::connect(&server.settings()).await.is_err());
    assert!(began.elapsed() < Duration::from_millis(2300));
}

/// Attack 21: a full Redis makes no change, not even a partial one, but still ends sessions.
#[tokio::test]
async fn full_redis_rejects_and_spends_nothing() {
    let server = RedisServer::start();
    let store = connect(&server).await.sessions;
    let [one, other] = nonces();
    let (handle, leaving) = (bound(&store, &[one]).await, bound(&store, &[other]).await);
    let memory = |bytes: &str| {
        cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut server.aside()).expect("Redis obeys");
    };
    memory("1");
    assert!(store.authorize_request(request(handle, one, *T0)).await.is_err());
    assert!(store.end(&leaving, &user(), Ended::Revoked, *T0).await.expect("deleting needs no memory"));
    memory("0");
    assert!(passes(&store, handle, one, *T0).await);
    assert!(!is_live(&store, leaving, *T0).await);
}
