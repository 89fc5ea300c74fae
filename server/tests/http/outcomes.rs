//! Lost responses: a change is executed once, and its outcome can be asked for (case 1).

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{Router, extract};
use http::StatusCode;
use protocol::{
    built_in::ReadOutcome,
    outcome::{Outcome, Recorded, State},
    problem::Code,
    token::Nonce,
};
use server::{Functions, Verified, extract::ActionRouter, settings::Settings, store::Stores};
use tokio::sync::Notify;

use crate::{
    TestApp, app,
    browser::{Browser, new_key},
    order, read, rename,
    test_actions::{CATALOGUE, Order},
};

async fn outcome(app: &TestApp, browser: &mut Browser, nonce: Nonce) -> Outcome {
    let reply = browser.call(app, &ReadOutcome { nonce }).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()
}

fn answered(status: u16, body: &str) -> Outcome {
    let content_type = "text/plain; charset=utf-8".to_owned();
    Recorded { status, content_type, body: Some(body.to_owned()) }.into()
}

/// A browser with enough nonces for a test.
async fn browser(app: &TestApp) -> Browser {
    let mut browser = app.browser("ada").await;
    browser.issue_nonces(app).await;
    browser
}

#[tokio::test]
async fn repeated_change_is_executed_once() {
    let app = app();
    let mut browser = browser(&app).await;
    for change in [browser.request(&app, &rename()), browser.request(&app, &order())] {
        let nonce = change.nonce();
        assert_eq!(app.send(change.clone().build()).await.status, StatusCode::OK);
        let again = app.send(change.build()).await;
        assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, Code::NonceUsed));
        // Asking twice changes nothing.
        for _ in 0..2 {
            assert_eq!(outcome(&app, &mut browser, nonce).await, answered(200, "ada"));
        }
    }
}

#[tokio::test]
async fn asking_voids_a_change_that_has_not_arrived() {
    let app = app();
    let mut browser = browser(&app).await;
    let late = browser.request(&app, &order());
    let nonce = late.nonce();
    for _ in 0..2 {
        assert_eq!(outcome(&app, &mut browser, nonce).await, Outcome::from(State::Void));
    }
    assert_eq!(app.send(late.build()).await.code(), Code::UseFreshNonce, "it was not executed");
    assert_eq!(outcome(&app, &mut browser, nonce).await, Outcome::from(State::Void));
}

#[tokio::test]
async fn outcome_is_known_to_its_session_only() {
    let app = app();
    let mut ada = browser(&app).await;
    let mut bob = app.browser("bob").await;
    let change = ada.request(&app, &order());
    let nonce = change.nonce();
    assert_eq!(app.send(change.build()).await.status, StatusCode::OK);
    assert_eq!(outcome(&app, &mut bob, nonce).await, Outcome::from(State::Unknown));
    assert_eq!(outcome(&app, &mut ada, Nonce::new([7; 16])).await, Outcome::from(State::Unknown));
    assert_eq!(outcome(&app, &mut ada, nonce).await, answered(200, "ada"));
    app.wait(301_000);
    ada.issue_nonces(&app).await;
    assert_eq!(outcome(&app, &mut ada, nonce).await, Outcome::from(State::Unknown), "after a nonce's lifetime");
}

/// Attack 10: only the holder of the key learns whether a nonce was used.
#[tokio::test]
async fn replay_without_the_key_learns_nothing() {
    let app = app();
    let mut browser = browser(&app).await;
    let change = browser.request(&app, &read());
    let nonce = change.nonce();
    assert_eq!(app.send(change.clone().build()).await.status, StatusCode::OK);
    assert_eq!(app.send(change.build()).await.code(), Code::NonceUsed, "the positive control");
    let mut thief = Browser { key: new_key(), nonces: vec![nonce], ..browser.clone() };
    assert_eq!(thief.call(&app, &read()).await.code(), Code::UseFreshNonce);
    thief.nonces = vec![Nonce::new([7; 16])];
    assert_eq!(thief.call(&app, &read()).await.code(), Code::UseFreshNonce);
}

/// A server whose handler waits until it is let through, and counts.
fn waiting_app() -> (TestApp, Arc<Notify>, Arc<AtomicU32>) {
    let (gate, executed) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let shared = (gate.clone(), executed.clone());
    let app = TestApp::serving(Stores::memory(), Settings::default(), &Functions::new(CATALOGUE), |_| {
        let slow = async |extract::State((gate, executed)): extract::State<(Arc<Notify>, Arc<AtomicU32>)>,
                          _: Verified<Order>| {
            gate.notified().await;
            executed.fetch_add(1, Ordering::SeqCst);
            (StatusCode::IM_A_TEAPOT, "declined")
        };
        Router::new().action(slow).with_state(shared)
    });
    (app, gate, executed)
}

#[tokio::test]
async fn client_that_disconnects_interrupts_no_change() {
    let (app, gate, executed) = waiting_app();
    let mut browser = browser(&app).await;
    let change = browser.request(&app, &order());
    let nonce = change.nonce();
    let mut sending = Box::pin(app.respond(change.build()));
    // The handler has begun; then the connection is gone.
    assert!(futures::poll!(&mut sending).is_pending());
    while outcome(&app, &mut browser, nonce).await != Outcome::from(State::Running) {
        browser.issue_nonces(&app).await;
    }
    drop(sending);
    gate.notify_one();
    while executed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let mut known = outcome(&app, &mut browser, nonce).await;
    while known == Outcome::from(State::Running) {
        known = outcome(&app, &mut browser, nonce).await;
    }
    assert_eq!(known, answered(418, "declined"));
}
