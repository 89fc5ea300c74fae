//! The history of an account: the latest movements in the account's record, older ones in pages that never change.
//!
//! Many small transfers therefore displace no earlier ones, and the account's record stays small.

use protocol::user::UserName;
use server::store::{RecordKey, RecordStore, Write};

use super::Movement;
use crate::account::store::{AccountError, AccountRecord};

/// Number of movements of an archived page. The account's record holds fewer than twice as many.
const PAGE: usize = 50;

/// Adds a movement. Returns the write of the page that is archived, if the record is full.
///
/// # Errors
/// [`AccountError::Damaged`] if the movements have no JSON, which cannot happen.
pub(super) fn add(
    user: &UserName,
    account: &mut AccountRecord,
    movement: Movement,
) -> Result<Option<Write>, AccountError> {
    account.history.insert(0, movement);
    if account.history.len() < 2 * PAGE {
        return Ok(None);
    }
    let value = serde_json::to_string(&account.history.split_off(PAGE));
    let key = key(user, account.archived);
    account.archived += 1;
    Ok(Some(Write { key, seen: 0, value: value.map_err(|_| AccountError::Damaged(user.clone()))? }))
}

/// The movements of an archived page, newest first; none if there is no such page.
///
/// # Errors
/// [`AccountError::Damaged`], [`AccountError::Store`].
pub async fn page(records: &dyn RecordStore, user: &UserName, page: u32) -> Result<Vec<Movement>, AccountError> {
    match records.read(&[key(user, page)]).await?.into_iter().next().flatten() {
        Some(record) => serde_json::from_str(&record.value).map_err(|_| AccountError::Damaged(user.clone())),
        None => Ok(Vec::new()),
    }
}

fn key(user: &UserName, page: u32) -> RecordKey {
    RecordKey(format!("history:{user}:{page}"))
}
