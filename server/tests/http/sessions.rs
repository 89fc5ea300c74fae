//! A user's sessions, and the use of a stolen token (attacks 1 and 18).

use http::{StatusCode, header};
use protocol::{
    built_in::{ReadActivity, ReadSessions, Revoke, RevokeOthers, SignOut},
    problem::{Code, Ended, Problem},
    push::{Cursor, Push, Security},
    token::{Nonce, SessionHandle, SignSecret},
};
use server::{
    audit::{Outcome, UserActivity},
    random::random,
    settings::{OnTheft, Sessions, Settings},
    store::{AtCap, Session, Since, Stores},
};

use crate::{
    TestApp, app,
    browser::{Browser, PASSWORD, Reply, from_app, new_key},
    owner_still_acts, read, rename,
};

async fn listed(app: &TestApp, browser: &mut Browser) -> Vec<(SessionHandle, Session)> {
    let reply = browser.call(app, &ReadSessions {}).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()
}

async fn thefts(app: &TestApp, browser: &mut Browser) -> u64 {
    let handle = browser.handle;
    let sessions = listed(app, browser).await;
    let own = sessions.iter().find(|(other, _)| *other == handle).unwrap();
    own.1.theft.map_or(0, |theft| theft.times)
}

fn ended(reply: &Reply) -> Option<Ended> {
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    reply.json::<Problem>().ended
}

#[tokio::test]
async fn user_lists_and_ends_own_sessions() {
    let app = app();
    let mut first = app.browser("ada").await;
    app.wait(1_000);
    let mut second = app.browser("ada").await;
    let mut bob = app.browser("bob").await;
    let handles: Vec<_> = listed(&app, &mut first).await.into_iter().map(|(handle, _)| handle).collect();
    assert_eq!(handles, [second.handle, first.handle]);

    let of_bob = Revoke { session: bob.handle };
    assert!(!first.call(&app, &of_bob).await.json::<bool>(), "another user's session cannot be ended");
    owner_of(&app, &mut bob, "bob").await;

    let reply = first.call(&app, &Revoke { session: second.handle }).await;
    assert!(reply.json::<bool>());
    assert_eq!(ended(&second.call(&app, &read()).await), Some(Ended::Revoked));

    let mut third = app.browser("ada").await;
    assert_eq!(third.call(&app, &RevokeOthers {}).await.json::<usize>(), 1);
    assert_eq!(ended(&first.call(&app, &read()).await), Some(Ended::Revoked));
    owner_still_acts(&app, &mut third).await;
}

async fn owner_of(app: &TestApp, browser: &mut Browser, user: &str) {
    assert_eq!(browser.call(app, &read()).await.body, user.as_bytes());
}

