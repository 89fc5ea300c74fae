//! Registrations: challenge, authorization and response.

use std::time::{Duration, SystemTime};

use dbsc::{Algorithm, Dbsc, Error, MemoryStore, Rejection, SessionId, header};

use super::browser::{Key, config, headers, offered_challenge, register, server, server_after};

fn rejection(result: Result<SessionId, Error>) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

fn offer(server: &Dbsc<MemoryStore>) -> String {
    offered_challenge(&server.offer("alice").expect("ASCII"))
}

#[tokio::test]
async fn either_algorithm_registers_a_session() {
    for key in [Key::p256(1), Key::rsa()] {
        let server = server();
        let (session, _) = register(&server, &key).await;
        assert_eq!(server.store().authorization(&session).as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn response_has_instructions_cookie_and_challenge() {
    let server = server();
    let proof = Key::p256(1).registration(&offer(&server), "alice");
    let response = server.respond_to_registration(&headers(Some(&proof), None)).await;
    let body: serde_json::Value = serde_json::from_str(response.body()).expect("JSON");
    assert_eq!(body["refresh_url"], "/dbsc/refresh");
    assert_eq!(body["scope"], serde_json::json!({ "origin": "https://example.com", "include_site": false }));
    let credential = serde_json::json!([
        { "type": "cookie", "name": "__Host-bound", "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax" }
    ]);
    assert_eq!(body["credentials"], credential);
    let header = |name: &str| response.headers()[name].to_str().expect("ASCII").to_owned();
    assert!(header("set-cookie").ends_with("; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cross-origin-resource-policy"), "same-site");
}

#[tokio::test]
async fn quoted_proof_of_the_draft_is_accepted() {
    let server = server();
    let proof = format!("\"{}\";a=1", Key::p256(1).registration(&offer(&server), "alice"));
    assert!(server.register(&headers(Some(&proof), None)).await.is_ok());
}

#[tokio::test]
async fn challenge_registers_once() {
    let server = server();
    let proof = Key::p256(1).registration(&offer(&server), "alice");
    assert!(server.register(&headers(Some(&proof), None)).await.is_ok());
    let other = Key::p256(2).registration(&offer(&server), "alice");
    assert_eq!(rejection(server.register(&headers(Some(&proof), None)).await), Rejection::SpentChallenge);
    assert!(server.register(&headers(Some(&other), None)).await.is_ok());
}

#[tokio::test]
async fn challenge_expires_after_five_minutes() {
    let (server, key) = (server(), Key::p256(1));
    let proof = key.registration(&offer(&server), "alice");
    let earlier = server_after(|| SystemTime::now() + Duration::from_secs(290));
    assert!(earlier.register(&headers(Some(&proof), None)).await.is_ok());
    let later = server_after(|| SystemTime::now() + Duration::from_secs(310));
    assert_eq!(rejection(later.register(&headers(Some(&proof), None)).await), Rejection::ExpiredChallenge);
}

#[tokio::test]
async fn challenge_is_bound_to_its_authorization() {
    let server = server();
    let proof = Key::p256(1).registration(&offer(&server), "bob");
    assert_eq!(rejection(server.register(&headers(Some(&proof), None)).await), Rejection::Challenge);
}

#[tokio::test]
async fn challenge_of_a_refresh_does_not_register() {
    let (server, key) = (server(), Key::p256(1));
    let (session, challenge) = register(&server, &key).await;
    let proof = key.registration(&challenge, session.as_str());
    assert_eq!(rejection(server.register(&headers(Some(&proof), None)).await), Rejection::Challenge);
}

#[tokio::test]
async fn proof_without_authorization_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let header = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, key.jwk());
    let proof = key.jwt(&header, &format!(r#"{{"jti":"{}"}}"#, offer(&server)));
    assert_eq!(rejection(server.register(&headers(Some(&proof), None)).await), Rejection::Authorization);
}

#[tokio::test]
async fn algorithm_that_was_not_offered_is_rejected() {
    let only = |algorithm| config().algorithms(&[algorithm]).expect("one");
    for (config, key) in [(only(Algorithm::Rs256), Key::p256(1)), (only(Algorithm::Es256), Key::rsa())] {
        let server = Dbsc::new(config, MemoryStore::default());
        let proof = key.registration(&offer(&server), "alice");
        assert_eq!(rejection(server.register(&headers(Some(&proof), None)).await), Rejection::Algorithm);
    }
}

#[tokio::test]
async fn missing_proof_is_rejected() {
    let rejected = rejection(server().register(&headers(None, None)).await);
    assert_eq!(rejected, Rejection::MissingHeader("Secure-Session-Response"));
}

#[tokio::test]
async fn two_proofs_are_rejected() {
    let server = server();
    let proof = Key::p256(1).registration(&offer(&server), "alice");
    let mut headers = headers(Some(&proof), None);
    headers.append(header::RESPONSE, headers[header::RESPONSE].clone());
    let rejected = rejection(server.register(&headers).await);
    assert_eq!(rejected, Rejection::MalformedHeader("Secure-Session-Response"));
}

#[test]
fn offer_with_text_that_no_header_can_have_fails() {
    let server = Dbsc::new(config(), MemoryStore::default());
    assert!(server.offer("ä").is_err());
    assert!(server.offer("a\r\nb").is_err());
}
