//! Lifetimes of nonces and sessions, and rate limits.

use std::net::SocketAddr;

use crate::test_actions::{ReadNotes, Rename};
use axum::{body::Body, extract::ConnectInfo};
use http::{StatusCode, header};
use protocol::{
    action::Action,
    built_in::{Nonces, SignOut},
    problem::{Code, Problem},
    token::{Challenge, Nonce},
};
use server::random::random;

use crate::{
    app,
    browser::{Browser, Reply, from_frame, new_key, proof_of},
    owner_still_acts, read, rename,
};

#[tokio::test]
async fn nonce_passes_once_in_its_session_only() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let other = app.browser("bob").await;
    let good = browser.request(&app, &read());
    assert_eq!(app.send(good.build()).await.status, StatusCode::OK);
    assert_eq!(app.send(good.build()).await.code(), Code::NonceUsed, "replayed");
    let generated = Nonce::new(random().unwrap());
    for nonce in [other.nonces[0], generated] {
        let signed = browser.sign::<ReadNotes>(app.now() / 1000, nonce, "{}".into(), None);
        assert_eq!(app.send(signed.build()).await.code(), Code::UseFreshNonce);
    }
    owner_still_acts(&app, &mut browser).await;
    app.wait(301_000);
    let expired = browser.request(&app, &read());
    assert_eq!(app.send(expired.build()).await.code(), Code::UseFreshNonce, "expired");
}

#[tokio::test]
async fn nonces_are_issued_for_a_signature_only() {
    let app = app();
    let mut browser = app.browser("ada").await;
    browser.nonces = vec![Nonce::new(random().unwrap())];
    let generated = browser.nonces[0];
    let reply = browser.call(&app, &Nonces {}).await;
    assert_eq!((reply.status, reply.nonces().len()), (StatusCode::OK, 4));
    owner_still_acts(&app, &mut browser).await;
    let replayed = browser.sign::<Nonces>(app.now() / 1000, generated, "{}".into(), None);
    assert_eq!(app.send(replayed.build()).await.code(), Code::NonceUsed, "replayed");
    let thief = Browser { key: new_key(), ..browser.clone() };
    for _ in 0..50 {
        let nonce = Nonce::new(random().unwrap());
        let signed = thief.sign::<Nonces>(app.now() / 1000, nonce, "{}".into(), None);
        assert_eq!(app.send(signed.build()).await.code(), Code::InvalidProof);
    }
    // The thief's requests have not used up the owner's limit.
    browser.nonces.push(Nonce::new(random().unwrap()));
    assert_eq!(browser.call(&app, &Nonces {}).await.status, StatusCode::OK);
}

#[tokio::test]
async fn thief_cannot_use_up_the_change_limit() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let thief = browser.clone();
    for _ in 0..100 {
        let nonce = Nonce::new(random().unwrap());
        let body = serde_json::to_string(&rename()).unwrap();
        let signed =
            thief.sign::<Rename>(app.now() / 1000, nonce, body, proof_of::<Rename>(Rename::LEVEL, app.now()).as_ref());
        assert_eq!(app.send(signed.build()).await.code(), Code::UseFreshNonce);
    }
    for _ in 0..60 {
        assert_eq!(browser.call(&app, &rename()).await.status, StatusCode::OK);
    }
    let reply = browser.call(&app, &rename()).await;
    assert_eq!(reply.code(), Code::RateLimited);
    let wait: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    owner_still_acts(&app, &mut browser).await;
    app.wait(wait * 1000);
    assert_eq!(browser.call(&app, &rename()).await.status, StatusCode::OK);
}

/// Checks that a rejection names its limit. Returns the time to wait, in seconds.
fn limited(reply: &Reply, policy: &str, max: u32) -> u64 {
    assert_eq!((reply.status, reply.code()), (StatusCode::TOO_MANY_REQUESTS, Code::RateLimited));
    let wait = reply.json::<Problem>().retry_after.expect("how long to wait");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(reply.headers[header::RETRY_AFTER], wait.to_string());
    assert_eq!(reply.headers["ratelimit-policy"], format!("\"{policy}\";q={max};w=60"));
    assert_eq!(reply.headers["ratelimit"], format!("\"{policy}\";r=0;t={wait}"));
    wait
}

