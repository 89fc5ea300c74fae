//! Requests and replies of the sign origin (JSON bodies), and the texts that are signed there.
//!
//! Each signed text names its purpose, the server and what is authorised, so that no signature is good for anything else.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{
    key::{Jwk, KeyThumbprint},
    signature::Signature,
    token::{Challenge, EntryTicket, Nonce, SessionHandle},
    user::UserName,
};

/// Reply of `GET /time`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Time {
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Reply of `POST /challenge`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenged {
    /// What to sign: for one request, within 60 s.
    pub challenge: Challenge,
    /// The server's clock: Unix time in ms.
    pub now: u64,
}

/// Body of `POST /sign-in` and `POST /register`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user.
    pub user: UserName,
    /// The password, as typed.
    pub password: Password,
    /// The public half of the confirmation key.
    pub jwk: Jwk,
    /// The challenge.
    pub challenge: Challenge,
    /// Over [`sign_in_statement`], by the confirmation key.
    pub signature: Signature,
}

/// Reply of `POST /sign-in` and `POST /register`. The cookie [`SIGN`](crate::message::cookie::SIGN) comes with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// The ticket that the page posts to `enter`, once.
    pub ticket: EntryTicket,
    /// The URL on the app origin.
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
    /// Over [`bind_statement`], by the frame key.
    pub signature: Signature,
}

/// Reply of `POST /bind`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The session.
    pub session: SessionHandle,
    /// The first nonces; none while the key is pending.
    pub nonces: Vec<Nonce>,
    /// The server's clock: Unix time in ms.
    pub now: u64,
    /// Whether another frame key is bound: this one then waits for [`RestoreBrowser`](crate::built_in::RestoreBrowser).
    pub pending: bool,
}

/// A password on its way to the server: cleared from memory when dropped, and never printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Takes what the user typed.
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

/// What the confirmation key signs at sign-in and registration. `authority` is the sign origin's.
pub fn sign_in_statement(authority: &str, challenge: &Challenge, key: &KeyThumbprint) -> String {
    format!("pan-sign-in/1\n{authority}\n{challenge}\n{key}")
}

/// What the frame key signs to be bound. `authority` is the sign origin's.
pub fn bind_statement(authority: &str, challenge: &Challenge, key: &KeyThumbprint) -> String {
    format!("pan-bind/1\n{authority}\n{challenge}\n{key}")
}

/// What the confirmation key signs to enter the app origin. `authority` is the app origin's, `return_path` as it is posted.
pub fn enter_statement(authority: &str, session: &SessionHandle, return_path: &str) -> String {
    format!("pan-enter/1\n{authority}\n{session}\n{return_path}")
}
