//! What only the Redis store must do: one command a request, and no harm when Redis is restarted, away or full.

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
        Authorization, IssueNonces, NewSession, NonceIssue, RecordKey, SharedStore, Since, UserEvent, redis::RedisStore,
    },
};

use crate::{contract::fixture::*, support::redis_server::RedisServer};

pub(super) async fn connect(server: &RedisServer) -> SharedStore {
    crate::connect(&server.settings()).await
}

pub(super) fn save(server: &RedisServer) {
    cmd("SAVE").exec(&mut server.aside()).expect("Redis saves");
}

/// Asks until the store answers, as the pages do.
pub(super) async fn recovered(store: &SharedStore) -> Duration {
    let began = Instant::now();
    while store.session(&handle(), IDLE, *T0).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the store does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn an_admit_is_one_command() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let one = nonce();
    let handle = bound(&store, &[one]).await;

    let watch = server.watch();
    assert!(passes(&store, handle, one, *T0).await);
    let sent = watch.stop();
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert!(sent[0].starts_with("\"EVALSHA\""), "{sent:?}");
}

/// Two versions of a server follow one log while the one replaces the other.
#[tokio::test]
async fn an_event_of_another_version_is_passed_over_and_what_comes_after_it_is_told() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let news = |latest| UserEvent { user: "ada".parse().expect("a name"), push: Push::Hb { latest } };
    let start = store.publish(&news(1), 100, *T0).await.expect("the store answers");
    let foreign = r#"{"user":"ada","push":{"type":"of_tomorrow","data":{}}}"#;
    let added: String = cmd("XADD")
        .arg("push:{news}")
        .arg("*")
        .arg("news")
        .arg(foreign)
        .query(&mut server.aside())
        .expect("Redis answers");
    let last = store.publish(&news(2), 100, *T0).await.expect("the store answers");
    let since = store.events_since(start, 10).await.expect("the store answers");
    assert_eq!(since, Since::UserEvent(vec![(added.parse().expect("a place"), None), (last, Some(news(2)))]));
}

#[tokio::test]
async fn what_is_ended_leaves_nothing_behind_but_why() {
    let server = RedisServer::start();
    let store = connect(&server).await;
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
async fn redis_gives_the_memory_of_everything_but_records_back() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert!(issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await);
    begin(&store, new_session(self::handle()), THREE).await;
    store.count("sign_in:ip:192.0.2.1", AMPLE, *T0).await.expect("the store answers");
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
async fn a_spent_nonce_stays_spent_when_redis_comes_back_from_an_older_snapshot() {
    let mut server = RedisServer::start();
    let store = connect(&server).await;
    let elsewhere = connect(&server).await;
    let [spent, unspent] = nonces();
    let handle = handle();
    bound_now(&store, handle, &[spent, unspent]).await;
    save(&server);
    assert!(passes(&store, handle, spent, now()).await);
    server.kill();
    server.restart();

    // The replay may be the first thing that either server hears of the restart, and may come a thousand times.
    recovered_without_asking_the_script(&store).await;
    for store in [&store, &elsewhere] {
        let answers = at_once(100, |_| {
            let (store, replay) = (store.clone(), request(handle, spent, now()));
            async move { store.authorize_request(replay).await }
        })
        .await;
        assert_eq!(count(&answers, |answer| matches!(answer, Ok(Authorization::Authorized(_)))), 0);
    }
    recovered(&store).await;
    recovered(&elsewhere).await;
    for store in [&store, &elsewhere, &connect(&server).await] {
        for nonce in [spent, unspent] {
            assert_eq!(verdict(store, request(handle, nonce, now())).await, Verdict::BadNonce);
        }
    }

    // The session itself goes on, with fresh nonces.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], now()).await);
    assert!(passes(&elsewhere, handle, fresh, now()).await);
}

/// The same of a nonce that the frame invented: it is no longer known that it was spent.
#[tokio::test]
async fn a_request_for_nonces_is_not_answered_again_when_redis_comes_back_from_an_older_snapshot() {
    let mut server = RedisServer::start();
    let store = connect(&server).await;
    let elsewhere = connect(&server).await;
    let handle = handle();
    bound_now(&store, handle, &[]).await;
    save(&server);
    let kept = asking(handle, nonce(), &[nonce()], now());
    assert_eq!(refilled(&store, kept.clone()).await, NonceIssue::Done);
    server.kill();
    server.restart();

    recovered_without_asking_the_script(&store).await;
    // Who hears of the restart hears it in the next second: what is signed from then on says that it is younger.
    let second = now() / 1000;
    while store.session(&handle, IDLE, now()).await.is_err() {}
    assert!(now() / 1000 > second);
    recovered(&elsewhere).await;
    for store in [&store, &elsewhere, &connect(&server).await] {
        assert_eq!(refilled(store, kept.clone()).await, NonceIssue::TooOld);
    }
    let young = IssueNonces { created: now() / 1000 * 1000, ..asking(handle, nonce(), &[], now()) };
    for store in [&store, &elsewhere] {
        assert_eq!(refilled(store, IssueNonces { spent: nonce(), ..young.clone() }).await, NonceIssue::Done);
    }
}

/// The time of what depends on when a server was started.
pub(super) fn now() -> u64 {
    Clock::system().now()
}

/// Opens a session now, enters and binds it, a moment after the store was started: its nonces would be as old as the store.
pub(super) async fn bound_now(store: &SharedStore, handle: SessionHandle, nonces: &[Nonce]) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (opened, session) = (now(), new_session(handle));
    let lengths = (session.enter_by - session.created, session.expires - session.created);
    let session = NewSession { created: opened, enter_by: opened + lengths.0, expires: opened + lengths.1, ..session };
    begin(store, session, THREE).await;
    enter_and_bind(store, handle, nonces, opened).await;
}

