//! Messages between the page and the signing frame, and between the page and the confirmation window: JSON texts over a
//! `MessagePort`. Header and cookie names are here too, because client and server use them.
//!
//! Handshake: the frame, once loaded, posts [`READY`] to its parent at the app origin, and repeats it until it has a
//! port, because browsers can lose such a message. The page answers each with [`CONNECT`] and a new `MessagePort`. The
//! frame accepts the first such port from its parent at the app origin, once, and answers on it with
//! [`FromFrame::Hello`]. All other messages use that port. The confirmation window connects to its opener in the same
//! way, receives one [`ToWindow`], and answers with [`FromWindow`].

use serde::{Deserialize, Serialize};

use crate::{
    action::Level,
    key::KeyThumbprint,
    problem::Code,
    proof::Proof,
    push::Cursor,
    token::{Nonce, SessionHandle},
};

/// Posted by the frame to its parent, and by the confirmation window to its opener, when it can accept a port.
pub const READY: &str = "pan:ready";

/// Posted by the page, with a port, to the frame or the confirmation window.
pub const CONNECT: &str = "pan:connect";

/// Header names of a signed request and its response (lower case, as in HTTP/2 and `fetch`).
pub mod header {
    /// The session handle.
    pub const SESSION: &str = "x-session-id";
    /// The interaction proof, or `none`.
    pub const PROOF: &str = "x-interaction-proof";
    /// `Content-Digest` (RFC 9530).
    pub const DIGEST: &str = "content-digest";
    /// `Signature-Input` (RFC 9421 §4.1).
    pub const SIGNATURE_INPUT: &str = "signature-input";
    /// `Signature` (RFC 9421 §4.2).
    pub const SIGNATURE: &str = "signature";
    /// The assertion of a passkey ([`crate::passkey::header`]); at level Attested only.
    pub const PASSKEY: &str = "pan-passkey";
    /// The registration of a passkey ([`crate::passkey::new_passkey_header`]); with [`crate::built_in::AddPasskey`] only.
    pub const NEW_PASSKEY: &str = "pan-new-passkey";
    /// The hashes of new recovery codes ([`crate::recovery::header()`]); with [`crate::built_in::CreateRecoveryCodes`] only.
    pub const RECOVERY_CODES: &str = "pan-recovery-codes";
    /// The next nonces, separated by a comma and a space.
    pub const NONCE: &str = "pan-nonce";
}

/// Cookies of the protocol.
pub mod cookie {
    /// On the app origin: the session token.
    pub const SESSION: &str = "__Host-pan";
    /// On the app origin: the short-lived proof of the device (DBSC).
    pub const DEVICE: &str = "__Host-pan-device";
    /// On the sign origin: `<session handle>.<sign secret>`.
    pub const SIGN: &str = "__Host-pan-sign";
    /// On the sign origin: the logins with which this browser has signed in, as the server recognizes them.
    pub const KNOWN_DEVICE: &str = "__Host-pan-known";
}

/// A message from the page to the frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToFrame {
    /// Chosen by the page and returned in the answer.
    pub id: u32,
    /// The request.
    #[serde(rename = "ask")]
    pub request: FrameRequest,
}

/// A request of the page to the frame. There is no request to sign arbitrary bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrameRequest {
    /// Sign one request at level Signed or Interaction. Without a key for the session, the frame generates and binds
    /// one first.
    Sign(Box<SignRequest>),
    /// Delete the key of a session that has ended.
    Forget {
        /// The session.
        session: SessionHandle,
    },
    /// Agree a push key: the frame sends [`crate::built_in::PushKeys`] to the sign origin.
    Agree {
        /// The session.
        session: SessionHandle,
        /// The nonce to spend.
        nonce: Nonce,
        /// Whether to agree the next key of the open connection, instead of the first key of a new one.
        renew: bool,
    },
    /// Write and sign [`crate::built_in::PushStream`] for the connection that has a key.
    Open {
        /// The nonce to spend.
        nonce: Nonce,
        /// The last event that the page has received; `None` for new events only.
        after: Option<Cursor>,
    },
    /// Verify the connection's next push message. One at a time: the page sends the next one after the answer to this
    /// one.
    #[serde(rename = "hear")]
    Verify {
        /// The push message as received.
        #[serde(rename = "frame")]
        message: String,
    },
}

/// A request to sign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The session.
    pub session: SessionHandle,
    /// The path. A query is rejected, because no action has one.
    pub path: String,
    /// The body, exactly as it is sent.
    pub body: String,
    /// The requested level, which is not below the catalogue's.
    pub level: Level,
    /// The nonce to spend; none only for [`crate::built_in::Nonces`], for which the frame generates one.
    pub nonce: Option<Nonce>,
    /// The page's interaction proof, at level Interaction only.
    pub proof: Option<Proof>,
}

/// A message from the frame to the page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromFrame {
    /// The frame has accepted the port.
    Hello(KeyStoreState),
    /// The first nonces, after the frame has bound its key.
    Nonces {
        /// The session that they belong to.
        session: SessionHandle,
        /// The nonces.
        nonces: Vec<Nonce>,
    },
    /// The answer to the [`ToFrame`] with this `id`.
    Answer {
        /// [`ToFrame::id`].
        id: u32,
        /// The answer.
        answer: Result<Answer, FrameRejection>,
    },
}

