//! Attack 21: the store is down, slow, full, or comes back empty. Nothing is let through meanwhile, nothing can be
//! replayed afterwards, and everything works again by itself.

use std::{process::Command, sync::Arc, time::Duration};

use axum::body::Body;
use http::StatusCode;
use protocol::{
    catalogue::Nonces,
    problem::Code,
    token::{Challenge, Nonce},
};
use redis::cmd;
use server::{clock::random, store::redis::RedisStore};
use tokio::time::sleep;

use crate::{
    House,
    browser::{Browser, PASSWORD, Reply, encoded, enter_form, from_frame},
    read,
    redis_server::RedisServer,
    rename, transfer,
};

async fn house(server: &RedisServer) -> House {
    House::new(Arc::new(RedisStore::connect(&server.settings()).await.unwrap()))
}

/// That everything that needs the store says so, and that none of it is done.
async fn nothing_works(house: &House, browser: &mut Browser) {
    let refill =
        Browser { nonces: vec![Nonce::new(random().unwrap())], ..browser.clone() }.call(house, &Nonces {}).await;
    let challenge = Challenge::new([7; 32]);
    let credentials = serde_json::to_vec(&browser.credentials(challenge, "ada", PASSWORD)).unwrap();
    let entering = house.send(enter_form(encoded(&browser.form("/account")))).await;
    assert_eq!((entering.status, entering.cookies().len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    let replies = [
        browser.call(house, &read()).await,
        browser.call(house, &rename()).await,
        browser.call(house, &transfer()).await,
        refill,
        house.send(from_frame("/challenge").body(Body::from("{}")).unwrap()).await,
        browser.send_bind(house, browser.statement(challenge)).await,
        house.send(from_frame("/sign-in").body(credentials.into()).unwrap()).await,
    ];
    for reply in &replies {
        assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable));
        assert!(reply.nonces().is_empty());
    }
}

/// Sends a request until the store answers. Gives the first other reply.
async fn answered(house: &House, request: impl Fn() -> http::Request<Body>) -> Reply {
    for _ in 0..500 {
        let reply = house.send(request()).await;
        if reply.status != StatusCode::SERVICE_UNAVAILABLE {
            return reply;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the store does not recover");
}

#[tokio::test]
async fn a_store_that_is_down_lets_nothing_through_and_recovers_alone() {
    let mut server = RedisServer::start();
    let house = house(&server).await;
    let mut browser = house.browser("ada").await;
    browser.refill(&house).await;
    let spent = browser.request(&house, &read());
    assert_eq!(house.send(spent.build()).await.status, StatusCode::OK);
    browser.refill(&house).await;
    cmd("SAVE").exec(&mut server.aside()).unwrap();

    server.kill();
    nothing_works(&house, &mut browser).await;

    // It comes back with what it had saved: the session, and no nonce that is still good.
    server.restart();
    assert_eq!(answered(&house, || spent.build()).await.code(), Code::UseFreshNonce);
    browser.refill(&house).await;
    assert_eq!(browser.call(&house, &read()).await.status, StatusCode::OK);
    assert_eq!(house.send(spent.build()).await.code(), Code::UseFreshNonce);
}

#[tokio::test]
async fn a_store_that_comes_back_empty_knows_nobody() {
    let mut server = RedisServer::start();
    let house = house(&server).await;
    let mut browser = house.browser("ada").await;
    let kept = browser.request(&house, &transfer());
    server.kill();
    server.restart();
    assert_eq!(answered(&house, || kept.build()).await.code(), Code::InvalidSession);
    let mut again = house.browser("ada").await;
    assert_eq!(again.call(&house, &read()).await.status, StatusCode::OK);
    assert_eq!(house.send(kept.build()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn a_store_that_hangs_is_away_and_what_it_did_late_counts_once() {
    let server = RedisServer::start();
    let house = house(&server).await;
    let mut browser = house.browser("ada").await;
    let late = browser.request(&house, &read());
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    assert_eq!(house.send(late.build()).await.code(), Code::Unavailable);
    signal("-CONT");
    // Redis may have done it after all. The client was told that it was not done: at most one more try passes.
    let reply = answered(&house, || late.build()).await;
    let passed = usize::from(reply.status == StatusCode::OK);
    assert!(passed == 1 || reply.code() == Code::UseFreshNonce);
    assert_eq!(house.send(late.build()).await.code(), Code::UseFreshNonce);
    browser.refill(&house).await;
    assert_eq!(browser.call(&house, &read()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_is_full_lets_nothing_through_and_spends_nothing() {
    let server = RedisServer::start();
    let house = house(&server).await;
    let mut browser = house.browser("ada").await;
    let waiting = browser.request(&house, &read());
    // What evicts nothing refuses what needs memory.
    let memory = |bytes: &str| {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).arg("maxmemory-policy").arg("noeviction");
        set.exec(&mut server.aside()).unwrap();
    };
    memory("1");
    assert_eq!(house.send(waiting.build()).await.code(), Code::Unavailable);
    let mut other = browser.clone();
    other.nonces.truncate(3);
    nothing_works(&house, &mut other).await;
    memory("0");
    assert_eq!(house.send(waiting.build()).await.status, StatusCode::OK);
    assert_eq!(house.send(waiting.build()).await.code(), Code::UseFreshNonce);
    assert_eq!(browser.call(&house, &read()).await.status, StatusCode::OK, "a nonce that was refused is still good");
}
