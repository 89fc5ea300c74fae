//! [`PasskeyStore`]: what the server keeps of passkeys. PAN's own implementation is [`RecordPasskeys`].

use std::sync::Arc;

use async_trait::async_trait;
use protocol::{
    passkey::{PasskeyId, PasskeyName},
    recovery::CodeHash,
};
use serde::{Deserialize, Serialize};

use super::credential_key::CredentialKey;
use crate::{
    model::UserId,
    store::{Record, RecordKey, RecordStore, Result, StoreError, Write},
};

/// A passkey of a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential ID.
    pub id: PasskeyId,
    /// The user's name for it.
    pub name: PasskeyName,
    /// The public key.
    pub key: CredentialKey,
    /// The last signature counter; 0 if the authenticator has none.
    pub counter: u32,
    /// When it was added: Unix ms.
    pub created: u64,
    /// When it last signed: Unix ms.
    pub used: u64,
}

/// What the server keeps of a user's passkeys and recovery codes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UserPasskeys {
    /// The passkeys, the oldest first.
    pub passkeys: Vec<Passkey>,
    /// The recovery codes. A user without a passkey has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<RecoveryCodes>,
    /// When the user last used a recovery code: Unix ms, 0 if never. Sessions from before must sign in again to do what needed
    /// a passkey.
    #[serde(default)]
    pub recovered: u64,
}

/// A user's unused recovery codes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// When they were created: Unix ms.
    pub created: u64,
    /// Their hashes.
    pub hashes: Vec<CodeHash>,
}

impl UserPasskeys {
    /// The passkey with this credential ID.
    pub fn find(&self, id: &PasskeyId) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == *id)
    }
}

/// Keeps passkeys, with optimistic locking. Implement it to keep them in your own users table, and return it
/// in [`CredentialStore::passkey_store`](crate::auth::credentials::CredentialStore::passkey_store).
#[async_trait]
pub trait PasskeyStore: Send + Sync + 'static {
    /// A user's passkeys and recovery codes, and their version, which is 0 if nothing is stored.
    async fn read(&self, user: &UserId) -> Result<(UserPasskeys, u64)>;

    /// The user who has the passkey with this credential ID.
    async fn owner(&self, id: &PasskeyId) -> Result<Option<UserId>>;

    /// Replaces a user's passkeys and recovery codes. Returns `false`, and writes nothing, when the version is no longer `seen`,
    /// or when another user has one of these passkeys.
    async fn write(&self, user: &UserId, seen: u64, passkeys: &UserPasskeys) -> Result<bool>;
}

/// Passkeys in a record store: `passkeys:<user>`, and `passkey:<credential ID>` with the user's ID.
pub struct RecordPasskeys(Arc<dyn RecordStore>);

impl RecordPasskeys {
    /// The passkeys in these records.
    pub fn new(records: Arc<dyn RecordStore>) -> Self {
        Self(records)
    }

    async fn find(&self, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.0.read(&[key]).await?.into_iter().next().flatten())
    }
}

fn key_of(user: &UserId) -> RecordKey {
    RecordKey(format!("passkeys:{user}"))
}

fn key_of_id(id: &PasskeyId) -> RecordKey {
    RecordKey(format!("passkey:{id}"))
}

/// A record is never deleted: that of a removed passkey has no user.
fn owner_in(record: &Record) -> Result<Option<UserId>> {
    serde_json::from_str::<Option<String>>(&record.value)
        .map_err(StoreError::new)?
        .map(|user| UserId::parse(&user).map_err(StoreError::new))
        .transpose()
}

#[async_trait]
impl PasskeyStore for RecordPasskeys {
    async fn read(&self, user: &UserId) -> Result<(UserPasskeys, u64)> {
        match self.find(key_of(user)).await? {
            Some(Record { version, value }) => Ok((serde_json::from_str(&value).map_err(StoreError::new)?, version)),
            None => Ok((UserPasskeys::default(), 0)),
        }
    }

    async fn owner(&self, id: &PasskeyId) -> Result<Option<UserId>> {
        match self.find(key_of_id(id)).await? {
            Some(record) => owner_in(&record),
            None => Ok(None),
        }
    }

    async fn write(&self, user: &UserId, seen: u64, passkeys: &UserPasskeys) -> Result<bool> {
        let (before, _) = self.read(user).await?;
        let value = serde_json::to_string(passkeys).map_err(StoreError::new)?;
        let mut writes = vec![Write { key: key_of(user), seen, value }];
        let added = passkeys.passkeys.iter().filter(|passkey| before.find(&passkey.id).is_none());
        let removed = before.passkeys.iter().filter(|passkey| passkeys.find(&passkey.id).is_none());
        let changed = added.map(|passkey| (passkey, true)).chain(removed.map(|passkey| (passkey, false)));
        for (passkey, is_added) in changed {
            let key = key_of_id(&passkey.id);
            let record = self.find(key.clone()).await?;
            let owner = record.as_ref().map(owner_in).transpose()?.flatten();
            if owner.is_some_and(|owner| is_added || owner != *user) {
                return Ok(false);
            }
            let value = serde_json::to_string(&is_added.then(|| user.as_str())).map_err(StoreError::new)?;
            writes.push(Write { key, seen: record.map_or(0, |record| record.version), value });
        }
        self.0.write(&writes).await
    }
}
