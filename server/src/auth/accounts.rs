//! Accounts: a user name and a password.
//!
//! An account is a record, `account:<name>`, in the [store](crate::store). It is written only if the record does not
//! exist, so of two concurrent registrations of one name only one succeeds.

use std::sync::Arc;

use protocol::user::UserName;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    auth::opaque_string::{self, Disallowed},
    auth::password::{HashError, Hasher},
    auth::password_strength,
    store::{Record, RecordKey, RecordStore, StoreError, Write},
};

/// Minimum length of a password in characters, counted as code points after normalization.
///
/// 8 is the minimum of OWASP ASVS 5.0 (6.2.1). ASVS recommends 15, and NIST SP 800-63B-4 (§3.1.1.2) requires 15 where
/// the password is the only factor. PAN does not meet that: instead, a strength estimate must show that the password is
/// hard to guess, which a length alone does not show. An application that needs AAL1 raises this number.
pub const MIN_PASSWORD_CHARS: usize = 8;

/// Maximum length of a password after normalization, in bytes. It bounds the hashing cost and fits any passphrase.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Maximum length of a password as sent, in bytes. Longer ones are rejected before any work.
///
/// Decomposition makes UTF-8 at most three times as long (UAX #15, §9), so every form of an accepted password fits.
pub const MAX_SENT_PASSWORD_BYTES: usize = 3 * MAX_PASSWORD_BYTES;

/// Why registration rejects a password. The messages are for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARS`].
    #[error("this password has fewer than {MIN_PASSWORD_CHARS} characters. Add a word or two")]
    TooShort,
    /// More than [`MAX_PASSWORD_BYTES`].
    #[error("this password is longer than {MAX_PASSWORD_BYTES} bytes. Use a shorter one")]
    TooLong,
    /// A control character, such as a tab.
    #[error("this password contains a control character (U+{:04X}). Leave it out", u32::from(*.0))]
    Control(char),
    /// A code point without a character: another device may not be able to type it.
    #[error("this password contains a code point that is not a character (U+{:04X}). Leave it out", u32::from(*.0))]
    Unassigned(char),
    /// A code point that RFC 8265 does not allow, often an invisible one.
    #[error(
        "this password contains a character that another device may not type the same way (U+{:04X}). Leave it out",
        u32::from(*.0)
    )]
    Disallowed(char),
    /// A common password, a password made of context words, or another one that is easy to guess: with advice.
    #[error("{0}")]
    Guessable(String),
}

impl From<Disallowed> for WeakPassword {
    fn from(error: Disallowed) -> Self {
        match error {
            Disallowed::Empty => Self::TooShort,
            Disallowed::Control(c) => Self::Control(c),
            Disallowed::Unassigned(c) => Self::Unassigned(c),
            Disallowed::Other(c) => Self::Disallowed(c),
        }
    }
}

/// Words that make a password easy to guess on every installation (ASVS 6.1.2). The user name and the labels of the
/// host names are added to them.
const CONTEXT_WORDS: [&str; 1] = ["pan"];

/// An error of registration or sign-in.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AccountError {
    /// The user name is taken.
    #[error("the user name is taken")]
    NameTaken,
    /// The password is not accepted.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The user name or the password is wrong. The error does not say which.
    #[error("the user name or the password is wrong")]
    WrongCredentials,
    /// A record of the new account was changed concurrently.
    #[error("a record of the new account was changed concurrently")]
    Conflict,
    /// The password hashing queue is full (503).
    #[error("the password hashing queue is full")]
    Busy,
    /// The store cannot answer, or holds a broken account (503).
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed(source) => Self::Store(StoreError(source)),
        }
    }
}

/// The user accounts in a store.
#[derive(Clone)]
pub struct Accounts {
    records: Arc<dyn RecordStore>,
    hasher: Hasher,
    context_words: Arc<[String]>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    /// The password hash as a PHC string.
    password: String,
}

