//! The worked example of docs/PROTOCOL.md §11: the document must hold these bytes, so it cannot drift from the code.

use core::fmt::Write as _;

use actions::{CATALOGUE, ReadAccount, Transfer};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::{
    NonZeroScalar, SecretKey,
    ecdh::diffie_hellman,
    ecdsa::{Signature as P256Signature, SigningKey, signature::Signer as _},
    elliptic_curve::sec1::ToSec1Point as _,
};
use protocol::{
    action::Action,
    built_in::PushKeys,
    digest::ContentDigest,
    key::PublicKey,
    message::cookie,
    problem::Code,
    proof::{self, Kind, Proof, Recorder},
    push::{AgreedKey, ConnectionId, Cursor, Envelope, KeyId, Mac, Payload, Push, PushNonce, key_info},
    sign_origin::{
        Bind, Bound, Challenged, Password, SignIn, SignedIn, bind_statement, enter_statement, sign_in_statement,
    },
    signature::{Covered, METHOD, Signature, SignatureInput},
    token::{Challenge, EntryTicket, Nonce, SessionHandle, SignSecret},
};
use serde::Serialize;
use sha2::Sha256;

use crate::test;

const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");

const APP: &str = "example.com";
const SIGN: &str = "sign.example.com";

/// The server's time in the example: Unix ms.
const NOW: u64 = 1_750_000_000_000;

/// `first`, `first + 1`, …
fn bytes<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// A key whose private half is known.
struct Key {
    private: [u8; 32],
    signer: SigningKey,
    public: PublicKey,
}

impl Key {
    fn new(first: u8) -> Self {
        let private = bytes(first);
        let signer = SigningKey::from_slice(&private).unwrap();
        let public = PublicKey::from_sec1(signer.verifying_key().to_sec1_point(false).as_bytes()).unwrap();
        Self { private, signer, public }
    }

    /// Deterministic (RFC 6979).
    fn sign(&self, text: &str) -> Signature {
        let signature: P256Signature = self.signer.sign(text.as_bytes());
        Signature::from_p1363(&signature.to_bytes()).unwrap()
    }

    fn describe(&self, name: &str) -> String {
        format!(
            "{name}\n  d           {}\n  JWK         {}\n  thumbprint  {}",
            Base64UrlUnpadded::encode_string(&self.private),
            json(&self.public.to_jwk()),
            self.public.thumbprint()
        )
    }
}

/// The head of a POST as a browser sends it: host, path, and the other header lines.
fn head(host: &str, path: &str, lines: &[&str]) -> String {
    let origin = if path == "/enter" { SIGN } else { host };
    let mut head = format!("POST {path}\nhost: {host}\norigin: https://{origin}\n");
    for line in lines {
        writeln!(head, "{line}").unwrap();
    }
    head
}

const SAME_ORIGIN: &str = "sec-fetch-site: same-origin";
const JSON: &str = "content-type: application/json";

/// A value of a form (WHATWG URL, application/x-www-form-urlencoded).
fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, b| {
        match b {
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(b)),
            b if b.is_ascii_alphanumeric() => encoded.push(char::from(b)),
            b => write!(encoded, "%{b:02X}").unwrap(),
        }
        encoded
    })
}

/// The session of the example.
struct Example {
    confirmation: Key,
    frame: Key,
    ticket: EntryTicket,
    session: SessionHandle,
    sign_cookie: String,
}

impl Example {
    fn new() -> Self {
        let ticket = EntryTicket::new(bytes(0x41));
        let session = ticket.token().handle();
        let secret = SignSecret::new(bytes(0x61));
        Self {
            confirmation: Key::new(0x01),
            frame: Key::new(0x21),
            session,
            sign_cookie: format!("{}={session}.{}", cookie::SIGN, secret.reveal()),
            ticket,
        }
    }

    fn session_cookie(&self) -> String {
        format!("{}={}", cookie::SESSION, self.ticket.token().reveal())
    }

