//! Metrics of store calls, sessions and failing addresses.

use axum::body::Body;
use http::{StatusCode, header};
use protocol::{
    built_in::{RevokeOthers, SignOut},
    problem::Code,
    token::Challenge,
};

use crate::{
    app,
    browser::{Browser, from_frame, new_key},
    read,
};

#[tokio::test]
async fn store_calls_and_sessions_are_counted() {
    let app = app();
    let (mut ada, mut elsewhere) = (app.browser("ada").await, app.browser("ada").await);
    app.entered("bob").await;
    assert_eq!(ada.call(&app, &read()).await.status, StatusCode::OK);
    assert_eq!(elsewhere.call(&app, &RevokeOthers {}).await.json::<usize>(), 1);
    assert_eq!(elsewhere.call(&app, &SignOut {}).await.status, StatusCode::OK);
    let text = app.metrics().await;
    for line in [
        "pan_store_seconds_count{verb=\"admit\"} 3\n",
        "pan_store_seconds_count{verb=\"bind\"} 2\n",
        "pan_store_seconds_bucket{le=\"+Inf\",verb=\"open\"} 3\n",
        "pan_store_errors_total{verb=\"admit\"} 0\n",
        "pan_sessions_opened_total 3\n",
        "pan_sessions_ended_total{why=\"revoked\"} 1\n",
        "pan_sessions_ended_total{why=\"signed_out\"} 1\n",
        "pan_sessions_ended_total{why=\"stolen\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test]
async fn failed_bindings_count_towards_a_failing_address() {
    let app = app();
    let mut browser = app.entered("ada").await;
    let challenge = browser.challenge(&app).await;
    let forged = Browser { key: new_key(), ..browser.clone() }.statement(challenge);
    let forged = protocol::sign_origin::Bind { jwk: browser.statement(challenge).jwk, ..forged };
    let unknown = browser.statement(Challenge::new([7; 32]));
    for _ in 0..5 {
        assert_eq!(browser.send_bind(&app, &forged).await.code(), Code::InvalidProof);
        assert_eq!(browser.send_bind(&app, &unknown).await.code(), Code::UseFreshNonce);
        // A request that another site makes a browser send does not count for its address.
        let mut foreign = from_frame("/bind").header(header::COOKIE, &browser.sign).body(Body::empty()).unwrap();
        foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(app.send(foreign).await.code(), Code::ForbiddenOrigin);
    }
    assert!(app.metrics().await.contains("pan_failing_addresses 0.0\n"));
    assert_eq!(browser.send_bind(&app, &forged).await.code(), Code::InvalidProof);
    assert!(app.metrics().await.contains("pan_failing_addresses 1.0\n"));
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
}