/// Whether the frame can store keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStoreState {
    /// The key store opened.
    Open,
    /// The browser did not let the frame open the key store.
    Closed,
}

/// A successful answer of the frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The push key is agreed.
    Agreed {
        /// The nonces of the response.
        nonces: Vec<Nonce>,
    },
    /// The headers to send with the request.
    Signed(SignedHeaders),
    /// A request that the frame wrote, to be sent unchanged.
    Written {
        /// The body.
        body: String,
        /// The headers.
        headers: SignedHeaders,
    },
    /// The push message is accepted.
    #[serde(rename = "heard")]
    Verified {
        /// The JSON text of the [`crate::push::Payload`].
        payload: String,
    },
    /// Done, without a result.
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
    /// The name and value of each header.
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

/// The headers of a request that the confirmation window has signed with passkeys too. The signing frame, which is downloaded by
/// every page, knows only [`SignedHeaders`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestedHeaders {
    /// The headers of every signed request.
    pub signed: SignedHeaders,
    /// [`header::PASSKEY`].
    pub passkey: Option<String>,
    /// [`header::NEW_PASSKEY`].
    pub new_passkey: Option<String>,
    /// [`header::RECOVERY_CODES`].
    pub recovery_codes: Option<String>,
}

impl AttestedHeaders {
    /// The name and value of each header.
    pub fn each(&self) -> Vec<(&'static str, &str)> {
        let passkeys = [
            (header::PASSKEY, &self.passkey),
            (header::NEW_PASSKEY, &self.new_passkey),
            (header::RECOVERY_CODES, &self.recovery_codes),
        ];
        let passkeys = passkeys.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        self.signed.each().into_iter().chain(passkeys).collect()
    }
}

impl From<SignedHeaders> for AttestedHeaders {
    fn from(signed: SignedHeaders) -> Self {
        Self { signed, passkey: None, new_passkey: None, recovery_codes: None }
    }
}

/// The first message of a push socket: the signed request of [`crate::built_in::PushStream`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The headers.
    pub headers: SignedHeaders,
    /// The body.
    pub body: String,
}

/// Why the frame rejected a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrameRejection {
    /// Not a message of this module.
    Malformed,
    /// The path is not in the catalogue.
    UnknownAction,
    /// The body is not that action.
    UnknownArguments,
    /// The requested level is below the catalogue's.
    LevelTooLow,
    /// The nonce is missing or already spent, or is present where the frame generates it.
    BadNonce,
    /// The proof is missing or has the wrong action, recorder or level.
    BadProof,
    /// More requests than the frame signs per minute.
    TooMany,
    /// No key for that session, and no cookie that lets the frame bind one: the user must sign in again.
    NoKey,
    /// The session is bound to another frame key, which this browser has lost. The confirmation key can replace it
    /// with this one ([`crate::built_in::RestoreBrowser`]).
    KeyLost {
        /// The thumbprint of the frame's new key.
        key: KeyThumbprint,
    },
    /// Requests at level Confirmed are signed in the confirmation window only.
    #[serde(rename = "not_here")]
    WindowOnly,
    /// There is no push connection, or none was requested.
    NoConnection,
    /// A push message was rejected. The page does not learn the reason.
    Rejected,
    /// The browser did not let the frame open its key store.
    #[serde(rename = "vault_closed")]
    KeyStoreClosed,
    /// The browser could not sign. The key is kept.
    SigningFailed,
    /// The frame cannot reach the sign origin.
    Unreachable,
    /// The sign origin rejected the frame's request to bind its key or to agree a push key.
    OriginRejected(Code),
}

/// The message from the page to the confirmation window: the request for the user to confirm. Sent once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToWindow {
    /// The session.
    pub session: SessionHandle,
    /// The path. A query is rejected, because no action has one.
    pub path: String,
    /// The body, exactly as it is sent.
    pub body: String,
    /// The nonce to spend; none only for [`crate::built_in::RestoreBrowser`], for which the window generates one.
    pub nonce: Option<Nonce>,
}

/// The request in the fragment of the confirmation page's URL (base64url of the JSON), where a browser opens no
/// windows. The page answers with a [`FromWindow`] in the fragment of the return path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowLink {
    /// The request.
    pub request: ToWindow,
    /// The path on the app origin to return to, as accepted by [`crate::return_path::check`].
    pub return_path: String,
}

/// A message from the confirmation window to the page: [`FromWindow::Shown`], then exactly one of the others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWindow {
    /// The user sees the request.
    Shown {},
    /// The user confirmed: the headers to send with the request.
    Signed(SignedHeaders),
    /// The same, with the headers of passkeys.
    Attested(AttestedHeaders),
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
        /// The rest of the pause, in seconds.
        seconds: u32,
    },
    /// This browser has no confirmation key for the session: the user must sign in again.
    NoKey,
    /// The passkey did not sign: the user cancelled, or the browser or the authenticator cannot.
    NoPasskey,
    /// The user must sign in again to add the first passkey.
    SignInRequired,
    /// The user has no passkey, which recovery codes would replace.
    NothingToRecover,
    /// The request is not a confirmed action of the catalogue.
    Malformed,
    /// The browser did not let the window open the key store.
    #[serde(rename = "storage_closed")]
    KeyStoreClosed,
    /// The browser could not sign. The key is kept.
    SigningFailed,
    /// The window cannot reach the sign origin.
    Unreachable,
}