    fn sign_in(&self) -> [String; 4] {
        let challenge = Challenge::new(bytes(0x81));
        let statement = sign_in_statement(SIGN, &challenge, &self.confirmation.public.thumbprint());
        let body = json(&SignIn {
            user: "ada".parse().unwrap(),
            password: Password::new("correct horse battery staple".to_owned()),
            jwk: self.confirmation.public.to_jwk(),
            challenge,
            signature: self.confirmation.sign(&statement),
        });
        let enter = format!("https://{APP}/enter");
        let ticket = EntryTicket::new(bytes(0x41));
        let reply = json(&SignedIn { ticket, enter, now: NOW });
        [
            json(&Challenged { challenge, now: NOW }),
            statement,
            format!("{}\n{body}", head(SIGN, "/sign-in", &[SAME_ORIGIN, JSON])),
            format!(
                "200\nset-cookie: {}; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Strict\n\n{reply}",
                self.sign_cookie
            ),
        ]
    }

    fn enter(&self) -> [String; 4] {
        let statement = enter_statement(APP, &self.session, "/account");
        let signature = self.confirmation.sign(&statement).to_string();
        let body = format!(
            "ticket={}&signature={}&return={}",
            self.ticket.reveal(),
            form_encoded(&signature),
            form_encoded("/account")
        );
        let lines = [
            "sec-fetch-site: same-site",
            "sec-fetch-mode: navigate",
            "content-type: application/x-www-form-urlencoded",
        ];
        [
            format!("token   {}\nhandle  {}", self.ticket.token().reveal(), self.session),
            statement,
            format!("{}\n{body}", head(APP, "/enter", &lines)),
            format!(
                "303\nlocation: /account\nset-cookie: {}; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
                self.session_cookie()
            ),
        ]
    }

    fn bind(&self) -> [String; 3] {
        let challenge = Challenge::new(bytes(0xa1));
        let statement = bind_statement(SIGN, &challenge, &self.frame.public.thumbprint());
        let jwk = self.frame.public.to_jwk();
        let body = json(&Bind { jwk, challenge, signature: self.frame.sign(&statement) });
        let nonces = [0xb1, 0xc1, 0xd1, 0xe1].map(|first| Nonce::new(bytes(first))).to_vec();
        let reply = json(&Bound { session: self.session, nonces, now: NOW, pending: false });
        let cookie = format!("cookie: {}", self.sign_cookie);
        [
            statement,
            format!("{}\n{body}", head(SIGN, "/bind", &[SAME_ORIGIN, JSON, &cookie])),
            format!("200\n\n{reply}"),
        ]
    }

