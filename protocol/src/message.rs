//! Messages between the page and the signing frame, and between the page and the confirmation window: JSON texts over a
//! `MessagePort`. Header names are here too, because both ends write them.
//!
//! How they meet: the frame, once loaded, posts [`READY`] to its parent at the app origin, and repeats it until it has a
//! port, because browsers can lose such a message. The page answers each with [`CONNECT`] and a new `MessagePort`. The frame
//! takes the first such port that comes from its parent at the app origin, once, and answers on it with
//! [`FromFrame::Hello`]. Everything else happens on that port. The confirmation window meets its opener in the same way,
//! takes one [`ToWindow`], and answers with [`FromWindow`].

use serde::{Deserialize, Serialize};

use crate::{
    action::Level,
    key::KeyThumbprint,
    problem::Code,
    proof::Proof,
    push::Cursor,
    token::{Nonce, SessionHandle},
};

/// What the frame posts to its parent, and the confirmation window to its opener, when it can take a port.
pub const READY: &str = "pan:ready";

/// What the page posts, with a port, to the frame or the confirmation window.
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
    /// On the app origin: the session token.
    pub const SESSION: &str = "__Host-pan";
    /// On the sign origin: `<session handle>.<sign secret>`.
    pub const SIGN: &str = "__Host-pan-sign";
}

/// What the page says to the frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToFrame {
    /// Chosen by the page; the answer carries it back.
    pub id: u32,
    /// What the page wants.
    pub ask: FrameRequest,
}

/// What the page can want. There is no "sign these bytes".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrameRequest {
    /// Sign one request at level Signed or Interaction. A frame that has no key for the session makes one and binds it first.
    Sign(Box<SignRequest>),
    /// Destroy the key of a session that has ended.
    Forget {
        /// The session.
        session: SessionHandle,
    },
    /// Agree a push key: the frame sends [`crate::built_in::PushKeys`] to its own origin.
    Agree {
        /// The session.
        session: SessionHandle,
        /// The nonce to spend.
        nonce: Nonce,
        /// The next key of the connection that is open, instead of the first one of another.
        renew: bool,
    },
    /// Write and sign [`crate::built_in::PushStream`] for the connection that has a key.
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
pub struct SignRequest {
    /// The session.
    pub session: SessionHandle,
    /// The path; a query is refused, because no action has one.
    pub path: String,
    /// The body, exactly as it will be sent.
    pub body: String,
    /// The level asked; not below the catalogue's.
    pub level: Level,
    /// The nonce to spend; none only for [`crate::built_in::Nonces`], for which the frame invents one.
    pub nonce: Option<Nonce>,
    /// The page's interaction proof, at level Interaction only.
    pub proof: Option<Proof>,
}

/// What the frame says to the page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromFrame {
    /// The port is taken.
    Hello(KeyStoreState),
    /// The first nonces, after the frame has bound its key.
    Nonces {
        /// The session that they belong to.
        session: SessionHandle,
        /// The nonces.
        nonces: Vec<Nonce>,
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
pub enum KeyStoreState {
    /// The key store opened.
    Open,
    /// The browser refused to open the key store.
    Closed,
}

/// What the frame did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The push key is agreed.
    Agreed {
        /// The nonces that the reply brought.
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

/// The first message of a push socket: the signed request of [`crate::built_in::PushStream`].
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
    /// No key for that session, and no cookie that lets the frame bind one: the user must sign in again.
    NoKey,
    /// The session is bound to another frame key, which this browser has lost. The confirmation key can replace it by this
    /// one ([`crate::built_in::RestoreBrowser`]).
    KeyLost {
        /// The thumbprint of the frame's new key.
        key: KeyThumbprint,
    },
    /// Level Confirmed is signed in the confirmation window, never here.
    NotHere,
    /// There is no connection for pushed frames, or none was asked for.
    NoConnection,
    /// A pushed frame is not believed. Why, the frame keeps to itself.
    Rejected,
    /// The browser refused to open the key store.
    VaultClosed,
    /// The frame cannot reach its own origin.
    Unreachable,
    /// The frame's own origin rejected its request: to bind its key, or to agree a push key.
    OriginRejected(Code),
}

/// What the page says to the confirmation window, once: the request that the user is to confirm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToWindow {
    /// The session.
    pub session: SessionHandle,
    /// The path; a query is rejected, because no action has one.
    pub path: String,
    /// The body, exactly as it will be sent.
    pub body: String,
    /// The nonce to spend; none only for [`crate::built_in::RestoreBrowser`], for which the window invents one.
    pub nonce: Option<Nonce>,
}

/// The request in the fragment of the confirmation page's URL (base64url of the JSON), where a browser opens no windows.
/// The page answers with a [`FromWindow`] in the fragment of the return path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowLink {
    /// The request.
    pub request: ToWindow,
    /// Where on the app origin the user returns, as [`crate::return_path::check`] accepts it.
    pub return_path: String,
}

/// What the confirmation window says to the page: [`FromWindow::Shown`], then exactly one of the others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWindow {
    /// The user sees the request.
    Shown {},
    /// The user confirmed: the headers to send with the request.
    Signed(SignedHeaders),
    /// Nothing is signed.
    Rejected(WindowRejection),
}

/// Why the confirmation window signed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WindowRejection {
    /// The user cancelled, or closed the window.
    Cancelled,
    /// The user did not answer in time.
    TimedOut,
    /// Another confirmation is open in this browser.
    Busy,
    /// Too many confirmations were cancelled or ignored.
    Paused {
        /// How long the pause still lasts.
        seconds: u32,
    },
    /// This browser has no confirmation key for the session: the user must sign in again.
    NoKey,
    /// The request is not a confirmed action of the catalogue.
    Malformed,
    /// The browser refused to open the key store.
    StorageClosed,
    /// The window cannot reach its own origin.
    Unreachable,
}
