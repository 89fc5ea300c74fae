//! Accounts: a user name and a password.
//!
//! An account is a record, `account:<name>`, in the [store](crate::store). It is written as one that nobody has seen
//! before, so two registrations of one name cannot both win.

use protocol::value::UserName;
use serde::{Deserialize, Serialize};

use crate::{
    password::{HashError, Hasher},
    store::{Record, RecordKey, SharedStore, StoreError, Write},
};

/// The fewest characters of a password.
///
/// 8 is the least that OWASP ASVS 5.0 (6.2.1) accepts. With fewer, a stolen hash falls to trying all of them, however
/// slow Argon2id makes each try. More (ASVS and NIST SP 800-63B-4 recommend 15 where the password is all there is)
/// would turn people away from a demonstration, and what follows a sign-in is guarded by the bound key; an application
/// that wants more raises this number. There are no rules of composition: they make passwords predictable.
pub const MIN_PASSWORD_CHARS: usize = 8;

/// The most bytes of a password: room for any passphrase, and a bound on what hashing one can cost.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Why a password is not accepted at registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARS`].
    #[error("the password must have at least {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    /// More than [`MAX_PASSWORD_BYTES`].
    #[error("the password must have at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// It is the user name, in whatever case.
    #[error("the password must not be the user name")]
    IsUserName,
}

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
    store: SharedStore,
    hasher: Hasher,
}

#[derive(Serialize, Deserialize)]
struct Account {
    /// A PHC string.
    password: String,
}

impl Accounts {
    /// The accounts in this store.
    pub fn new(store: SharedStore) -> Self {
        Self { store, hasher: Hasher::new() }
    }

    /// Makes an account.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use server::{accounts::{AccountError, Accounts}, store::memory::MemoryStore};
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
        check(name, password)?;
        // Before the work of hashing; the write below is what decides.
        if self.find(name).await?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let account = Account { password: self.hasher.hash(password).await? };
        let value = serde_json::to_string(&account).map_err(broken)?;
        let mut writes = vec![Write { key: key(name), seen: 0, value }];
        writes.extend(records);
        if self.store.write(&writes).await? {
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
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(AccountError::WrongCredentials);
        }
        let hash = self.find(name).await?.map(|account| account.password);
        self.hasher.verify(password, hash).await?.then_some(()).ok_or(AccountError::WrongCredentials)
    }

    async fn find(&self, name: &UserName) -> Result<Option<Account>, AccountError> {
        let found = self.store.read(&[key(name)]).await?.into_iter().next().flatten();
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

fn check(name: &UserName, password: &str) -> Result<(), WeakPassword> {
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(WeakPassword::TooShort);
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    if password.eq_ignore_ascii_case(name.as_str()) {
        return Err(WeakPassword::IsUserName);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::memory::MemoryStore;

    /// Attack 17. How long it takes is measured by `examples/probing.rs`; a test that looks at a clock would fail by chance.
    #[tokio::test]
    async fn a_known_and_an_unknown_name_both_come_to_the_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let store = Arc::new(MemoryStore::new());
        let (ada, nobody) = ("ada".parse()?, "nobody".parse()?);
        Accounts::new(store.clone()).register(&ada, "correct horse").await?;
        // It takes nobody in, so whoever gets as far as hashing is told that it is busy.
        let accounts = Accounts { store, hasher: Hasher::with_cores(0) };
        for name in [&ada, &nobody] {
            let told = accounts.sign_in(name, "wrong horse").await;
            assert!(matches!(told, Err(AccountError::Busy)), "{told:?}");
        }
        Ok(())
    }
}
