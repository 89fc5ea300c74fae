//! Accounts: a user name and a password.
//!
//! An account is a record, `account:<name>`, in the [store](crate::store). It is written as one that nobody has seen
//! before, so two registrations of one name cannot both win.

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

/// The fewest characters of a password, counted as code points after normalization.
///
/// 8 is the minimum of OWASP ASVS 5.0 (6.2.1). ASVS recommends 15, and NIST SP 800-63B-4 (§3.1.1.2) requires 15 where the
/// password is the only factor. PAN does not meet that: a short password must be hard to guess by an estimate instead, which
/// a length alone does not show. An application that needs AAL1 raises this number.
pub const MIN_PASSWORD_CHARS: usize = 8;

/// The most bytes of a password after normalization. It bounds the cost of hashing and leaves room for any passphrase.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// The most bytes of a password as it is sent. Longer ones are rejected before any work.
///
/// Decomposition makes UTF-8 at most three times as long (UAX #15, §9), so no accepted password is too long in another form.
pub const MAX_SENT_PASSWORD_BYTES: usize = 3 * MAX_PASSWORD_BYTES;

/// Why a password is not accepted at registration. The texts are for the user.
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

/// Why somebody was not registered or signed in.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AccountError {
    /// Somebody else has the name.
    #[error("the user name is taken")]
    NameTaken,
    /// The password is not accepted.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// No such account, or another password: it is not said which.
    #[error("the user name or the password is wrong")]
    WrongCredentials,
    /// A record that should be written together with the account was changed by somebody else meanwhile.
    #[error("a record of the new account was changed meanwhile")]
    Conflict,
    /// Too many passwords wait to be hashed: try again later (503).
    #[error("too many are signing in")]
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

/// Everybody who can sign in.
#[derive(Clone)]
pub struct Accounts {
    records: Arc<dyn RecordStore>,
    hasher: Hasher,
    context_words: Arc<[String]>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    /// A PHC string.
    password: String,
}

impl Accounts {
    /// The accounts in this store of records.
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        Self { records, hasher: Hasher::new(), context_words: CONTEXT_WORDS.map(str::to_owned).into() }
    }

    /// Adds words that make a password easy to guess, such as the names of the application.
    #[must_use]
    pub fn with_context_words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().filter(|word| !word.is_empty()).map(str::to_lowercase);
        self.context_words = self.context_words.iter().cloned().chain(words).collect();
        self
    }

    /// Makes an account.
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
    /// Every [`AccountError`] but `WrongCredentials` and `Conflict`.
    pub async fn register(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        self.register_with(name, password, Vec::new()).await
    }

    /// Makes an account together with records of the application, all or nothing: there is never an account without
    /// its data.
    ///
    /// # Errors
    /// As [`Accounts::register`]; [`AccountError::Conflict`] when one of `records` is no longer at the version seen.
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
        // Before the work of estimating and hashing; the write below is what decides.
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

    /// Checks a user name and a password. It takes as long for a name that nobody has.
    ///
    /// # Errors
    /// [`AccountError::WrongCredentials`], [`AccountError::Busy`], [`AccountError::Store`].
    pub async fn sign_in(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        // No account has such a password, so what this takes tells nothing about the name.
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

/// The password in the form that is hashed (RFC 8265, `OpaqueString`), unless it is too long.
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

    /// No limit on the work would be left if it came after the work.
    #[tokio::test]
    async fn too_long_password_reaches_no_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let accounts = Accounts { hasher: Hasher::with_cores(0), ..Accounts::new(Arc::new(MemoryStore::new())) };
        let (ada, long) = ("ada".parse()?, "x".repeat(MAX_PASSWORD_BYTES + 1));
        let registered = accounts.register(&ada, &long).await;
        assert!(matches!(registered, Err(AccountError::WeakPassword(WeakPassword::TooLong))), "{registered:?}");
        let signed_in = accounts.sign_in(&ada, &long).await;
        assert!(matches!(signed_in, Err(AccountError::WrongCredentials)), "{signed_in:?}");
        // As long as it may be: it gets as far as the hasher, which takes nothing.
        let registered = accounts.register(&ada, &long[1..]).await;
        assert!(matches!(registered, Err(AccountError::Busy)), "{registered:?}");
        Ok(())
    }

    #[test]
    fn too_long_input_is_rejected_before_normalizing() {
        // The error would otherwise name the control character.
        let long = "\t".repeat(MAX_SENT_PASSWORD_BYTES + 1);
        assert_eq!(normalize(&long), Err(WeakPassword::TooLong));
        assert_eq!(normalize(&long[1..]), Err(WeakPassword::Control('\t')));
    }

    /// Attack 17. How long it takes is measured by `examples/probing.rs`; a test that looks at a clock would fail by chance.
    #[tokio::test]
    async fn a_known_and_an_unknown_name_both_come_to_the_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let store = Arc::new(MemoryStore::new());
        let (ada, nobody) = ("ada".parse()?, "nobody".parse()?);
        Accounts::new(store.clone()).register(&ada, "correct horse").await?;
        // It takes nobody in, so whoever gets as far as hashing is told that it is busy.
        let accounts = Accounts { hasher: Hasher::with_cores(0), ..Accounts::new(store) };
        for name in [&ada, &nobody] {
            let told = accounts.sign_in(name, "wrong horse").await;
            assert!(matches!(told, Err(AccountError::Busy)), "{told:?}");
        }
        Ok(())
    }
}
