//! Messages: between the page and the signing frame (JSON texts over a `MessagePort`), and between the frame and its
//! own origin (JSON bodies). Header names are here too, because both ends write them.
//!
//! How they meet: the frame, once loaded, posts [`READY`] to its parent at the app origin. The page posts [`CONNECT`]
//! with a `MessagePort` to the frame; the frame takes the first such port that comes from its parent at the app origin,
//! once, and answers on it with [`FromFrame::Hello`]. Everything else happens on that port.

use serde::{Deserialize, Serialize};

use crate::{
    action::Level,
    key::{Jwk, KeyThumbprint},
    problem::Code,
    proof::Proof,
    push::{AgreedKey, Cursor},
    signature::Signature,
    token::{Challenge, Nonce, SessionHandle},
};

/// What the frame posts to its parent when it can take a port.
pub const READY: &str = "pan:ready";

/// What the page posts, with a port, to the frame.
pub const CONNECT: &str = "pan:connect";

/// Names of the headers of a signed request and its reply (lower case, as HTTP/2 and `fetch` have them).
pub mod header {
    /// The session handle.
    pub const SESSION: &str = "x-session-id";
    /// The interaction proof, or `none`.
    pub const PROOF: &str = "x-interaction-proof";
    /// RFC 9530.
    pub const DIGEST: &str = "content-digest";
    /// RFC 9421 §4.1.
    pub const SIGNATURE_INPUT: &str = "signature-input";
    /// RFC 9421 §4.2.
    pub const SIGNATURE: &str = "signature";
    /// The next nonces, separated by a comma and a space.
    pub const NONCE: &str = "pan-nonce";
}

/// Cookies of the protocol.
pub mod cookie {
    /// The session token.
    pub const SESSION: &str = "__Host-pan";
    /// The bind cookie: `<session handle>.<bind secret>`.
    pub const BIND: &str = "pan-bind";
}

/// What the page says to the frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToFrame {
    /// Chosen by the page; the answer carries it back.
    pub id: u32,
    /// What the page wants.
    pub ask: Ask,
}

/// What the page can want. There is no "sign these bytes".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Make a key and bind it to the session that was just opened by signing in.
    Bind {},
    /// Sign one request.
    Sign(Box<ToSign>),
    /// Destroy the key of a session that has ended.
    Forget {
        /// The session.
        session: SessionHandle,
    },
    /// Write and sign [`crate::catalogue::PushKeys`]. The page sends it, and hands the reply to [`Ask::Agreed`].
    Agree {
        /// The session.
        session: SessionHandle,
        /// The nonce to spend.
        nonce: Nonce,
        /// The next key of the connection that is open, instead of the first one of another.
        renew: bool,
    },
    /// Derive the key that was agreed.
    Agreed(AgreedKey),
    /// Write and sign [`crate::catalogue::PushStream`] for the connection that has a key.
    Open {
        /// The nonce to spend.
        nonce: Nonce,
        /// The last place that was told; nothing for what is new only.
        after: Option<Cursor>,
    },
    /// Verify the connection's next frame. One at a time: the next one is asked for when this one is answered.
    Hear {
        /// As it came.
        frame: String,
    },
}

/// A request that the page wants to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToSign {
    /// The session.
    pub session: SessionHandle,
    /// The path; a query is refused, because no action has one.
    pub path: String,
    /// The body, exactly as it will be sent.
    pub body: String,
    /// The level asked; not below the catalogue's.
    pub level: Level,
    /// The nonce to spend; none only for [`crate::catalogue::Nonces`], for which the frame invents one.
    pub nonce: Option<Nonce>,
    /// The page's interaction proof, at level Interaction only.
    pub proof: Option<Proof>,
}

