//! Public rejections as problem documents (RFC 9457): few codes, one sentence each. The exact reason goes to the
//! server's log and never to the client.

use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($( $(#[$doc:meta])* $code:ident = $text:literal, $status:literal, $title:literal; )+) => {
        /// The public reason for the rejection of a request.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum Code { $( $(#[$doc])* #[serde(rename = $text)] $code ),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),+ }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$code => $status),+ }
            }

            /// The title: one sentence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }
        }
    };
}

codes! {
    /// No session, an ended one, or one that this request has no authority over.
    InvalidSession = "invalid_session", 401, "This session cannot do that.";
    /// The signature or the interaction proof does not hold.
    InvalidProof = "invalid_proof", 403, "The request's signature or proof does not hold.";
    /// The nonce or the time is no longer valid: sign again with a fresh nonce.
    UseFreshNonce = "use_fresh_nonce", 401, "Sign the request again with a fresh nonce.";
    /// A request with this nonce was accepted before: it is not executed again. Ask for its outcome.
    NonceUsed = "nonce_used", 409, "This request was received before.";
    /// The user must confirm this in the confirmation window.
    StepUpRequired = "step_up_required", 403, "This must be confirmed.";
    /// The session is bound to a device, and the request lacks the device's cookie: send it again.
    DeviceProofRequired = "device_proof_required", 403, "The browser must prove that it is on the session's device.";
    /// The action needs a session that is bound to a device.
    DeviceBindingRequired = "device_binding_required", 403, "This needs a session that is bound to a device.";
    /// The user must sign this with a passkey in the confirmation window.
    PasskeyRequired = "passkey_required", 403, "This must be confirmed with a passkey.";
    /// The passkey cannot be added or removed; `detail` says why.
    PasskeyRejected = "passkey_rejected", 422, "This passkey cannot be used.";
    /// Too many requests; `Retry-After` has the seconds to wait.
    RateLimited = "rate_limited", 429, "Too many requests.";
    /// The server cannot decide at the moment, for example because the store is unavailable.
    Unavailable = "unavailable", 503, "The service is not available.";
    /// The request's origin may not make it.
    ForbiddenOrigin = "forbidden_origin", 403, "This origin may not do that.";
    /// The server does not understand the request.
    Malformed = "malformed", 400, "The request is malformed.";
    /// No account can have this login; `detail` says why.
    InvalidLogin = "invalid_login", 422, "Enter another user name.";
    /// Unknown user or wrong password. The response does not say which.
    WrongCredentials = "wrong_credentials", 401, "The user name or the password is wrong.";
    /// Another account has the user name.
    NameTaken = "name_taken", 409, "The user name is taken.";
    /// The password is not accepted; `detail` has the reason.
    WeakPassword = "weak_password", 422, "Choose another password.";
    /// The user has the maximum number of sessions, and the server is set to end none of them automatically.
    TooManySessions = "too_many_sessions", 409, "Sign out on another device first.";
}

/// Why the server ended a session before its expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The owner signed out.
    SignedOut,
    /// The owner exceeded the maximum number of sessions, and this one was the oldest.
    Replaced,
    /// The owner ended it from another session.
    Revoked,
    /// The token was used without the key.
    Stolen,
}

impl Ended {
    /// Every reason.
    pub const ALL: &'static [Self] = &[Self::SignedOut, Self::Replaced, Self::Revoked, Self::Stolen];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::Stolen => "stolen",
        }
    }
}

/// A problem document (RFC 9457 §3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`, because the code identifies the problem.
    pub r#type: String,
    /// [`Code::title`].
    pub title: String,
    /// With [`Code::InvalidLogin`], [`Code::WeakPassword`] and [`Code::PasskeyRejected`]: a sentence for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// [`Code::status`].
    pub status: u16,
    /// The code.
    pub code: Code,
    /// Seconds to wait, with [`Code::RateLimited`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// With [`Code::InvalidSession`]: why the session was ended, if it existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self {
            r#type: "about:blank".to_owned(),
            title: code.title().to_owned(),
            detail: None,
            status: code.status(),
            code,
            retry_after: None,
            ended: None,
        }
    }
}