#[tokio::test]
async fn revoking_needs_confirmation() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let nonce = browser.nonces.pop().unwrap();
    let signed = browser.sign::<RevokeOthers>(app.now() / 1000, nonce, "{}".into(), None);
    assert_eq!(app.send(signed.build()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn fourth_sign_in_ends_the_first_or_is_rejected() {
    let app = app();
    let mut browsers = Vec::new();
    for _ in 0..4 {
        browsers.push(app.browser("ada").await);
        app.wait(1_000);
    }
    assert_eq!(ended(&browsers[0].call(&app, &read()).await), Some(Ended::Replaced));
    for browser in &mut browsers[1..] {
        owner_still_acts(&app, browser).await;
    }

    let sessions = Sessions { max: 1, at_cap: AtCap::RejectNew, ..Sessions::default() };
    let app = TestApp::with(Stores::memory(), Settings { sessions, ..Settings::default() });
    let mut first = app.browser("ada").await;
    let rejected = Browser::new().post(&app, "/sign-in", "ada", PASSWORD).await;
    assert_eq!((rejected.status, rejected.code()), (StatusCode::CONFLICT, Code::TooManySessions));
    owner_still_acts(&app, &mut first).await;
    first.call(&app, &SignOut {}).await;
    app.browser("ada").await;
}

#[tokio::test]
async fn attack_14_sign_in_replaces_only_own_session() {
    let app = app();
    let (mut ada, mut eve) = (app.browser("ada").await, app.browser("eve").await);
    // Eve's cookies are planted in Ada's browser. Or Eve has stolen Ada's cookies and signs in as herself with them.
    for (user, planted) in [("ada", eve.clone()), ("eve", ada.clone())] {
        let mut browser = Browser { confirmation: new_key(), ..planted };
        assert_eq!(browser.post(&app, "/sign-in", user, PASSWORD).await.status, StatusCode::OK);
        assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
        assert!(browser.handle != ada.handle && browser.handle != eve.handle);
        assert!(browser.session != ada.session && browser.session != eve.session);
        owner_of(&app, &mut ada, "ada").await;
        owner_of(&app, &mut eve, "eve").await;
    }
    // A cookie without the session's secret does not end the session.
    let sign = format!("__Host-pan-sign={}.{}", ada.handle, SignSecret::new([7; 32]).reveal());
    let mut forged = Browser { sign, ..Browser::new() };
    assert_eq!(forged.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    owner_of(&app, &mut ada, "ada").await;
    app.wait(60_000);
    // Either of the two cookies is enough to end the browser's previous session.
    let mut other = app.browser("ada").await;
    let by_sign = Browser { session: String::new(), ..ada.clone() };
    let by_session = Browser { sign: String::new(), ..other.clone() };
    for (old, mut browser) in [(&mut ada, by_sign), (&mut other, by_session)] {
        assert_eq!(browser.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
        assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
        assert_eq!(ended(&old.call(&app, &read()).await), Some(Ended::SignedOut));
    }
    owner_of(&app, &mut eve, "eve").await;
}

#[tokio::test]
async fn token_without_key_is_a_theft_signal() {
    let app = app();
    let mut browser = app.browser("ada").await;
    // The stolen cookie contains no nonce.
    let mut thief = Browser { key: new_key(), nonces: vec![Nonce::new(random().unwrap())], ..browser.clone() };
    let good = browser.request(&app, &rename());
    let own_key = thief.request(&app, &rename());
    let presented = [
        (
            "no signature at all",
            from_app("/api/notes").header(header::COOKIE, &browser.session).body("{}".into()).unwrap(),
        ),
        ("another key", own_key.build()),
        (
            "a signature of another request",
            own_key.clone().with("signature", good.headers["signature"].to_str().unwrap()).build(),
        ),
        ("no origin", {
            let mut request = own_key.build();
            request.headers_mut().remove(header::ORIGIN);
            request
        }),
        ("a form's content type", own_key.clone().with("content-type", "text/plain").build()),
    ];
    let count = presented.len() as u64;
    for (how, request) in presented {
        let before = thefts(&app, &mut browser).await;
        assert!(app.send(request).await.status.is_client_error(), "{how}");
        assert_eq!(thefts(&app, &mut browser).await, before + 1, "{how}");
    }
    assert_eq!(app.send(good.build()).await.status, StatusCode::OK, "the owner's nonce is not spent");
    assert_eq!(app.logged("theft", Outcome::Noticed).await, count);
}

/// A thief with one token cannot flood the log, the event log and the owner's pages.
#[tokio::test]
async fn repeated_theft_is_counted_but_reported_rarely() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for _ in 0..20 {
        let request = from_app("/api/notes").header(header::COOKIE, &browser.session).body("{}".into()).unwrap();
        assert_eq!(app.send(request).await.code(), Code::InvalidSession);
    }
    assert_eq!(thefts(&app, &mut browser).await, 20);
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 20);
    let published = app.server.stores().event_log.since(Cursor::default(), 100).await.unwrap();
    let Since::Events(events) = published else { panic!("{published:?}") };
    let reports = events.into_iter().filter_map(|(_, event)| match event?.push {
        Push::Security(Security::Theft { session, times }) => Some((session, times)),
        _ => None,
    });
    assert_eq!(reports.collect::<Vec<_>>(), [1, 2, 4, 8, 16].map(|times| (browser.handle, times)));
}

#[tokio::test]
async fn ending_others_ends_unentered_sign_in() {
    let app = app();
    let mut owner = app.browser("ada").await;
    let (mut thief, mut bob) = (app.signed_in("ada").await, app.signed_in("bob").await);
    assert_eq!(owner.call(&app, &RevokeOthers {}).await.json::<usize>(), 1);
    assert_eq!(thief.enter(&app).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(thief.bind(&app).await.code(), Code::InvalidSession);
    assert_eq!(bob.enter(&app).await.status, StatusCode::SEE_OTHER, "sessions of other users go on");
    owner_still_acts(&app, &mut owner).await;
}

#[tokio::test]
async fn harmless_failure_is_no_theft_signal() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let mut sibling = browser.request(&app, &read());
    sibling.headers.insert("origin", "http://evil.pan.localhost:3000".parse().unwrap());
    let crossed = browser.request(&app, &read()).with("sec-fetch-site", "same-site");
    let retried = browser.request(&app, &read());
    assert_eq!(app.send(retried.build()).await.status, StatusCode::OK);
    let mut elsewhere = app.browser("ada").await;
    let other_tab = Browser { session: elsewhere.session.clone(), ..browser.clone() }.request(&app, &read());
    let late = browser.request(&app, &read());
    app.wait(400_000);
    let requests = [
        ("another origin's request", sibling.build()),
        ("another site's request", crossed.build()),
        ("a repeated request", retried.build()),
        ("a request from before the device slept", late.build()),
        ("a page of the session before", other_tab.build()),
        (
            "a cookie alone, on a page",
            http::Request::get("/account")
                .header(header::HOST, "pan.localhost:3000")
                .header(header::COOKIE, &browser.session)
                .body(axum::body::Body::empty())
                .unwrap(),
        ),
    ];
    for (what, request) in requests {
        app.send(request).await;
        browser.issue_nonces(&app).await;
        elsewhere.issue_nonces(&app).await;
        assert_eq!(thefts(&app, &mut browser).await, 0, "{what}");
        assert_eq!(thefts(&app, &mut elsewhere).await, 0, "{what}");
    }
}

#[tokio::test]
async fn theft_ends_the_session_if_configured() {
    let sessions = Sessions { on_theft: OnTheft::End, ..Sessions::default() };
    let app = TestApp::with(Stores::memory(), Settings { sessions, ..Settings::default() });
    let mut browser = app.browser("ada").await;
    let thief = Browser { key: new_key(), ..browser.clone() };
    app.send(thief.clone().request(&app, &read()).build()).await;
    assert_eq!(ended(&browser.call(&app, &read()).await), Some(Ended::Stolen));
}

#[tokio::test]
async fn user_reads_own_activity_only() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut bob = app.browser("bob").await;
    assert_eq!(ada.call(&app, &rename()).await.status, StatusCode::OK);
    assert_eq!(bob.call(&app, &read()).await.status, StatusCode::OK);
    app.server.flush().await;
    let UserActivity { entries: body, repeated } = ada.call(&app, &ReadActivity {}).await.json();
    assert_eq!(repeated, []);
    let actions: Vec<&str> = body.iter().map(|body| &*body.event.action).collect();
    assert_eq!(actions, ["title", "bind", "enter", "register"], "newest first, without this request");
    assert!(body.iter().all(|body| body.event.user.as_ref().is_some_and(|user| user.as_str() == "ada")));
}
