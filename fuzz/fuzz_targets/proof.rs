//! Every text form of the wire: what is accepted prints back to the text that it was read from, and nothing panics.

#![no_main]

use std::{fmt::Display, str::FromStr};

use actions::CATALOGUE;
use libfuzzer_sys::fuzz_target;
use protocol::{
    digest::ContentDigest,
    json,
    message::{ToFrame, ToWindow},
    proof,
    push::{Envelope, PayloadHeader},
    return_path,
    sign_origin::{Bind, SignIn},
    signature::{Signature, SignatureInput},
    token::{Nonce, SessionHandle},
};

fn has_one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fuzz_target!(|bytes: &[u8]| {
    for entry in CATALOGUE.entries() {
        let _ = entry.parse(bytes).map(|action| action.summary());
    }
    let _ = json::read::<ToFrame>(bytes);
    let _ = json::read::<ToWindow>(bytes);
    let _ = json::read::<Bind>(bytes);
    let _ = json::read::<SignIn>(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    has_one_spelling::<SignatureInput>(text);
    has_one_spelling::<Signature>(text);
    has_one_spelling::<ContentDigest>(text);
    has_one_spelling::<Nonce>(text);
    has_one_spelling::<SessionHandle>(text);
    let path = return_path::check(text);
    assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'));
    let _ = PayloadHeader::parse(text);
    if let Ok(envelope) = Envelope::parse(text) {
        assert_eq!(envelope.to_string(), text);
    }
    if let Ok(read) = proof::from_header(text) {
        assert_eq!(proof::header(read.as_ref()).as_deref(), Ok(text));
        if let Some(read) = read {
            let _ = server::risk::judge(&read, &server::risk::History::default());
        }
    }
});
