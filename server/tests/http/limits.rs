//! How often and how long: nonces, limits, the ends of sessions.

use http::{StatusCode, header};
use protocol::{
    action::Action,
    catalogue::{Nonces, ReadAccount, Rename, SignOut},
    problem::Code,
    token::Nonce,
};
use server::clock::random;

use crate::{
    browser::{Browser, new_key, proof_of},
    house, owner_still_acts, read, rename,
};

#[tokio::test]
async fn a_nonce_passes_once_and_only_in_its_session() {
    let house = house();
    let mut browser = house.browser("ada").await;
    let other = house.browser("bob").await;
    let good = browser.request(&house, &read());
    assert_eq!(house.send(good.build()).await.status, StatusCode::OK);
    assert_eq!(house.send(good.build()).await.code(), Code::UseFreshNonce, "replayed");
    let invented = Nonce::new(random().unwrap());
    for nonce in [other.nonces[0], invented] {
        let signed = browser.sign::<ReadAccount>(house.now() / 1000, nonce, "{}".into(), None);
        assert_eq!(house.send(signed.build()).await.code(), Code::UseFreshNonce);
    }
    owner_still_acts(&house, &mut browser).await;
    house.wait(301_000);
    let expired = browser.request(&house, &read());
    assert_eq!(house.send(expired.build()).await.code(), Code::UseFreshNonce, "expired");
}

#[tokio::test]
async fn nonces_are_given_for_a_signature_and_for_nothing_else() {
    let house = house();
    let mut browser = house.browser("ada").await;
    browser.nonces = vec![Nonce::new(random().unwrap())];
    let invented = browser.nonces[0];
    let reply = browser.call(&house, &Nonces {}).await;
    assert_eq!((reply.status, reply.nonces().len()), (StatusCode::OK, 4));
    owner_still_acts(&house, &mut browser).await;
    let replayed = browser.sign::<Nonces>(house.now() / 1000, invented, "{}".into(), None);
    assert_eq!(house.send(replayed.build()).await.code(), Code::UseFreshNonce, "replayed");
    let thief = Browser { key: new_key(), ..browser.clone() };
    for _ in 0..50 {
        let nonce = Nonce::new(random().unwrap());
        let signed = thief.sign::<Nonces>(house.now() / 1000, nonce, "{}".into(), None);
        assert_eq!(house.send(signed.build()).await.code(), Code::InvalidProof);
    }
    // The thief has used up none of the owner's allowance.
    browser.nonces.push(Nonce::new(random().unwrap()));
    assert_eq!(browser.call(&house, &Nonces {}).await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_are_limited_and_a_thief_cannot_use_up_the_limit() {
    let house = house();
    let mut browser = house.browser("ada").await;
    let thief = browser.clone();
    for _ in 0..100 {
        let nonce = Nonce::new(random().unwrap());
        let body = serde_json::to_string(&rename()).unwrap();
        let signed = thief.sign::<Rename>(
            house.now() / 1000,
            nonce,
            body,
            proof_of::<Rename>(Rename::LEVEL, house.now()).as_ref(),
        );
        assert_eq!(house.send(signed.build()).await.code(), Code::UseFreshNonce);
    }
    for _ in 0..60 {
        assert_eq!(browser.call(&house, &rename()).await.status, StatusCode::OK);
    }
    let reply = browser.call(&house, &rename()).await;
    assert_eq!(reply.code(), Code::RateLimited);
    let wait: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    owner_still_acts(&house, &mut browser).await;
    house.wait(wait * 1000);
    assert_eq!(browser.call(&house, &rename()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_signed_out_session_is_over() {
    let house = house();
    let mut browser = house.browser("ada").await;
    let kept = browser.request(&house, &read());
    let reply = browser.call(&house, &SignOut {}).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(house.send(kept.build()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn sessions_end_when_idle_and_when_old() {
    let house = house();
    let mut idle = house.browser("ada").await;
    house.wait(1_801_000);
    idle.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(idle.call(&house, &Nonces {}).await.code(), Code::InvalidSession);

    let mut busy = house.browser("ada").await;
    for _ in 0..(86_400 / 1_200) {
        house.wait(1_199_000);
        busy.nonces = vec![Nonce::new(random().unwrap())];
        assert_eq!(busy.call(&house, &Nonces {}).await.status, StatusCode::OK);
    }
    house.wait(100_000);
    busy.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(busy.call(&house, &Nonces {}).await.code(), Code::InvalidSession);
}
