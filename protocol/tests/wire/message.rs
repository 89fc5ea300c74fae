//! What page, frame and server say to each other.

use std::collections::HashSet;

use proptest::prelude::*;
use protocol::{
    action::Level,
    key::{Jwk, PublicKey},
    message::{Answer, Ask, Bind, FromFrame, Refusal, ToFrame, ToSign, Vault},
    problem::{Code, Problem},
    token::{Challenge, Nonce, SessionToken},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    any::{self, Damage},
    test,
};

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
}

fn to_sign() -> ToFrame {
    ToFrame {
        id: 7,
        ask: Ask::Sign(Box::new(ToSign {
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
    round_trips(&ToFrame { id: 1, ask: Ask::Bind {} });
    round_trips(&ToFrame { id: u32::MAX, ask: Ask::Forget { session } });
    round_trips(&FromFrame::Hello(Vault::Open));
    round_trips(&FromFrame::Hello(Vault::Closed));
    round_trips(&FromFrame::Sheet { open: true });
    let bound = Answer::Bound { session, nonces: vec![Nonce::new([3; 16])] };
    round_trips(&FromFrame::Answer { id: 2, answer: Ok(bound) });
    for refusal in [Refusal::Cancelled, Refusal::NoKey, Refusal::BindRefused(Code::InvalidSession)] {
        round_trips(&FromFrame::Answer { id: 3, answer: Err(refusal) });
    }
}

#[test]
fn an_unknown_wish_is_refused() {
    for json in [
        r#"{"id":1,"ask":{"sign_bytes":{"bytes":"AA"}}}"#,
        r#"{"id":1,"ask":"bind"}"#,
        r#"{"id":1,"ask":{"bind":{"key":"mine"}}}"#,
        r#"{"id":1,"ask":{"bind":{}},"as":"the frame"}"#,
        r#"{"id":-1,"ask":{"bind":{}}}"#,
        r#"{"id":4294967296,"ask":{"bind":{}}}"#,
        r#"{"id":1,"id":2,"ask":{"bind":{}}}"#,
        r#"{"id":1,"ask":{"bind":{},"bind":{}}}"#,
        r#"{"id":1,"ask":{"forget":{"session":"short"}}}"#,
        r#"{"id":1}"#,
        "null",
    ] {
        assert!(serde_json::from_str::<ToFrame>(json).is_err(), "{json}");
    }
    assert!(serde_json::from_str::<ToFrame>(r#"{"id":1,"ask":{"bind":{}}}"#).is_ok());
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
fn a_der_signature_is_not_read() {
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
        assert!(code.title().ends_with('.'), "{code:?} is told in a sentence");
        round_trips(&Problem::from(code));
    }
}

proptest! {
    #[test]
    fn a_key_is_the_same_as_a_jwk(key in any::public_key()) {
        let json = serde_json::to_string(&key.to_jwk()).unwrap();
        prop_assert_eq!(PublicKey::from(&serde_json::from_str::<Jwk>(&json).unwrap()), key);
    }

    #[test]
    fn no_message_panics(text: String, damage in any::damage()) {
        for text in [text, Damage::of(&damage, &serde_json::to_string(&to_sign()).unwrap())] {
            let _ = serde_json::from_str::<ToFrame>(&text);
            let _ = serde_json::from_str::<FromFrame>(&text);
            let _ = serde_json::from_str::<Bind>(&text);
            let _ = serde_json::from_str::<Problem>(&text);
        }
    }
}