/// `read` is no script, so it does not notice the restart by itself.
pub(super) async fn recovered_without_asking_the_script(store: &SharedStore) {
    let key = RecordKey("none".to_owned());
    while store.read(std::slice::from_ref(&key)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What takes a failed Redis's place must not know the script, or the store would not notice.
#[tokio::test]
async fn a_replica_has_the_data_and_not_the_script() {
    let (server, replica) = (RedisServer::start(), RedisServer::start());
    cmd("REPLICAOF").arg("127.0.0.1").arg(server.port()).exec(&mut replica.aside()).expect("Redis obeys");
    let info = |server: &RedisServer, section: &str| {
        cmd("INFO").arg(section).query::<String>(&mut server.aside()).expect("Redis answers")
    };
    while !info(&replica, "replication").contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = connect(&server).await;
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
async fn a_dead_redis_is_an_error_and_the_store_recovers_by_itself() {
    let mut server = RedisServer::start();
    let store = connect(&server).await;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    save(&server);
    server.kill();
    for _ in 0..3 {
        let began = Instant::now();
        assert!(store.authorize_request(request(handle, one, *T0)).await.is_err());
        assert!(store.session(&handle, IDLE, *T0).await.is_err());
        assert!(store.end(&handle, &user(), Ended::Revoked, *T0).await.is_err());
        assert!(store.read(&[RecordKey("none".to_owned())]).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(9), "four verbs took {:?}", began.elapsed());
    }
    server.restart();
    let took = recovered(&store).await;
    assert!(took < Duration::from_secs(5), "recovering took {took:?}");
    assert!(lives(&store, handle, *T0).await);
}

#[tokio::test]
async fn a_hanging_redis_is_an_error_within_two_seconds() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &server.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    };
    signal("-STOP");
    let began = Instant::now();
    let answers = at_once(20, |_| {
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
async fn a_redis_that_is_not_there_is_an_error_at_once() {
    let mut server = RedisServer::start();
    server.kill();
    let began = Instant::now();
    assert!(RedisStore::connect(&server.settings()).await.is_err());
    assert!(began.elapsed() < Duration::from_millis(2300));
}

/// Attack 21: a full Redis changes nothing, half of nothing included, but still ends sessions.
#[tokio::test]
async fn a_full_redis_refuses_and_spends_nothing() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let [one, other] = nonces();
    let (handle, leaving) = (bound(&store, &[one]).await, bound(&store, &[other]).await);
    let memory = |bytes: &str| {
        cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut server.aside()).expect("Redis obeys");
    };
    memory("1");
    assert!(store.authorize_request(request(handle, one, *T0)).await.is_err());
    assert!(store.end(&leaving, &user(), Ended::Revoked, *T0).await.expect("there is room for less"));
    memory("0");
    assert!(passes(&store, handle, one, *T0).await);
    assert!(!lives(&store, leaving, *T0).await);
}
