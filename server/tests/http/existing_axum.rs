//! `examples/existing-axum`: an existing application that protects two routes, one of them gradually.

use existing_axum::{CloseAccount, Rename, functions, router};
use http::{StatusCode, header};
use protocol::problem::Code;
use server::{Functions, StartError, audit::Outcome, settings::Settings, store::Stores};

use crate::{
    TestApp,
    browser::{Browser, Reply, from_app},
    test_actions::CATALOGUE,
};

fn app() -> TestApp {
    TestApp::serving(Stores::memory(), Settings::default(), &functions(), router)
}

async fn unsigned(app: &TestApp, path: &str, cookie: &str) -> Reply {
    app.send(from_app(path).header(header::COOKIE, cookie).body(r#"{"name":"Ada"}"#.into()).unwrap()).await
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

#[tokio::test]
async fn signed_requests_reach_both_handlers() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let renamed = browser.call(&app, &Rename { name: "Ada".into() }).await;
    assert_eq!((renamed.status, text(&renamed)), (StatusCode::OK, "ada is now called Ada"));
    let closed = browser.call(&app, &CloseAccount {}).await;
    assert_eq!((closed.status, text(&closed)), (StatusCode::OK, "ada has closed the account"));
}

#[tokio::test]
async fn observed_path_lets_unsigned_request_through() {
    let app = app();
    let browser = app.browser("ada").await;
    let reply = unsigned(&app, "/api/nickname", &browser.session).await;
    assert_eq!((reply.status, text(&reply)), (StatusCode::OK, "changed without a signature"));
    assert_eq!(app.logged("nickname", Outcome::Noticed).await, 1);
    assert!(app.metrics().await.contains(r#"pan_noticed_total{action="nickname",reason="unsigned"} 1"#));
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0, "an unsigned request is expected here");
    // The other path is already protected.
    assert_eq!(unsigned(&app, "/api/close_account", &browser.session).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn observed_path_needs_a_live_session() {
    let app = app();
    let browser = app.browser("ada").await;
    for cookie in [String::new(), Browser::new().session, format!("__Host-pan={}", "A".repeat(43))] {
        assert_eq!(unsigned(&app, "/api/nickname", &cookie).await.code(), Code::InvalidSession, "{cookie}");
    }
    let elsewhere = from_app("/api/nickname").header(header::COOKIE, &browser.session);
    let mut elsewhere = elsewhere.body(r#"{"name":"Ada"}"#.into()).unwrap();
    elsewhere.headers_mut().insert(header::ORIGIN, "https://example.com".parse().unwrap());
    assert_eq!(app.send(elsewhere).await.code(), Code::ForbiddenOrigin);
}

#[tokio::test]
async fn observed_path_rejects_a_wrong_signature() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let mut signed = browser.request(&app, &Rename { name: "Ada".into() });
    signed.body = r#"{"name":"Eve"}"#.into();
    assert_eq!(app.send(signed.build()).await.code(), Code::InvalidProof);
}

#[tokio::test]
async fn only_own_actions_can_be_observed() {
    let app = crate::app();
    for path in ["/api/revoke", "/api/nonces", "/api/unknown"] {
        let paths: &'static [&'static str] = vec![path].leak();
        let result = app.server.router(axum::Router::new(), &Functions::new(CATALOGUE).observed(paths));
        assert!(matches!(result, Err(StartError::NotObservable(_))), "{path}");
    }
}
