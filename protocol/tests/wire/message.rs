//! The messages between page, signing frame, confirmation window and server.

use std::collections::HashSet;

use proptest::prelude::*;
use protocol::{
    action::Level,
    key::{Jwk, KeyThumbprint, PublicKey},
    message::{
        Answer, AttestedHeaders, FrameRejection, FrameRequest, FromFrame, FromWindow, KeyStoreState, SignRequest,
        SignedHeaders, ToFrame, ToWindow, WindowLink, WindowRejection,
    },
    problem::{Code, Problem},
    sign_origin::Bind,
    token::{Challenge, Nonce, SessionToken},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    strategies::{self, Damage},
    test,
};

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
}

fn to_sign() -> ToFrame {
    ToFrame {
        id: 7,
        request: FrameRequest::Sign(Box::new(SignRequest {
            session: SessionToken::new([1; 32]).handle(),
            path: "/api/account".to_owned(),
            body: "{}".to_owned(),
            level: Level::Signed,
            nonce: Some(Nonce::new([2; 16])),
            proof: None,
        })),
    }
}

#[test]
fn messages_round_trip() {
    let session = SessionToken::new([1; 32]).handle();
    round_trips(&to_sign());
    round_trips(&ToFrame { id: 1, request: FrameRequest::Agree { session, nonce: Nonce::new([2; 16]), renew: true } });
    round_trips(&ToFrame { id: u32::MAX, request: FrameRequest::Forget { session } });
    round_trips(&FromFrame::Hello(KeyStoreState::Open));
    round_trips(&FromFrame::Hello(KeyStoreState::Closed));
    round_trips(&FromFrame::Nonces { session, nonces: vec![Nonce::new([3; 16])] });
    let agreed = Answer::Agreed { nonces: vec![Nonce::new([3; 16])] };
    round_trips(&FromFrame::Answer { id: 2, answer: Ok(agreed) });
    let lost = FrameRejection::KeyLost { key: KeyThumbprint::new([4; 32]) };
    for rejection in
        [lost, FrameRejection::WindowOnly, FrameRejection::NoKey, FrameRejection::OriginRejected(Code::InvalidSession)]
    {
        round_trips(&FromFrame::Answer { id: 3, answer: Err(rejection) });
    }
}

#[test]
fn window_messages_round_trip() {
    let session = SessionToken::new([1; 32]).handle();
    let request =
        ToWindow { session, path: "/api/transfer".to_owned(), body: "{}".to_owned(), nonce: Some(Nonce::new([2; 16])) };
    round_trips(&request);
    round_trips(&ToWindow { nonce: None, ..request.clone() });
    round_trips(&WindowLink { request, return_path: "/account".to_owned() });
    round_trips(&FromWindow::Shown {});
    let text = || "x".to_owned();
    let headers =
        SignedHeaders { session: text(), proof: text(), digest: text(), signature_input: text(), signature: text() };
    round_trips(&FromWindow::Signed(headers.clone()));
    let attested = AttestedHeaders { passkey: Some(text()), recovery_codes: Some(text()), ..headers.into() };
    assert_eq!(attested.each().len(), 7);
    round_trips(&FromWindow::Attested(attested));
    for rejection in [WindowRejection::Cancelled, WindowRejection::Paused { seconds: 60 }, WindowRejection::NoKey] {
        round_trips(&FromWindow::Rejected(rejection));
    }
    let unknown = r#"{"session":"AAAAAAAAAAAAAAAAAAAAAA","path":"/","body":"","nonce":null,"level":"signed"}"#;
    assert!(serde_json::from_str::<ToWindow>(unknown).is_err());
}

