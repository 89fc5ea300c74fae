//! Refreshes: accepted ones, and each reason to reject one.

use std::time::{Duration, SystemTime};

use dbsc::{Dbsc, Error, MemoryStore, Refresh, Rejection, SessionId, header};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::browser::{Key, config, headers, next_challenge, register, server, server_after};

async fn refresh(server: &Dbsc<MemoryStore>, session: &SessionId, proof: &str) -> Result<Refresh, Rejection> {
    match server.refresh(&headers(Some(proof), Some(session))).await {
        Ok(result) => Ok(result),
        Err(Error::Rejected(rejection)) => Err(rejection),
        Err(error) => panic!("{error}"),
    }
}

fn challenged(session: &SessionId, rejection: Rejection) -> Refresh {
    Refresh::Challenged(session.clone(), Some(rejection))
}

#[tokio::test]
async fn refresh_gives_cookie_and_next_challenge() {
    for key in [Key::p256(1), Key::rsa()] {
        let server = server();
        let (session, mut challenge) = register(&server, &key).await;
        for _ in 0..3 {
            let response = server.respond_to_refresh(&headers(Some(&key.refresh(&challenge)), Some(&session))).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(response.headers().contains_key("set-cookie"));
            let instructions: serde_json::Value = serde_json::from_str(response.body()).expect("JSON");
            assert_eq!(instructions["session_identifier"], session.as_str());
            challenge = next_challenge(&response);
        }
    }
}