/// What the frame says to the page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromFrame {
    /// The port is taken.
    Hello(Vault),
    /// The sheet opened or closed: the page gives the frame the whole window, or takes it back.
    Sheet {
        /// Whether it is open now.
        open: bool,
    },
    /// The answer to [`ToFrame`] of that `id`.
    Answer {
        /// [`ToFrame::id`].
        id: u32,
        /// The answer.
        answer: Result<Answer, Refusal>,
    },
}

/// Whether the frame can keep keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vault {
    /// The key store opened.
    Open,
    /// The browser refused to open the key store.
    Closed,
}

/// What the frame did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// A key is bound.
    Bound {
        /// To this session.
        session: SessionHandle,
        /// The first nonces.
        nonces: Vec<Nonce>,
    },
    /// The headers to send with the request.
    Signed(SignedHeaders),
    /// A request that the frame wrote, to be sent as it is.
    Written {
        /// Its body.
        body: String,
        /// Its headers.
        headers: SignedHeaders,
    },
    /// A pushed frame that is believed.
    Heard {
        /// The text of its [`crate::push::Payload`].
        payload: String,
    },
    /// It is done, and there is nothing more to say.
    Done {},
}

/// The headers of a signed request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHeaders {
    /// [`header::SESSION`].
    pub session: String,
    /// [`header::PROOF`].
    pub proof: String,
    /// [`header::DIGEST`].
    pub digest: String,
    /// [`header::SIGNATURE_INPUT`].
    pub signature_input: String,
    /// [`header::SIGNATURE`].
    pub signature: String,
}

impl SignedHeaders {
    /// Name and value of each.
    pub fn each(&self) -> [(&'static str, &str); 5] {
        [
            (header::SESSION, &self.session),
            (header::PROOF, &self.proof),
            (header::DIGEST, &self.digest),
            (header::SIGNATURE_INPUT, &self.signature_input),
            (header::SIGNATURE, &self.signature),
        ]
    }
}

/// The first message of a push socket: the signed request of [`crate::catalogue::PushStream`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Its headers.
    pub headers: SignedHeaders,
    /// Its body.
    pub body: String,
}

/// Why the frame did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Refusal {
    /// Not a message of this module.
    Malformed,
    /// The path is not in the catalogue.
    UnknownAction,
    /// The body is not that action.
    UnknownArguments,
    /// The level asked is below the catalogue's.
    LevelTooLow,
    /// No nonce, one that was spent before, or one where the frame invents it.
    BadNonce,
    /// A proof of the wrong action, recorder or level, or none where one is needed.
    BadProof,
    /// More requests than the frame signs in a minute.
    TooMany,
    /// No key for that session.
    NoKey,
    /// There is no connection for pushed frames, or none was asked for.
    NoConnection,
    /// A pushed frame is not believed. Why, the frame keeps to itself.
    Rejected,
    /// The browser refused to open the key store.
    VaultClosed,
    /// The frame cannot reach its own origin.
    Unreachable,
    /// The frame's origin refused to bind the key.
    BindRefused(Code),
    /// Another sheet is open.
    Busy,
    /// The person cancelled.
    Cancelled,
    /// Nobody answered the sheet in time.
    TimedOut,
}

/// Reply of `GET /time` on the sign origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Time {
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Reply of `POST /challenge` on the sign origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenged {
    /// What to sign.
    pub challenge: Challenge,
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Body of `POST /bind` on the sign origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// The new key.
    pub jwk: Jwk,
    /// The challenge.
    pub challenge: Challenge,
    /// Over [`bind_statement`].
    pub signature: Signature,
}

/// Reply of `POST /bind` on the sign origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The session.
    pub session: SessionHandle,
    /// The first nonces.
    pub nonces: Vec<Nonce>,
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// What is signed to bind a key: it names the purpose, the server, the challenge and the key, so that this signature
/// is good for nothing else.
pub fn bind_statement(authority: &str, challenge: &Challenge, key: &KeyThumbprint) -> String {
    format!("pan-bind/1\n{authority}\n{challenge}\n{key}")
}
