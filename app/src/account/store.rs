//! The accounts: one JSON record each, written with optimistic concurrency control.

use actions::value::DisplayName;
use client::ClientError;
use protocol::user::UserName;
use serde::{Deserialize, Serialize};
use server::{
    VerifiedRequest,
    store::{Record, RecordKey, RecordStore, StoreError, Write},
};

use super::Account;
use crate::error::AppError;

/// How often a change is attempted when other requests keep changing the same account.
pub(crate) const ATTEMPTS: usize = 16;

/// Why an account was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Other requests were faster at every attempt.
    #[error("other requests keep changing the same accounts")]
    Contended,
    /// The record of a signed-in user is missing or cannot be parsed.
    #[error("the account of {0} is missing or damaged")]
    Damaged(UserName),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccountError> for AppError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Contended => Self::Busy,
            AccountError::Store(error) => error.into(),
            AccountError::Damaged(_) => {
                tracing::error!(%error, "account");
                ClientError::Unavailable.into()
            }
        }
    }
}

/// An account as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    display_name: DisplayName,
    // <demo>
    pub(crate) balance: u64,
    /// The latest movements, newest first.
    pub(crate) history: Vec<crate::bank::Movement>,
    /// Number of archived pages of older movements.
    #[serde(default)]
    pub(crate) archived: u32,
    // </demo>
}

/// The write that opens a user's account.
///
/// # Errors
/// [`AccountError::Damaged`], which cannot happen: every user name is a display name.
pub(crate) fn opening(user: &UserName) -> Result<Write, AccountError> {
    let display_name = DisplayName::parse(user.as_str()).map_err(|_| AccountError::Damaged(user.clone()))?;
    let account = AccountRecord {
        display_name,
        // <demo>
        balance: crate::bank::OPENING_BALANCE,
        history: Vec::new(),
        archived: 0,
        // </demo>
    };
    write(user, 0, &account)
}

/// The records of a new account.
///
/// # Errors
/// As [`opening`].
pub fn new_account(user: &UserName) -> Result<Vec<Write>, StoreError> {
    opening(user).map(|write| vec![write]).map_err(|error| StoreError(Box::new(error)))
}

/// The owner of the requesting user's account: the user's ID is the user name.
///
/// # Errors
/// [`ClientError::Unavailable`] for the user of another credential store.
pub fn owner(request: &VerifiedRequest) -> Result<UserName, ClientError> {
    UserName::parse(request.user().as_str()).map_err(|_| ClientError::Unavailable)
}

/// The account of a user.
///
/// # Errors
/// [`AccountError::Damaged`], [`AccountError::Store`].
pub async fn account(records: &dyn RecordStore, user: &UserName) -> Result<Account, AccountError> {
    let (account, _version) = find(records, user).await?;
    Ok(Account {
        user: user.clone(),
        display_name: account.display_name,
        // <demo>
        balance: account.balance,
        history: account.history,
        archived: account.archived,
        // </demo>
    })
}

/// Changes the name that other users see.
///
/// # Errors
/// Every [`AccountError`].
pub async fn rename(records: &dyn RecordStore, user: &UserName, name: DisplayName) -> Result<(), AccountError> {
    for _ in 0..ATTEMPTS {
        let (mut account, version) = find(records, user).await?;
        account.display_name = name.clone();
        if records.write(&[write(user, version, &account)?]).await? {
            return Ok(());
        }
    }
    Err(AccountError::Contended)
}

async fn find(records: &dyn RecordStore, user: &UserName) -> Result<(AccountRecord, u64), AccountError> {
    let found = records.read(&[key(user)]).await?;
    parse(user, found.first().and_then(Option::as_ref))
}

pub(crate) fn key(user: &UserName) -> RecordKey {
    RecordKey(format!("ledger:{user}"))
}

/// An account and the version that was read.
pub(crate) fn parse(user: &UserName, record: Option<&Record>) -> Result<(AccountRecord, u64), AccountError> {
    record
        .and_then(|record| Some((serde_json::from_str(&record.value).ok()?, record.version)))
        .ok_or_else(|| AccountError::Damaged(user.clone()))
}

pub(crate) fn write(user: &UserName, seen: u64, account: &AccountRecord) -> Result<Write, AccountError> {
    let value = serde_json::to_string(account).map_err(|_| AccountError::Damaged(user.clone()))?;
    Ok(Write { key: key(user), seen, value })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use server::store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn rename_changes_the_display_name() {
        let (store, ada) = (MemoryStore::new(), UserName::parse("ada").unwrap());
        assert!(store.write(&[opening(&ada).unwrap()]).await.unwrap());
        assert_eq!(account(&store, &ada).await.unwrap().display_name.as_str(), "ada");
        rename(&store, &ada, DisplayName::parse("Ada L.").unwrap()).await.unwrap();
        assert_eq!(account(&store, &ada).await.unwrap().display_name.as_str(), "Ada L.");
    }

    #[tokio::test]
    async fn missing_account_is_an_error() {
        let result = account(&MemoryStore::new(), &UserName::parse("ada").unwrap()).await;
        assert!(matches!(result, Err(AccountError::Damaged(_))));
    }
}