    /// The base and the request.
    fn request<A: Action>(&self, action: &A, nonce: Nonce, proof: Option<&Proof>) -> [String; 2] {
        let key =
            if proof.is_some_and(|proof| proof.by == Recorder::Signer) { &self.confirmation } else { &self.frame };
        let is_push_key = A::PATH == PushKeys::PATH;
        let (host, cookie) = if is_push_key { (SIGN, self.sign_cookie.clone()) } else { (APP, self.session_cookie()) };
        let body = json(action);
        let digest = ContentDigest::of(body.as_bytes());
        let proof = proof::header(proof).unwrap();
        let input = SignatureInput::new(NOW / 1000, nonce, key.public.thumbprint()).unwrap();
        let covered = Covered {
            method: METHOD,
            authority: host,
            path: A::PATH,
            query: "",
            digest: &digest,
            session: &self.session,
            proof: &proof,
        };
        let base = covered.base(&input);
        let lines = [
            SAME_ORIGIN.to_owned(),
            JSON.to_owned(),
            format!("cookie: {cookie}"),
            format!("x-session-id: {}", self.session),
            format!("x-interaction-proof: {proof}"),
            format!("content-digest: {digest}"),
            format!("signature-input: {input}"),
            format!("signature: {}", key.sign(&base)),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        [base, format!("{}\n{body}", head(host, A::PATH, &lines))]
    }

    fn confirmed(&self) -> [String; 3] {
        let action = Transfer {
            to: "grace".parse().unwrap(),
            amount: 1250.try_into().unwrap(),
            note: "Müller & Söhne <3 \"rent\"".parse().unwrap(),
        };
        let proof = Proof {
            v: 1,
            by: Recorder::Signer,
            action: Transfer::NAME.to_owned(),
            kind: Kind::Confirm,
            at: NOW,
            hold: 90,
            path: Vec::new(),
            target: [24, 500, 432, 56],
            hit: [240, 528],
            dwell: Some(2400),
        };
        let [base, request] = self.request(&action, Nonce::new(bytes(0xd1)), Some(&proof));
        [json(&proof), base, request]
    }

    fn push(&self) -> [String; 5] {
        let (ours, theirs) = (SecretKey::from_slice(&bytes::<32>(0x11)), SecretKey::from_slice(&bytes::<32>(0x31)));
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let point = |key: &SecretKey| PublicKey::from_sec1(key.public_key().to_sec1_point(false).as_bytes()).unwrap();
        let conn = ConnectionId::new(bytes(0x51));
        let kid: KeyId = format!("pan.{}", ConnectionId::new(bytes(0x71))).parse().unwrap();
        let [_, request] = self.request(&PushKeys { key: point(&ours), conn }, Nonce::new(bytes(0xe1)), None);
        let agreed = AgreedKey {
            kid: kid.clone(),
            algorithm: "sha256".to_owned(),
            expires_at: NOW + 600_000,
            server_key: point(&theirs),
        };

        let shared = diffie_hellman(NonZeroScalar::from(&ours), theirs.public_key().as_affine());
        let info = key_info(&self.session, &conn, &kid, &point(&ours), &point(&theirs));
        let mut key = [0; 32];
        shared.extract::<Sha256>(None).expand(&info, &mut key).unwrap();

        let push = Push::Heartbeat { latest: 0 };
        let payload = Payload { conn, id: Cursor { ms: NOW - 5, n: 0 }, seq: 1, push };
        let payload = serde_json_canonicalizer::to_string(&payload).unwrap();
        let unsigned =
            Envelope { kid, nonce: PushNonce::new(bytes(0x91)), payload: &payload, sig: Mac::new([0; 32]), ts: NOW };
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(unsigned.message()).finalize();
        let message = String::from_utf8(unsigned.message()).unwrap();
        let frame = Envelope { sig: Mac::new(mac.into_bytes().into()), ..unsigned }.to_string();
        assert!(Envelope::parse(&frame).is_ok());
        [
            format!("d of the client  {}", Base64UrlUnpadded::encode_string(&ours.to_bytes())),
            request,
            format!("200\n\n{}", json(&agreed)),
            format!(
                "shared secret  {}\nHMAC key       {}",
                Base64::encode_string(shared.raw_secret_bytes()),
                Base64::encode_string(&key)
            ),
            format!("{message}\n\n{frame}"),
        ]
    }

    /// Every block of the section, in its order.
    fn blocks(&self) -> Vec<String> {
        let keys = [self.confirmation.describe("confirmation key"), self.frame.describe("frame key")].join("\n");
        let signed = self.request(&ReadAccount {}, Nonce::new(bytes(0xc1)), None);
        [&[keys][..], &self.sign_in(), &self.enter(), &self.bind(), &signed, &self.confirmed(), &self.push()].concat()
    }
}

/// The fenced blocks of the document's last section.
fn documented() -> Vec<String> {
    let section = DOCUMENT.split("\n## 11. ").nth(1).unwrap();
    section.split("\n```text\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn worked_example_matches_the_document() {
    let blocks = Example::new().blocks();
    let fenced = blocks.iter().map(|block| format!("```text\n{block}\n```\n")).collect::<Vec<_>>().concat();
    assert_eq!(documented(), blocks, "docs/PROTOCOL.md §11 must hold these blocks:\n\n{fenced}");
}

/// The tables of the document hold every public code with its status, and actions at the level of the catalogue.
#[test]
fn tables_match_the_code() {
    for code in Code::ALL {
        assert!(DOCUMENT.contains(&format!("\n| `{}` | {}", code.as_str(), code.status())), "{code:?}");
    }
    let rows = DOCUMENT.split("\n| `/api/").skip(1).filter_map(|row| row.split_once("` | "));
    let actions = rows.filter(|(name, _)| !name.contains('`')).map(|(name, rest)| (name, rest.split(" | ").next()));
    let documented: Vec<_> = actions.collect();
    for &(name, level) in &documented {
        let entry = CATALOGUE.at(&format!("/api/{name}")).unwrap();
        assert_eq!(level, Some(&*format!("{:?}", entry.level)), "{name}");
    }
    assert_eq!(documented.len(), 17);
}
