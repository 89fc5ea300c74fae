//! The endpoints as tower layer and as axum router.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, routing::get};
use dbsc::{Dbsc, DbscLayer, MemoryStore, WellKnown};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use super::browser::{Key, config, headers, offered_challenge, server};

/// One request to each way of serving the endpoints. The path `/other` is the application's.
async fn send(
    server: Arc<Dbsc<MemoryStore>>,
    method: Method,
    path: &str,
    proof: Option<&str>,
) -> [(StatusCode, String); 2] {
    let request = || {
        let mut request = Request::builder().method(&method).uri(path).body(Body::empty()).expect("a request");
        *request.headers_mut() = headers(proof, None);
        request
    };
    let application =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("application"))) });
    let by_layer = DbscLayer::new(Arc::clone(&server)).layer(application).oneshot(request()).await.expect("infallible");
    let application = Router::new().route("/other", get(|| async { "application" }));
    let router = dbsc::axum::router(server).merge(application);
    let by_router = router.oneshot(request()).await.expect("infallible");
    [text(by_layer).await, text(by_router).await]
}

async fn text(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn other_paths_reach_the_application() {
    let expected = (StatusCode::OK, "application".to_owned());
    assert_eq!(send(server(), Method::GET, "/other", None).await, [expected.clone(), expected]);
}

#[tokio::test]
async fn endpoints_are_served() {
    let server = server();
    let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
    let proof = Key::p256(1).registration(&offered, "alice");
    let [(layered, body), (routed, _)] = send(Arc::clone(&server), Method::POST, "/dbsc/register", Some(&proof)).await;
    assert_eq!(layered, StatusCode::OK);
    assert!(body.contains("session_identifier"), "{body}");
    // The second request with the same challenge.
    assert_eq!(routed, StatusCode::BAD_REQUEST);
    for (status, body) in send(server, Method::POST, "/dbsc/refresh", None).await {
        assert_eq!((status, body.as_str()), (StatusCode::BAD_REQUEST, ""));
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    for path in ["/dbsc/register", "/dbsc/refresh"] {
        for (status, _) in send(server(), Method::GET, path, None).await {
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
}

#[tokio::test]
async fn well_known_document_is_served_if_configured() {
    let content = WellKnown { registering_origins: vec!["https://sub.example.com".into()], ..WellKnown::default() };
    let configured = Arc::new(Dbsc::new(config().well_known(content), MemoryStore::default()));
    for (status, body) in send(configured, Method::GET, "/.well-known/device-bound-sessions", None).await {
        assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"registering_origins":["https://sub.example.com"]}"#));
    }
    let [(_, layered), (routed, _)] = send(server(), Method::GET, "/.well-known/device-bound-sessions", None).await;
    assert_eq!((layered.as_str(), routed), ("application", StatusCode::NOT_FOUND));
}
