//! The statements that are signed on the sign origin, and the values that are derived there.

use protocol::{
    key::KeyThumbprint,
    sign_origin::{Password, SignIn, bind_statement, enter_statement, sign_in_statement},
    token::{Challenge, EntryTicket, SessionToken, SignSecret},
};

use crate::test;

#[test]
fn statements_differ_by_purpose_and_by_every_part() {
    let (challenge, key) = (Challenge::new([1; 32]), KeyThumbprint::new([2; 32]));
    let session = SessionToken::new([3; 32]).handle();
    let sign_in = sign_in_statement("sign.example", &challenge, &key);
    assert_eq!(sign_in, format!("pan-sign-in/1\nsign.example\n{challenge}\n{key}"));
    assert_eq!(
        bind_statement("sign.example", &challenge, &key),
        format!("pan-bind/1\nsign.example\n{challenge}\n{key}")
    );
    let enter = enter_statement("example", &session, "/account");
    assert_eq!(enter, format!("pan-enter/1\nexample\n{session}\n/account"));
}

/// SHA-256("pan-token" ‖ 0 ‖ 32 zero bytes), computed by another implementation.
#[test]
fn ticket_derives_its_token() {
    let token = EntryTicket::new([0; 32]).token();
    assert_eq!(token.reveal(), "Nh42fedUnWRTNRe5rrku9U99dBphcIR2njUHIxSDPyg");
    assert_ne!(token.handle(), SessionToken::new([0; 32]).handle(), "a ticket is no token");
}

#[test]
fn secrets_are_hashed_with_separate_labels() {
    let secret = SignSecret::new([0; 32]);
    assert_ne!(secret.hashed(), secret.reveal());
    assert_ne!(secret.hashed(), EntryTicket::new([0; 32]).token().reveal());
}

#[test]
fn password_is_not_printed() {
    assert_eq!(format!("{:?}", Password::new("correct horse".to_owned())), "Password(…)");
}

#[test]
fn unknown_sign_in_member_is_rejected() {
    let coordinate = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let signature = format!("pan=:{}==:", "A".repeat(86));
    let good = format!(
        r#"{{"user":"ada","password":"pässwörd","jwk":{{"kty":"EC","crv":"P-256","x":"{coordinate}","y":"{coordinate}"}},"challenge":"{coordinate}","signature":"{signature}"}}"#
    );
    let read: SignIn = protocol::json::read(good.as_bytes()).unwrap();
    assert_eq!((read.user.as_str(), read.password.reveal()), ("ada", "pässwörd"));
    assert_eq!(serde_json::to_string(&read).unwrap(), good);
    for other in [
        good.replacen('}', r#","d":"AA"}"#, 1),
        good.replacen(r#""user":"ada","#, "", 1),
        good.replacen(r#""ada""#, r#"" ada""#, 1),
        good.replacen('{', r#"{"admin":true,"#, 1),
    ] {
        assert!(protocol::json::read::<SignIn>(other.as_bytes()).is_err(), "{other}");
    }
}
