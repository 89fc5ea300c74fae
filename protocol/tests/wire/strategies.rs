//! Strategies for arbitrary values of each type, and for slightly damaged text.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};
use protocol::{
    digest::ContentDigest,
    key::PublicKey,
    proof::{Kind, MAX_PATH, Proof, Recorder},
    push::{ConnectionId, Cursor, KeyId},
    signature::{Signature, SignatureInput},
    token::{EntryTicket, SessionHandle, SessionToken, SignSecret},
    user::{Login, UserName},
};

use crate::test_actions::{Remark, Title};

/// `N` bytes.
pub(crate) fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().unwrap())
}

pub(crate) fn handle() -> impl Strategy<Value = SessionHandle> {
    bytes().prop_map(|random| SessionToken::new(random).handle())
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> {
    bytes::<65>().prop_map(|mut point| {
        point[0] = 4;
        PublicKey::from_sec1(&point).unwrap()
    })
}

pub(crate) fn digest() -> impl Strategy<Value = ContentDigest> {
    any::<Vec<u8>>().prop_map(|body| ContentDigest::of(&body))
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    bytes::<64>().prop_map(|bytes| Signature::from_p1363(&bytes).unwrap())
}

pub(crate) fn signature_input() -> impl Strategy<Value = SignatureInput> {
    (0..=999_999_999_999_999_u64, bytes(), bytes()).prop_map(|(created, nonce, keyid)| {
        SignatureInput::new(created, protocol::token::Nonce::new(nonce), protocol::key::KeyThumbprint::new(keyid))
            .unwrap()
    })
}

pub(crate) fn key_id() -> impl Strategy<Value = KeyId> {
    ("[A-Za-z0-9_-]{1,32}", bytes())
        .prop_map(|(root, random)| KeyId::parse(&format!("{root}.{}", ConnectionId::new(random))).unwrap())
}

pub(crate) fn cursor() -> impl Strategy<Value = Cursor> {
    any::<(u64, u64)>().prop_map(|(ms, n)| Cursor { ms, n })
}

pub(crate) fn user_name() -> impl Strategy<Value = UserName> {
    "[a-z][a-z0-9_-]{2,31}".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn login() -> impl Strategy<Value = Login> {
    vec(any::<char>(), 1..=254).prop_filter_map("blank or control", |text| String::from_iter(text).trim().parse().ok())
}

pub(crate) fn title() -> impl Strategy<Value = Title> {
    vec(any::<char>(), 1..=64).prop_map(String::from_iter).prop_filter_map("only white space", |text| text.parse().ok())
}

pub(crate) fn remark() -> impl Strategy<Value = Remark> {
    vec(any::<char>(), 0..=140).prop_map(|chars| String::from_iter(chars).parse().unwrap())
}

/// A proof that the recorder could write.
pub(crate) fn proof() -> impl Strategy<Value = Proof> {
    let kind = select(vec![Kind::Pointer, Kind::Touch, Kind::Pen, Kind::Keyboard]);
    let point = (-4000..4000_i32, -4000..4000_i32, 0..1000_i32).prop_map(|(dx, dy, dt)| [dx, dy, dt]);
    let rectangle = (any::<[i32; 2]>(), 0..4000_i32, 0..4000_i32).prop_map(|([x, y], w, h)| [x, y, w, h]);
    let seen = option::of(any::<u32>());
    let path = vec(point, 0..=MAX_PATH);
    (kind, any::<u64>(), any::<u32>(), path, rectangle, any::<[i32; 2]>(), seen, "[a-z_]{1,20}").prop_map(
        |(kind, at, hold, path, target, hit, seen, action)| Proof {
            v: 1,
            by: if seen.is_some() { Recorder::Signer } else { Recorder::App },
            action,
            kind: if seen.is_some() { Kind::Confirm } else { kind },
            at,
            hold,
            path,
            target,
            hit,
            dwell: seen,
        },
    )
}

/// Secrets can be neither compared nor printed, so tests keep their text.
pub(crate) trait Secret: Sized {
    fn parse(text: &str) -> Result<Self, protocol::Malformed>;
    fn reveal(&self) -> String;
}

macro_rules! secret {
    ($($name:ident),+) => { $(impl Secret for $name {
        fn parse(text: &str) -> Result<Self, protocol::Malformed> { Self::parse(text) }
        fn reveal(&self) -> String { self.reveal() }
    })+ };
}

secret!(SessionToken, SignSecret, EntryTicket);

/// One small change of a text.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    Repeat(Index),
    SwapCase(Index),
    Twice,
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let plausible =
        select(r#"AZaz09-_+/=:;,.()"@ {}[]"#.chars().chain(['\t', '\n', '\0', 'é', '\u{200b}']).collect::<Vec<_>>());
    let character = prop_oneof![3 => plausible, 1 => any::<char>()];
    prop_oneof![
        (any::<Index>(), character.clone()).prop_map(|(at, c)| Damage::Replace(at, c)),
        (any::<Index>(), character).prop_map(|(at, c)| Damage::Insert(at, c)),
        any::<Index>().prop_map(Damage::Remove),
        any::<Index>().prop_map(Damage::Repeat),
        any::<Index>().prop_map(Damage::SwapCase),
        Just(Damage::Twice),
    ]
}

impl Damage {
    /// The changed text. It may equal the original.
    pub(crate) fn of(&self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        let length = chars.len();
        match self {
            Self::Insert(at, c) => chars.insert(at.index(length + 1), *c),
            Self::Twice => chars.extend_from_within(..),
            _ if chars.is_empty() => {}
            Self::Replace(at, c) => chars[at.index(length)] = *c,
            Self::Remove(at) => drop(chars.remove(at.index(length))),
            Self::Repeat(at) => chars.insert(at.index(length), chars[at.index(length)]),
            Self::SwapCase(at) => {
                let c = &mut chars[at.index(length)];
                *c = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            }
        }
        chars.into_iter().collect()
    }
}
