//! Requests and responses of the sign origin (JSON bodies), and the statements that are signed there.
//!
//! Each statement contains its purpose, the server and what it authorises, so that a signature cannot be used for
//! another purpose.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{
    key::{Jwk, KeyThumbprint},
    signature::Signature,
    token::{Challenge, EntryTicket, Nonce, SessionHandle},
    user::Login,
};

/// Response of `GET /time`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Time {
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Response of `POST /challenge`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenged {
    /// The challenge to sign, valid for one request within 60 s.
    pub challenge: Challenge,
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Body of `POST /sign-in` and `POST /register`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The login, as typed, without surrounding white space.
    pub user: Login,
    /// The password, as typed.
    pub password: Password,
    /// The public half of the confirmation key.
    pub jwk: Jwk,
    /// The challenge.
    pub challenge: Challenge,
    /// The signature of [`sign_in_statement`] by the confirmation key.
    pub signature: Signature,
}

/// Response of `POST /sign-in` and `POST /register`. The cookie [`SIGN`](crate::message::cookie::SIGN) comes with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// The ticket that the page posts to `enter`, once.
    pub ticket: EntryTicket,
    /// The URL on the app origin to post the ticket to.
    pub enter: String,
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Body of `POST /bind`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// The public half of the frame key.
    pub jwk: Jwk,
    /// The challenge.
    pub challenge: Challenge,
    /// The signature of [`bind_statement`] by the frame key.
    pub signature: Signature,
}

/// Response of `POST /bind`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The session.
    pub session: SessionHandle,
    /// The first nonces; none while the key is pending.
    pub nonces: Vec<Nonce>,
    /// The server's clock: Unix time in ms.
    pub now: u64,
    /// Whether another frame key is bound. This one is then pending until
    /// [`RestoreBrowser`](crate::built_in::RestoreBrowser).
    pub pending: bool,
}

/// A password on its way to the server: cleared from memory when dropped, and never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps the password as typed.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The statement that the confirmation key signs at sign-in and registration. `authority` is the sign origin's.
pub fn sign_in_statement(authority: &str, challenge: &Challenge, key: &KeyThumbprint) -> String {
    format!("pan-sign-in/1\n{authority}\n{challenge}\n{key}")
}

/// The statement that the frame key signs to be bound. `authority` is the sign origin's.
pub fn bind_statement(authority: &str, challenge: &Challenge, key: &KeyThumbprint) -> String {
    format!("pan-bind/1\n{authority}\n{challenge}\n{key}")
}

/// The statement that the confirmation key signs to enter the app origin. `authority` is the app origin's;
/// `return_path` is as posted.
pub fn enter_statement(authority: &str, session: &SessionHandle, return_path: &str) -> String {
    format!("pan-enter/1\n{authority}\n{session}\n{return_path}")
}