impl Accounts {
    /// The accounts in a record store.
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        Self { records, hasher: Hasher::new(), context_words: CONTEXT_WORDS.map(str::to_owned).into() }
    }

    /// Adds context words that make a password easy to guess, such as the application's name.
    #[must_use]
    pub fn with_context_words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().filter(|word| !word.is_empty()).map(str::to_lowercase);
        self.context_words = self.context_words.iter().cloned().chain(words).collect();
        self
    }

    /// Registers an account.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use server::{auth::accounts::{AccountError, Accounts}, store::memory::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), AccountError> {
    /// let accounts = Accounts::new(Arc::new(MemoryStore::new()));
    /// # let Ok(ada) = "ada".parse() else { return Ok(()) };
    /// accounts.register(&ada, "correct horse").await?;
    /// accounts.sign_in(&ada, "correct horse").await?;
    /// assert!(matches!(accounts.sign_in(&ada, "wrong horse").await, Err(AccountError::WrongCredentials)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Every [`AccountError`] except `WrongCredentials` and `Conflict`.
    pub async fn register(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        self.register_with(name, password, Vec::new()).await
    }

    /// Registers an account and writes records of the application atomically, so no account is without its data.
    ///
    /// # Errors
    /// As [`Accounts::register`]; [`AccountError::Conflict`] if one of `records` has another version in the store.
    pub async fn register_with(
        &self,
        name: &UserName,
        password: &str,
        records: Vec<Write>,
    ) -> Result<(), AccountError> {
        let password = normalize(password)?;
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(WeakPassword::TooShort.into());
        }
        // An early check that saves the estimate and the hash. The write below decides.
        if self.find(name).await?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let advice = {
            let (password, name, words) = (password.clone(), name.clone(), self.context_words.clone());
            self.hasher.queue(move || password_strength::advice(&password, name.as_str(), &words)).await?
        };
        if let Some(advice) = advice {
            return Err(WeakPassword::Guessable(advice).into());
        }
        let account = Account { password: self.hasher.hash(&password).await? };
        let value = serde_json::to_string(&account).map_err(broken)?;
        let mut writes = vec![Write { key: key(name), seen: 0, value }];
        writes.extend(records);
        if self.records.write(&writes).await? {
            Ok(())
        } else if self.find(name).await?.is_some() {
            Err(AccountError::NameTaken)
        } else {
            Err(AccountError::Conflict)
        }
    }

    /// Checks a user name and a password. An unknown user name takes the same time.
    ///
    /// # Errors
    /// [`AccountError::WrongCredentials`], [`AccountError::Busy`], [`AccountError::Store`].
    pub async fn sign_in(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        // No account has such a password, so the time of this rejection reveals nothing about the name.
        let password = normalize(password).map_err(|_| AccountError::WrongCredentials)?;
        let hash = self.find(name).await?.map(|account| account.password);
        self.hasher.verify(&password, hash).await?.then_some(()).ok_or(AccountError::WrongCredentials)
    }

    async fn find(&self, name: &UserName) -> Result<Option<Account>, AccountError> {
        let found = self.records.read(&[key(name)]).await?.into_iter().next().flatten();
        let account = found.map(|Record { value, .. }| serde_json::from_str(&value)).transpose();
        Ok(account.map_err(broken)?)
    }
}

fn key(name: &UserName) -> RecordKey {
    RecordKey(format!("account:{name}"))
}

fn broken(error: serde_json::Error) -> StoreError {
    StoreError(Box::new(error))
}

/// The normalized password that is hashed (RFC 8265, `OpaqueString`), unless it is too long.
fn normalize(sent: &str) -> Result<Zeroizing<String>, WeakPassword> {
    if sent.len() > MAX_SENT_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let password = opaque_string::enforce(sent)?;
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::memory::MemoryStore;

    /// The length limit must precede the work that it bounds.
    #[tokio::test]
    async fn too_long_password_reaches_no_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let accounts = Accounts { hasher: Hasher::with_cores(0), ..Accounts::new(Arc::new(MemoryStore::new())) };
        let (ada, long) = ("ada".parse()?, "x".repeat(MAX_PASSWORD_BYTES + 1));
        let registered = accounts.register(&ada, &long).await;
        assert!(matches!(registered, Err(AccountError::WeakPassword(WeakPassword::TooLong))), "{registered:?}");
        let signed_in = accounts.sign_in(&ada, &long).await;
        assert!(matches!(signed_in, Err(AccountError::WrongCredentials)), "{signed_in:?}");
        // The maximum length: the password reaches the hasher, whose queue is full.
        let registered = accounts.register(&ada, &long[1..]).await;
        assert!(matches!(registered, Err(AccountError::Busy)), "{registered:?}");
        Ok(())
    }

    #[test]
    fn too_long_input_is_rejected_before_normalizing() {
        // Without the length check the error would be the control character.
        let long = "\t".repeat(MAX_SENT_PASSWORD_BYTES + 1);
        assert_eq!(normalize(&long), Err(WeakPassword::TooLong));
        assert_eq!(normalize(&long[1..]), Err(WeakPassword::Control('\t')));
    }

    /// Attack 17. `examples/user_enumeration.rs` measures the time; a test of the time would fail by chance.
    #[tokio::test]
    async fn a_known_and_an_unknown_name_both_come_to_the_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let store = Arc::new(MemoryStore::new());
        let (ada, nobody) = ("ada".parse()?, "nobody".parse()?);
        Accounts::new(store.clone()).register(&ada, "correct horse").await?;
        // The hasher has no capacity, so every sign-in that reaches it gets the error `Busy`.
        let accounts = Accounts { hasher: Hasher::with_cores(0), ..Accounts::new(store) };
        for name in [&ada, &nobody] {
            let result = accounts.sign_in(name, "wrong horse").await;
            assert!(matches!(result, Err(AccountError::Busy)), "{result:?}");
        }
        Ok(())
    }
}
