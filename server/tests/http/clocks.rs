//! Attack 22: the server's clock is hours off, is set back, or is stepped forward. Users can go on or must sign in again.
//! An attacker who has kept old requests cannot replay them.

use crate::test_actions::ReadNotes;
use axum::body::Body;
use http::{Request, StatusCode};
use protocol::{built_in::Nonces, problem::Code, sign_origin::Time, token::Nonce};
use server::{audit::Outcome, random::random};

use crate::{
    TestApp, app,
    browser::{Browser, Signed},
    owner_still_acts, read, rename,
};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

fn client_nonce() -> Nonce {
    Nonce::new(random().unwrap())
}

/// A request that is valid at the server's current time.
fn signed_now(app: &TestApp, browser: &mut Browser) -> Signed {
    browser.request(app, &read())
}

/// A request for nonces, with a client-generated nonce.
fn nonce_request(app: &TestApp, browser: &Browser) -> Signed {
    browser.sign::<Nonces>(app.now() / 1000, client_nonce(), "{}".into(), None)
}

/// The server's time as the frame reads it.
async fn server_time(app: &TestApp) -> u64 {
    let request = Request::get("/time").header("host", "sign.pan.localhost:3000").body(Body::empty());
    app.send(request.unwrap()).await.json::<Time>().now
}

#[tokio::test]
async fn attack_22_client_follows_a_wrong_server_clock() {
    for (ahead, behind) in [(3 * HOUR, 0), (0, 3 * HOUR)] {
        let app = app();
        let mut browser = app.browser("ada").await;
        // The device's clock. The frame measures the offset of the server's clock.
        let device = app.now() + behind - ahead;
        let mut sign = |created: u64| {
            let nonce = browser.nonces.pop().unwrap();
            browser.sign::<ReadNotes>(created / 1000, nonce, "{}".into(), None)
        };
        assert_eq!(app.send(sign(device).build()).await.code(), Code::UseFreshNonce);
        assert_eq!(app.send(sign(server_time(&app).await).build()).await.status, StatusCode::OK);
        // The rejected request was signed by the owner's key, so it is no theft signal.
        assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
        owner_still_acts(&app, &mut browser).await;
    }
}

#[tokio::test]
async fn attack_22_clock_set_back_allows_no_replay() {
    for away in [10 * SECOND, 4 * MINUTE, 10 * MINUTE, 25 * MINUTE] {
        let app = app();
        let mut browser = app.browser("ada").await;
        let kept = [signed_now(&app, &mut browser), nonce_request(&app, &browser)];
        for kept in &kept {
            assert_eq!(app.send(kept.build()).await.status, StatusCode::OK);
        }
        app.wait(away);
        browser.issue_nonces(&app).await;
        owner_still_acts(&app, &mut browser).await;
        for kept in &kept {
            assert_eq!(app.send(kept.build()).await.code(), Code::UseFreshNonce);
        }

        // Back to the second in which they were signed: their timestamps are fresh again.
        app.set_back(away);
        for kept in &kept {
            for _ in 0..2 {
                let reply = app.send(kept.build()).await;
                assert!(
                    matches!(reply.code(), Code::UseFreshNonce | Code::NonceUsed | Code::InvalidSession),
                    "{away}: {reply:?}"
                );
                assert!(reply.nonces().is_empty());
            }
        }
        // Later they are rejected too.
        app.wait(20 * SECOND);
        for kept in &kept {
            assert_eq!(app.send(kept.build()).await.code(), Code::UseFreshNonce);
        }
    }
}

#[tokio::test]
async fn attack_22_users_recover_after_clock_set_back() {
    let app = app();
    let mut long = app.browser("long").await;
    for _ in 0..10 {
        app.wait(MINUTE);
        assert_eq!(long.call(&app, &rename()).await.status, StatusCode::OK);
    }
    let mut fresh = app.browser("ada").await;
    owner_still_acts(&app, &mut fresh).await;

    app.set_back(3 * HOUR);
    // Their nonces were issued in the future, so both request new ones. The server has already forgotten some spent nonces
    // of the older session, so it cannot distinguish that session's requests from replays.
    for browser in [&mut long, &mut fresh] {
        assert_eq!(browser.call(&app, &read()).await.code(), Code::UseFreshNonce);
        browser.nonces.clear();
    }
    fresh.issue_nonces(&app).await;
    owner_still_acts(&app, &mut fresh).await;
    long.nonces = vec![client_nonce()];
    assert_eq!(long.call(&app, &Nonces {}).await.code(), Code::InvalidSession, "sign in again");
    assert_eq!(app.browser("long").await.call(&app, &read()).await.body, b"long");
    // None of these requests is a theft signal.
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
}

#[tokio::test]
async fn attack_22_clock_step_forward_voids_old_requests() {
    for (step, lives) in [(10 * SECOND, true), (10 * MINUTE, true), (30 * MINUTE, false), (25 * HOUR, false)] {
        let app = app();
        let mut browser = app.browser("ada").await;
        let kept = [signed_now(&app, &mut browser), nonce_request(&app, &browser)];
        app.wait(step);
        for kept in &kept {
            assert_eq!(app.send(kept.build()).await.code(), Code::UseFreshNonce);
        }
        browser.nonces = vec![client_nonce()];
        let reply = browser.call(&app, &Nonces {}).await;
        if lives {
            assert_eq!(reply.status, StatusCode::OK);
        } else {
            // The step is longer than the idle timeout, so every session has ended.
            assert_eq!(reply.code(), Code::InvalidSession);
            browser = app.browser("ada").await;
        }
        owner_still_acts(&app, &mut browser).await;
        assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
    }
}
