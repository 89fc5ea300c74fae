//! Every text encoding of the wire format: an accepted text is the encoding of its value, and no text causes a panic.

#![no_main]

use std::{fmt::Display, str::FromStr};

use actions::{CATALOGUE, SUMMARIES};
use libfuzzer_sys::fuzz_target;
use protocol::{
    built_in::push,
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

fn has_one_encoding<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fuzz_target!(|bytes: &[u8]| {
    for entry in CATALOGUE.entries() {
        if let Ok(action) = entry.parse(bytes) {
            assert_eq!(SUMMARIES.of(entry.path, &*action).is_some(), !entry.is_in(push::ACTIONS));
        }
    }
    let _ = json::read::<ToFrame>(bytes);
    let _ = json::read::<ToWindow>(bytes);
    let _ = json::read::<Bind>(bytes);
    let _ = json::read::<SignIn>(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    has_one_encoding::<SignatureInput>(text);
    has_one_encoding::<Signature>(text);
    has_one_encoding::<ContentDigest>(text);
    has_one_encoding::<Nonce>(text);
    has_one_encoding::<SessionHandle>(text);
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
