//! What operators see: the store's answers, sessions, and addresses that fail.

use axum::body::Body;
use http::{StatusCode, header};
use protocol::{
    catalogue::{RevokeOthers, SignOut},
    problem::Code,
    token::Challenge,
};

use crate::{
    browser::{Browser, from_frame, new_key},
    house, read,
};

#[tokio::test]
async fn the_stores_answers_and_the_sessions_are_counted() {
    let house = house();
    let (mut ada, mut elsewhere) = (house.browser("ada").await, house.browser("ada").await);
    house.entered("bob").await;
    assert_eq!(ada.call(&house, &read()).await.status, StatusCode::OK);
    assert_eq!(elsewhere.call(&house, &RevokeOthers {}).await.json::<usize>(), 1);
    assert_eq!(elsewhere.call(&house, &SignOut {}).await.status, StatusCode::OK);
    let text = house.metrics().await;
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
    let house = house();
    let mut browser = house.entered("ada").await;
    let challenge = browser.challenge(&house).await;
    let forged = Browser { key: new_key(), ..browser.clone() }.statement(challenge);
    let forged = protocol::sign_origin::Bind { jwk: browser.statement(challenge).jwk, ..forged };
    let unknown = browser.statement(Challenge::new([7; 32]));
    for _ in 0..5 {
        assert_eq!(browser.send_bind(&house, &forged).await.code(), Code::InvalidProof);
        assert_eq!(browser.send_bind(&house, &unknown).await.code(), Code::UseFreshNonce);
        // What another site makes a browser send is no attempt of its address.
        let mut foreign = from_frame("/bind").header(header::COOKIE, &browser.sign).body(Body::empty()).unwrap();
        foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(house.send(foreign).await.code(), Code::ForbiddenOrigin);
    }
    assert!(house.metrics().await.contains("pan_failing_addresses 0.0\n"));
    assert_eq!(browser.send_bind(&house, &forged).await.code(), Code::InvalidProof);
    assert!(house.metrics().await.contains("pan_failing_addresses 1.0\n"));
    assert_eq!(browser.bind(&house).await.status, StatusCode::OK);
}