#[tokio::test]
async fn challenges_and_bindings_are_limited_by_address() {
    let app = app();
    let browser = app.entered("ada").await;
    // The registration has used one challenge.
    app.wait(60_000);
    let challenge = |last: u8| {
        let mut request = from_frame("/challenge").body(Body::from("{}")).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, last], 4000))));
        request
    };
    for _ in 0..60 {
        assert_eq!(app.send(challenge(1)).await.status, StatusCode::OK);
    }
    let wait = limited(&app.send(challenge(1)).await, "challenges", 60);
    assert_eq!(app.send(challenge(2)).await.status, StatusCode::OK, "another address");
    let statement = browser.statement(Challenge::new([7; 32]));
    for _ in 0..60 {
        assert_eq!(browser.send_bind(&app, &statement).await.code(), Code::UseFreshNonce);
    }
    limited(&browser.send_bind(&app, statement).await, "binds", 60);
    app.wait(wait * 1000);
    app.browser("ada").await;
}

#[tokio::test]
async fn cross_site_requests_do_not_count_as_bindings() {
    let app = app();
    for at in 0..70 {
        let (path, name, value) = match at % 4 {
            0 => ("/bind", "origin", "https://evil.example"),
            1 => ("/challenge", "origin", "null"),
            2 => ("/challenge", "sec-fetch-site", "cross-site"),
            _ => ("/bind", "content-type", "text/plain"),
        };
        let mut request = from_frame(path).body(Body::from("{}")).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let expected = if name == "content-type" { Code::Malformed } else { Code::ForbiddenOrigin };
        assert_eq!(app.send(request).await.code(), expected, "{at}");
    }
    let mut silent = from_frame("/bind").body(Body::from("{}")).unwrap();
    silent.headers_mut().remove("sec-fetch-site");
    assert_eq!(app.send(silent).await.code(), Code::ForbiddenOrigin);
    let mut browser = app.browser("ada").await;
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn requests_for_nonces_are_limited() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for more in (0..20).rev() {
        browser.nonces = vec![Nonce::new(random().unwrap())];
        let reply = browser.call(&app, &Nonces {}).await;
        assert_eq!((reply.status, reply.nonces().len()), (StatusCode::OK, 4));
        assert_eq!(reply.headers["ratelimit-policy"], "\"refills\";q=20;w=60");
        assert_eq!(reply.headers["ratelimit"], format!("\"refills\";r={more};t=60"));
    }
    let kept = browser.nonces.clone();
    browser.nonces = vec![Nonce::new(random().unwrap())];
    let reply = browser.call(&app, &Nonces {}).await;
    let wait = limited(&reply, "refills", 20);
    assert!(reply.nonces().is_empty());
    browser.nonces = kept;
    owner_still_acts(&app, &mut browser).await;
    app.wait(wait * 1000);
    browser.issue_nonces(&app).await;
}

#[tokio::test]
async fn signed_out_session_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let kept = browser.request(&app, &read());
    let reply = browser.call(&app, &SignOut {}).await;
    assert_eq!(reply.status, StatusCode::OK);
    let cleared: Vec<_> = reply.headers.get_all(header::SET_COOKIE).iter().map(|set| set.to_str().unwrap()).collect();
    let attributes = "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";
    let clears = [
        format!("__Host-pan{attributes}"),
        format!("__Host-pan{attributes}; Partitioned"),
        format!("__Host-pan-device{attributes}"),
    ];
    assert_eq!(cleared, clears);
    assert_eq!(reply.headers["clear-site-data"], "\"storage\"");
    assert_eq!(app.send(kept.build()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn sessions_end_when_idle_and_when_old() {
    let app = app();
    let mut idle = app.browser("ada").await;
    app.wait(1_801_000);
    idle.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(idle.call(&app, &Nonces {}).await.code(), Code::InvalidSession);

    let mut busy = app.browser("ada").await;
    for _ in 0..(86_400 / 1_200) {
        app.wait(1_199_000);
        busy.issue_nonces(&app).await;
        assert_eq!(busy.call(&app, &read()).await.status, StatusCode::OK);
    }
    app.wait(100_000);
    busy.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(busy.call(&app, &Nonces {}).await.code(), Code::InvalidSession);
}
