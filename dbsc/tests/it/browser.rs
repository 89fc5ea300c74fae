//! A browser for tests. It signs with `p256` and `rsa`; the server verifies with `ring`.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use dbsc::{BoundCookie, Config, Dbsc, MemoryStore, Secret, SessionId, header};
use http::{HeaderMap, HeaderValue, Response};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use rsa::{PrivateKey, pkcs1v15, signature::SignatureEncoding, traits::PublicKeyParts};
use sfv::{Item, List, ListEntry, Parser};

pub(crate) const ORIGIN: &str = "https://example.com";

/// A key of the browser.
pub(crate) enum Key {
    P256(SigningKey),
    Rsa(PrivateKey),
}

impl Key {
    /// One of several keys on P-256.
    pub(crate) fn p256(number: u8) -> Self {
        Self::P256(SigningKey::from_slice(&[number; 32]).expect("a secret"))
    }

    /// An RSA key of 2048 bits. It is always the same, because generating one takes long.
    pub(crate) fn rsa() -> Self {
        static KEY: OnceLock<PrivateKey> = OnceLock::new();
        Self::Rsa(KEY.get_or_init(|| generated_rsa(2048)).clone())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Rsa(_) => "RS256",
        }
    }

    pub(crate) fn jwk(&self) -> String {
        match self {
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (encode(&point.as_bytes()[1..33]), encode(&point.as_bytes()[33..]));
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa(key) => {
                let (n, e) = (encode(&key.n_bytes()), encode(&key.e_bytes()));
                format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            Self::Rsa(key) => pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new(key.clone()).sign(message).to_vec(),
        }
    }

    /// A JWT of that header and payload.
    pub(crate) fn jwt(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        format!("{signed}.{}", encode(&self.sign(signed.as_bytes())))
    }

    /// The proof of a registration.
    pub(crate) fn registration(&self, challenge: &str, authorization: &str) -> String {
        let header = format!(r#"{{"alg":"{}","jwk":{},"typ":"dbsc+jwt"}}"#, self.algorithm(), self.jwk());
        self.jwt(&header, &format!(r#"{{"authorization":"{authorization}","jti":"{challenge}"}}"#))
    }

    /// The proof of a refresh.
    pub(crate) fn refresh(&self, challenge: &str) -> String {
        self.jwt(
            &format!(r#"{{"alg":"{}","typ":"dbsc+jwt"}}"#, self.algorithm()),
            &format!(r#"{{"jti":"{challenge}"}}"#),
        )
    }
}

pub(crate) fn generated_rsa(bits: usize) -> PrivateKey {
    PrivateKey::new(&mut getrandom::SysRng, bits).expect("a key")
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub(crate) fn config() -> Config {
    let cookie = BoundCookie::new("__Host-bound").expect("a token").max_age(Duration::from_secs(600));
    Config::new(Secret::new(&[1; 32]), cookie, ORIGIN).expect("an origin")
}

pub(crate) fn server() -> Arc<Dbsc<MemoryStore>> {
    Arc::new(Dbsc::new(config(), MemoryStore::default()))
}

/// The same server, later. Its store is empty.
pub(crate) fn server_after(clock: fn() -> SystemTime) -> Dbsc<MemoryStore> {
    Dbsc::new(config().clock(clock), MemoryStore::default())
}

/// The headers of the browser's own requests.
pub(crate) fn headers(proof: Option<&str>, session: Option<&SessionId>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("origin", ORIGIN),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-site", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(proof) = proof {
        headers.insert(header::RESPONSE, HeaderValue::from_str(proof).expect("ASCII"));
    }
    if let Some(session) = session {
        headers.insert(header::SESSION_ID, HeaderValue::from_str(session.as_str()).expect("ASCII"));
    }
    headers
}

/// The challenge in an offer.
pub(crate) fn offered_challenge(offer: &HeaderValue) -> String {
    let list: List = Parser::new(offer.as_bytes()).parse().expect("a list");
    let Some(ListEntry::InnerList(offer)) = list.first() else { panic!("no inner list") };
    offer.params.get("challenge").and_then(|challenge| challenge.as_string()).expect("a string").as_str().into()
}

/// The challenge in the response of an endpoint.
pub(crate) fn next_challenge<B>(response: &Response<B>) -> String {
    let item: Item = Parser::new(response.headers()[header::CHALLENGE].as_bytes()).parse().expect("an item");
    item.bare_item.as_string().expect("a string").as_str().into()
}

/// Registers a session for "alice" with that key, and returns its first challenge.
pub(crate) async fn register(server: &Dbsc<MemoryStore>, key: &Key) -> (SessionId, String) {
    let challenge = offered_challenge(&server.offer("alice").expect("ASCII"));
    let response = server.respond_to_registration(&headers(Some(&key.registration(&challenge, "alice")), None)).await;
    assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<dbsc::Rejection>());
    let instructions: serde_json::Value = serde_json::from_str(response.body()).expect("JSON");
    let id = instructions["session_identifier"].as_str().expect("a string");
    (SessionId::new(id).expect("an identifier"), next_challenge(&response))
}