#[tokio::test]
async fn refresh_without_proof_is_challenged() {
    let (server, key) = (server(), Key::p256(1));
    let (session, _) = register(&server, &key).await;
    let response = server.respond_to_refresh(&headers(None, Some(&session))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(response.headers()[header::CHALLENGE].to_str().expect("ASCII").ends_with(&format!(r#";id="{session}""#)));
    let proof = key.refresh(&next_challenge(&response));
    assert_eq!(refresh(&server, &session, &proof).await, Ok(Refresh::Renewed(session)));
}

#[tokio::test]
async fn challenge_refreshes_once() {
    let (server, key) = (server(), Key::p256(1));
    let (session, challenge) = register(&server, &key).await;
    let proof = key.refresh(&challenge);
    assert_eq!(refresh(&server, &session, &proof).await, Ok(Refresh::Renewed(session.clone())));
    assert_eq!(refresh(&server, &session, &proof).await, Ok(challenged(&session, Rejection::SpentChallenge)));
    let response = server.respond_to_refresh(&headers(Some(&proof), Some(&session))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(response.extensions().get(), Some(&Rejection::SpentChallenge));
}

#[tokio::test]
async fn older_challenge_is_valid_after_a_newer_one() {
    let (server, key) = (server(), Key::p256(1));
    let (session, older) = register(&server, &key).await;
    let newer = next_challenge(&server.respond_to_refresh(&headers(None, Some(&session))).await);
    assert_eq!(refresh(&server, &session, &key.refresh(&newer)).await, Ok(Refresh::Renewed(session.clone())));
    assert_eq!(refresh(&server, &session, &key.refresh(&older)).await, Ok(Refresh::Renewed(session)));
}

#[tokio::test]
async fn challenge_expires_two_minutes_after_the_cookie() {
    let key = Key::p256(1);
    for (clock, expected) in [
        ((|| SystemTime::now() + Duration::from_secs(710)) as fn() -> SystemTime, None),
        (|| SystemTime::now() + Duration::from_secs(730), Some(Rejection::ExpiredChallenge)),
    ] {
        let later = server_after(clock);
        let (session, _) = register(&later, &key).await;
        // The secret is the same, so the challenge that the server issues now is one of the later server's past.
        let challenge = next_challenge(&empty_response(&Dbsc::new(config(), MemoryStore::default()), &session));
        let result = refresh(&later, &session, &key.refresh(&challenge)).await;
        let renewed = Refresh::Renewed(session.clone());
        assert_eq!(result, Ok(expected.map_or(renewed, |rejection| challenged(&session, rejection))));
    }
}

fn empty_response(server: &Dbsc<MemoryStore>, session: &SessionId) -> http::Response<()> {
    http::Response::builder().header(header::CHALLENGE, server.challenge(session)).body(()).expect("a response")
}

#[tokio::test]
async fn challenge_of_another_session_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let (session, _) = register(&server, &key).await;
    let (_, other) = register(&server, &key).await;
    assert_eq!(refresh(&server, &session, &key.refresh(&other)).await, Ok(challenged(&session, Rejection::Challenge)));
}

#[tokio::test]
async fn challenge_of_a_registration_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let (session, _) = register(&server, &key).await;
    let offer = server.offer(session.as_str()).expect("ASCII");
    let proof = key.refresh(&super::browser::offered_challenge(&offer));
    assert_eq!(refresh(&server, &session, &proof).await, Ok(challenged(&session, Rejection::Challenge)));
}

#[tokio::test]
async fn challenge_of_another_server_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let (session, _) = register(&server, &key).await;
    for challenge in ["", "a", "ch", &"A".repeat(75), &"A".repeat(74)] {
        let result = refresh(&server, &session, &key.refresh(challenge)).await;
        assert_eq!(result, Ok(challenged(&session, Rejection::Challenge)), "{challenge}");
    }
}

#[tokio::test]
async fn key_of_another_session_is_rejected() {
    let (server, key, other) = (server(), Key::p256(1), Key::p256(2));
    let (session, challenge) = register(&server, &key).await;
    let (_, _) = register(&server, &other).await;
    assert_eq!(refresh(&server, &session, &other.refresh(&challenge)).await, Err(Rejection::Signature));
    // A rejected proof does not use up the challenge.
    assert_eq!(refresh(&server, &session, &key.refresh(&challenge)).await, Ok(Refresh::Renewed(session)));
}

#[tokio::test]
async fn algorithm_is_that_of_the_registered_key() {
    let (server, rsa) = (server(), Key::rsa());
    let (session, challenge) = register(&server, &Key::p256(1)).await;
    assert_eq!(refresh(&server, &session, &rsa.refresh(&challenge)).await, Err(Rejection::Algorithm));
    let (session, challenge) = register(&server, &rsa).await;
    assert_eq!(refresh(&server, &session, &Key::p256(1).refresh(&challenge)).await, Err(Rejection::Algorithm));
}

#[tokio::test]
async fn key_in_a_refresh_is_rejected() {
    let server = server();
    let (key, other) = (Key::p256(1), Key::p256(2));
    let (session, challenge) = register(&server, &key).await;
    for (signer, jwk) in [(&other, other.jwk()), (&key, key.jwk()), (&key, "null".into())] {
        let header = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{jwk}}}"#);
        let proof = signer.jwt(&header, &format!(r#"{{"jti":"{challenge}"}}"#));
        assert_eq!(refresh(&server, &session, &proof).await, Err(Rejection::UnexpectedKey));
    }
}

#[tokio::test]
async fn other_type_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let (session, challenge) = register(&server, &key).await;
    let proof = key.jwt(r#"{"alg":"ES256","typ":"JWT"}"#, &format!(r#"{{"jti":"{challenge}"}}"#));
    assert_eq!(refresh(&server, &session, &proof).await, Err(Rejection::Type));
}

#[tokio::test]
async fn ended_session_is_told_to_end() {
    let (server, key) = (server(), Key::p256(1));
    let (session, challenge) = register(&server, &key).await;
    server.store().end(&session);
    for proof in [None, Some(key.refresh(&challenge))] {
        let response = server.respond_to_refresh(&headers(proof.as_deref(), Some(&session))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(*response.body(), format!(r#"{{"session_identifier":"{session}","continue":false}}"#));
        assert!(!response.headers().contains_key("set-cookie"));
        assert!(!response.headers().contains_key(header::CHALLENGE));
    }
}

#[tokio::test]
async fn missing_session_identifier_is_rejected() {
    let (server, key) = (server(), Key::p256(1));
    let (_, challenge) = register(&server, &key).await;
    let result = server.refresh(&headers(Some(&key.refresh(&challenge)), None)).await;
    assert!(matches!(result, Err(Error::Rejected(Rejection::MissingHeader("Sec-Secure-Session-Id")))), "{result:?}");
}

#[tokio::test]
async fn cookie_names_its_session_until_it_expires() {
    let (server, key) = (server(), Key::p256(1));
    let (session, _) = register(&server, &key).await;
    let cookie = server.set_cookie(&session);
    let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
    let mut request = HeaderMap::new();
    request.insert("cookie", HeaderValue::from_str(pair).expect("ASCII"));
    assert_eq!(server.session(&request), Some(session.clone()));
    assert_eq!(server_after(|| SystemTime::now() + Duration::from_secs(650)).session(&request), Some(session));
    assert_eq!(server_after(|| SystemTime::now() + Duration::from_secs(670)).session(&request), None);
    let other = HeaderValue::from_str(&pair.replace("__Host-bound", "bound")).expect("ASCII");
    request.insert("cookie", other);
    assert_eq!(server.session(&request), None);
}
