//! [`CredentialStore`]: who may sign in. PAN's own implementation is [`Accounts`](super::accounts::Accounts).

use std::sync::Arc;

use async_trait::async_trait;
use protocol::user::Login;

use super::passwords::{PasswordError, WeakPassword};
use crate::{model::UserId, passkeys::store::PasskeyStore, store::StoreError};

/// Keeps the users' logins and passwords. Implement it to use your own users table (`examples/own-users`).
///
/// The server calls it in `POST /sign-in` and `POST /register`, after it has checked the request's source, key proof and
/// rate limits. Whatever the implementation, the server limits the attempts per login and per client IP, records them in
/// the audit log, and opens the session.
///
/// [`Passwords`](super::passwords::Passwords) hashes and checks passwords, with the same work for an unknown login.
#[async_trait]
pub trait CredentialStore: Send + Sync + 'static {
    /// How the sign-in and registration pages name the login.
    fn login_field(&self) -> LoginField;

    /// The one spelling of a login. Two logins of one account must have the same: the server counts attempts by it.
    ///
    /// # Errors
    /// [`InvalidLogin`] if no account can have this login.
    fn normalize(&self, login: &Login) -> Result<Login, InvalidLogin>;

    /// Checks a password. `login` is normalized.
    ///
    /// An unknown login must take as long as a wrong password; otherwise the time reveals which accounts exist.
    ///
    /// # Errors
    /// [`CredentialError::Busy`], [`CredentialError::Store`].
    async fn check(&self, login: &Login, password: &str) -> Result<PasswordCheck, CredentialError>;

    /// Whether users may register. If not, there is no registration page, and the server never calls
    /// [`register`](Self::register).
    fn allows_registration(&self) -> bool;

    /// Registers a user. `login` is normalized.
    ///
    /// # Errors
    /// Every [`CredentialError`].
    async fn register(&self, login: &Login, password: &str) -> Result<UserId, CredentialError>;

    /// The normalized login of a user, if the account exists and may sign in. The server asks at a sign-in with a passkey,
    /// which names only the user and does not call [`Self::check`]: return `None` for a suspended account. An ID must never
    /// become another user's, who would have the passkeys of the first.
    ///
    /// # Errors
    /// [`CredentialError::Store`].
    async fn login(&self, user: &UserId) -> Result<Option<Login>, CredentialError>;

    /// Where passkeys are kept: by default in the server's records.
    fn passkey_store(&self) -> Option<Arc<dyn PasskeyStore>> {
        None
    }
}

/// The login's input on the sign-in and registration pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginField {
    /// The label, such as "User name" or "E-mail address".
    pub label: &'static str,
    /// A hint below the input of the registration page, such as the allowed characters. May be empty.
    pub hint: &'static str,
}

/// The result of [`CredentialStore::check`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PasswordCheck {
    /// The password is right.
    Right(UserId),
    /// The password of this user is another one. The client does not learn that the user exists.
    Wrong(UserId),
    /// No user has this login.
    UnknownLogin,
}

/// No account can have this login. The text tells the user why: one sentence without the full stop.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLogin(pub String);

/// An error of a [`CredentialStore`].
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Another account has the login.
    #[error("the login is taken")]
    LoginTaken,
    /// The password is not accepted.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// A record of the new account was changed concurrently (503).
    #[error("a record of the new account was changed concurrently")]
    Conflict,
    /// The password hashing queue is full (503).
    #[error("the password hashing queue is full")]
    Busy,
    /// The users' table cannot answer, or holds a broken account (503).
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PasswordError> for CredentialError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Weak(weak) => Self::WeakPassword(weak),
            PasswordError::Busy => Self::Busy,
            PasswordError::Failed(source) => Self::Store(StoreError(source)),
        }
    }
}
