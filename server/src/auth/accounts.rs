//! [`Accounts`]: PAN's own accounts, with a user name and a password.
//!
//! An account is a record, `account:<name>`, in the [store](crate::store). It is written only if the record does not
//! exist, so of two concurrent registrations of one name only one succeeds.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::user::{Login, UserName};
use serde::{Deserialize, Serialize};

use super::{
    credentials::{CredentialError, CredentialStore, InvalidLogin, LoginField, PasswordCheck},
    passwords::Passwords,
};
use crate::{
    model::UserId,
    store::{Record, RecordKey, RecordStore, StoreError, Write},
};

/// The rule of [`UserName`], for the registration page and for a login that breaks it.
const HINT: &str = "3 to 32 of a–z, 0–9, - and _, beginning with a letter.";
const INVALID: &str = "a user name has 3 to 32 of a–z, 0–9, - and _, and begins with a letter";

/// Gives the application's records of a new account. They are written with the account, atomically.
pub type NewAccount = fn(&UserName) -> Result<Vec<Write>, StoreError>;

/// The user accounts in a record store. A user's ID is the user name.
#[derive(Clone)]
pub struct Accounts {
    records: Arc<dyn RecordStore>,
    passwords: Passwords,
    new_account: Option<NewAccount>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    /// The password hash as a PHC string.
    password: String,
}

impl Accounts {
    /// The accounts in a record store. Users cannot register.
    pub fn new(records: Arc<dyn RecordStore>, passwords: Passwords) -> Self {
        Self { records, passwords, new_account: None }
    }

    /// Lets users register. `new_account` gives the application's records of a new account.
    #[must_use]
    pub fn with_registration(mut self, new_account: NewAccount) -> Self {
        self.new_account = Some(new_account);
        self
    }

    /// Registers an account and writes records of the application atomically, so no account is without its data.
    ///
    /// # Errors
    /// Every [`CredentialError`]; [`CredentialError::Conflict`] if one of `records` has another version in the store.
    pub async fn create(&self, name: &UserName, password: &str, records: Vec<Write>) -> Result<(), CredentialError> {
        // An early check that saves the estimate and the hash. The write below decides.
        if self.find(name).await?.is_some() {
            return Err(CredentialError::LoginTaken);
        }
        let account = Account { password: self.passwords.hash(name.as_str(), password).await? };
        let value = serde_json::to_string(&account).map_err(StoreError::new)?;
        let mut writes = vec![Write { key: key(name), seen: 0, value }];
        writes.extend(records);
        if self.records.write(&writes).await? {
            Ok(())
        } else if self.find(name).await?.is_some() {
            Err(CredentialError::LoginTaken)
        } else {
            Err(CredentialError::Conflict)
        }
    }

    async fn find(&self, name: &UserName) -> Result<Option<Account>, StoreError> {
        let found = self.records.read(&[key(name)]).await?.into_iter().next().flatten();
        found.map(|Record { value, .. }| serde_json::from_str(&value)).transpose().map_err(StoreError::new)
    }
}

#[async_trait]
impl CredentialStore for Accounts {
    fn login_field(&self) -> LoginField {
        LoginField { label: "User name", hint: HINT }
    }

    fn normalize(&self, login: &Login) -> Result<Login, InvalidLogin> {
        name(login).map(|_| login.clone()).ok_or_else(|| InvalidLogin(INVALID.to_owned()))
    }

    async fn check(&self, login: &Login, password: &str) -> Result<PasswordCheck, CredentialError> {
        let Some(name) = name(login) else { return Ok(PasswordCheck::UnknownLogin) };
        let account = self.find(&name).await?;
        let user = account.is_some().then(|| UserId::from(&name));
        let is_right = self.passwords.verify(password, account.map(|account| account.password)).await?;
        Ok(match user {
            Some(user) if is_right => PasswordCheck::Right(user),
            Some(user) => PasswordCheck::Wrong(user),
            None => PasswordCheck::UnknownLogin,
        })
    }

    fn allows_registration(&self) -> bool {
        self.new_account.is_some()
    }

    async fn register(&self, login: &Login, password: &str) -> Result<UserId, CredentialError> {
        let name = name(login).ok_or_else(|| StoreError::new("the login was not normalized"))?;
        let records = self.new_account.map(|new_account| new_account(&name)).transpose()?;
        self.create(&name, password, records.unwrap_or_default()).await?;
        Ok(UserId::from(&name))
    }

    async fn login(&self, user: &UserId) -> Result<Option<Login>, CredentialError> {
        let Ok(name) = UserName::parse(user.as_str()) else { return Ok(None) };
        let login = Login::parse(name.as_str()).ok();
        Ok(login.zip(self.find(&name).await?).map(|(login, _)| login))
    }
}

fn name(login: &Login) -> Option<UserName> {
    UserName::parse(login.as_str()).ok()
}

fn key(name: &UserName) -> RecordKey {
    RecordKey(format!("account:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    /// Attack 17. `examples/user_enumeration.rs` measures the time; a test of the time would fail by chance.
    #[tokio::test]
    async fn known_and_unknown_name_both_reach_the_hasher() -> Result<(), Box<dyn std::error::Error>> {
        let store = Arc::new(MemoryStore::new());
        let accounts = Accounts::new(store.clone(), Passwords::with_cores(1));
        accounts.create(&"ada".parse()?, "correct horse", Vec::new()).await?;
        // The hasher has no capacity, so every sign-in that reaches it gets the error `Busy`.
        let accounts = Accounts::new(store, Passwords::with_cores(0));
        for login in ["ada", "unknown"] {
            let result = accounts.check(&login.parse()?, "wrong horse").await;
            assert!(matches!(result, Err(CredentialError::Busy)), "{result:?}");
        }
        Ok(())
    }
}
