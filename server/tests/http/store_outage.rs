//! Attack 21: the store is down, slow, full, or returns empty. Meanwhile every request is rejected, afterwards none can be
//! replayed, and the server recovers without a restart.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::StatusCode;
use protocol::{
    built_in::Nonces,
    problem::Code,
    token::{Challenge, Nonce},
};
use redis::cmd;
use server::{random::random, settings::RedisSettings, store::redis::RedisStore};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::ServiceExt;

use crate::{
    TestApp,
    browser::{Browser, PASSWORD, Reply, encoded, enter_form, from_frame},
    order, read,
    redis_server::RedisServer,
    rename,
};

async fn app(server: &RedisServer) -> TestApp {
    TestApp::new(RedisStore::connect(&server.settings()).await.unwrap().into())
}

/// Checks that every request that needs the store is rejected as unavailable.
async fn assert_unavailable(app: &TestApp, browser: &mut Browser) {
    let issue_nonces =
        Browser { nonces: vec![Nonce::new(random().unwrap())], ..browser.clone() }.call(app, &Nonces {}).await;
    let challenge = Challenge::new([7; 32]);
    let credentials = serde_json::to_vec(&browser.credentials(challenge, "ada", PASSWORD)).unwrap();
    let entering = app.send(enter_form(encoded(&browser.form("/account")))).await;
    assert_eq!((entering.status, entering.cookies().len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    let replies = [
        browser.call(app, &read()).await,
        browser.call(app, &rename()).await,
        browser.call(app, &order()).await,
        issue_nonces,
        app.send(from_frame("/challenge").body(Body::from("{}")).unwrap()).await,
        browser.send_bind(app, browser.statement(challenge)).await,
        app.send(from_frame("/sign-in").body(credentials.into()).unwrap()).await,
    ];
    for reply in &replies {
        assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable));
        assert!(reply.nonces().is_empty());
    }
}

/// Sends a request until the store answers. Returns the first reply that is not "unavailable".
async fn answered(app: &TestApp, request: impl Fn() -> http::Request<Body>) -> Reply {
    for _ in 0..500 {
        let reply = app.send(request()).await;
        if reply.status != StatusCode::SERVICE_UNAVAILABLE {
            return reply;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the store does not recover");
}

#[tokio::test]
async fn store_down_rejects_requests_then_recovers() {
    let mut server = RedisServer::start();
    let app = app(&server).await;
    let mut browser = app.browser("ada").await;
    browser.issue_nonces(&app).await;
    let spent = browser.request(&app, &read());
    assert_eq!(app.send(spent.build()).await.status, StatusCode::OK);
    browser.issue_nonces(&app).await;
    cmd("SAVE").exec(&mut server.aside()).unwrap();

    server.kill();
    assert_unavailable(&app, &mut browser).await;

    // It returns with its snapshot: the session is live, and no nonce is valid.
    server.restart();
    assert_eq!(answered(&app, || spent.build()).await.code(), Code::NonceUsed);
    browser.issue_nonces(&app).await;
    assert_eq!(browser.call(&app, &read()).await.status, StatusCode::OK);
    assert_eq!(app.send(spent.build()).await.code(), Code::NonceUsed);
}

#[tokio::test]
async fn empty_store_after_restart_has_no_sessions() {
    let mut server = RedisServer::start();
    let app = app(&server).await;
    let mut browser = app.browser("ada").await;
    let kept = browser.request(&app, &order());
    server.kill();
    server.restart();
    assert_eq!(answered(&app, || kept.build()).await.code(), Code::InvalidSession);
    let mut again = app.browser("ada").await;
    assert_eq!(again.call(&app, &read()).await.status, StatusCode::OK);
    assert_eq!(app.send(kept.build()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn hanging_store_executes_late_request_once() {
    let server = RedisServer::start();
    let app = app(&server).await;
    let mut browser = app.browser("ada").await;
    let late = browser.request(&app, &read());
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    assert_eq!(app.send(late.build()).await.code(), Code::Unavailable);
    signal("-CONT");
    // Redis may have executed the command. The client received an error and retries: at most one retry is accepted.
    let reply = answered(&app, || late.build()).await;
    let passed = usize::from(reply.status == StatusCode::OK);
    assert!(passed == 1 || reply.code() == Code::NonceUsed);
    assert_eq!(app.send(late.build()).await.code(), Code::NonceUsed);
    browser.issue_nonces(&app).await;
    assert_eq!(browser.call(&app, &read()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn full_store_rejects_and_spends_nothing() {
    let server = RedisServer::start();
    let app = app(&server).await;
    let mut browser = app.browser("ada").await;
    let waiting = browser.request(&app, &read());
    // A Redis that evicts nothing rejects commands that need memory.
    let memory = |bytes: &str| {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).arg("maxmemory-policy").arg("noeviction");
        set.exec(&mut server.aside()).unwrap();
    };
    memory("1");
    assert_eq!(app.send(waiting.build()).await.code(), Code::Unavailable);
    let mut other = browser.clone();
    other.nonces.truncate(3);
    assert_unavailable(&app, &mut other).await;
    memory("0");
    assert_eq!(app.send(waiting.build()).await.status, StatusCode::OK);
    assert_eq!(app.send(waiting.build()).await.code(), Code::NonceUsed);
    assert_eq!(browser.call(&app, &read()).await.status, StatusCode::OK, "a nonce that was refused is still good");
}

/// Case 19: a name that leads to another Redis after a failover, while the old connection stays open.
struct Failover {
    port: u16,
    target: Arc<AtomicU16>,
}

impl Failover {
    async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(target));
        let current = target.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = current.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { port, target }
    }
}

#[tokio::test]
async fn old_primary_that_became_a_replica_is_left() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let replicate = |from: &RedisServer, to: &RedisServer| {
        cmd("REPLICAOF").arg("127.0.0.1").arg(from.port()).exec(&mut to.aside()).unwrap();
    };
    replicate(&old, &new);
    let failover = Failover::start(old.port()).await;
    let settings = RedisSettings::at(&format!("redis://127.0.0.1:{}", failover.port)).unwrap();
    let app = TestApp::new(RedisStore::connect(&settings).await.unwrap().into());
    let mut browser = app.browser("ada").await;
    let ready = async || {
        let request = http::Request::get("/readyz").body(Body::empty()).unwrap();
        app.server.observer().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ready().await, StatusCode::OK);
    let keys = |server: &RedisServer| cmd("DBSIZE").query::<u32>(&mut server.aside()).unwrap();
    while keys(&new) < keys(&old) {
        sleep(Duration::from_millis(20)).await;
    }

    cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut new.aside()).unwrap();
    failover.target.store(new.port(), Ordering::SeqCst);
    replicate(&new, &old);
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE, "the old connection leads to a replica");

    let mut status = ready().await;
    for _ in 0..250 {
        if status == StatusCode::OK {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        status = ready().await;
    }
    assert_eq!(status, StatusCode::OK, "it connects again by itself");
    browser.issue_nonces(&app).await;
    assert_eq!(browser.call(&app, &read()).await.status, StatusCode::OK);
    assert_eq!(browser.call(&app, &order()).await.status, StatusCode::OK);
}