#[test]
fn wire_names_differ_from_rust_names_where_kept() {
    let verify = ToFrame { id: 1, request: FrameRequest::Verify { message: "m".to_owned() } };
    assert_eq!(serde_json::to_string(&verify).unwrap(), r#"{"id":1,"ask":{"hear":{"frame":"m"}}}"#);
    let verified = Answer::Verified { payload: "p".to_owned() };
    assert_eq!(serde_json::to_string(&verified).unwrap(), r#"{"heard":{"payload":"p"}}"#);
    for (rejection, name) in
        [(FrameRejection::WindowOnly, r#""not_here""#), (FrameRejection::KeyStoreClosed, r#""vault_closed""#)]
    {
        assert_eq!(serde_json::to_string(&rejection).unwrap(), name);
    }
    assert_eq!(serde_json::to_string(&WindowRejection::KeyStoreClosed).unwrap(), r#""storage_closed""#);
}

#[test]
fn unknown_frame_request_is_rejected() {
    for json in [
        r#"{"id":1,"ask":{"sign_bytes":{"bytes":"AA"}}}"#,
        r#"{"id":1,"ask":"forget"}"#,
        r#"{"id":1,"ask":{"bind":{}}}"#,
        r#"{"id":1,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA","key":"mine"}}}"#,
        r#"{"id":1,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}},"as":"the frame"}"#,
        r#"{"id":-1,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}}}"#,
        r#"{"id":4294967296,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}}}"#,
        r#"{"id":1,"id":2,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}}}"#,
        r#"{"id":1,"ask":{"forget":{"session":"short"}}}"#,
        r#"{"id":1}"#,
        "null",
    ] {
        assert!(serde_json::from_str::<ToFrame>(json).is_err(), "{json}");
    }
    let forget = r#"{"id":1,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}}}"#;
    assert!(serde_json::from_str::<ToFrame>(forget).is_ok());
}

#[test]
fn only_a_public_p256_key_is_a_jwk() {
    let coordinate = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let good = format!(r#"{{"kty":"EC","crv":"P-256","x":"{coordinate}","y":"{coordinate}"}}"#);
    assert!(serde_json::from_str::<Jwk>(&good).is_ok());
    for (why, json) in [
        ("a private member", good.replacen('}', &format!(r#","d":"{coordinate}"}}"#), 1)),
        ("P-384", good.replacen("P-256", "P-384", 1)),
        ("another type", good.replacen("EC", "RSA", 1)),
        ("an x that is too short", good.replacen(coordinate, &coordinate[1..], 1)),
        ("an x that is too long", good.replacen(coordinate, &format!("{coordinate}A"), 1)),
        ("a padded x", good.replacen(coordinate, &format!("{coordinate}="), 1)),
        ("trailing bits", good.replacen(coordinate, &format!("{}B", &coordinate[1..]), 1)),
        ("no y", good.replacen(&format!(r#","y":"{coordinate}""#), "", 1)),
        ("x twice", good.replacen('}', &format!(r#","x":"{coordinate}"}}"#), 1)),
        ("members that only a private key needs", good.replacen('}', r#","key_ops":["sign"]}"#, 1)),
    ] {
        assert!(serde_json::from_str::<Jwk>(&json).is_err(), "{why}: {json}");
    }
}

#[test]
fn der_signature_is_rejected() {
    let bind = |signature: &str| {
        let challenge = Challenge::new([0; 32]);
        let jwk = serde_json::to_string(&PublicKey::from_sec1(&[4; 65]).unwrap().to_jwk()).unwrap();
        format!(r#"{{"jwk":{jwk},"challenge":"{challenge}","signature":"{signature}"}}"#)
    };
    let base64 = |bytes: &[u8]| {
        use base64ct::{Base64, Encoding};
        format!("pan=:{}:", Base64::encode_string(bytes))
    };
    assert!(serde_json::from_str::<Bind>(&bind(&base64(&[1; 64]))).is_ok());
    let mut der = vec![0x30, 68, 2, 32];
    der.extend([1; 32]);
    der.extend([2, 32]);
    der.extend([1; 32]);
    assert!(serde_json::from_str::<Bind>(&bind(&base64(&der))).is_err());
}

#[test]
fn public_codes_are_few_and_distinct() {
    let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for &code in Code::ALL {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
        assert!((400..=599).contains(&code.status()), "{code:?}");
        assert!(code.title().ends_with('.'), "{code:?} has a sentence as title");
        round_trips(&Problem::from(code));
        round_trips(&Problem { detail: Some("Too short.".to_owned()), ..code.into() });
    }
}

proptest! {
    #[test]
    fn key_round_trips_as_jwk(key in strategies::public_key()) {
        let json = serde_json::to_string(&key.to_jwk()).unwrap();
        prop_assert_eq!(PublicKey::from(&serde_json::from_str::<Jwk>(&json).unwrap()), key);
    }

    #[test]
    fn no_message_panics(text: String, damage in strategies::damage()) {
        for text in [text, Damage::of(&damage, &serde_json::to_string(&to_sign()).unwrap())] {
            let _ = serde_json::from_str::<ToFrame>(&text);
            let _ = serde_json::from_str::<FromFrame>(&text);
            let _ = serde_json::from_str::<Bind>(&text);
            let _ = serde_json::from_str::<Problem>(&text);
        }
    }
}
