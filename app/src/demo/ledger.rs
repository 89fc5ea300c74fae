//! The bank's ledger: one JSON record per account, written with optimistic concurrency control.

use std::time::SystemTime;

use actions::{
    Transfer,
    value::{DisplayName, money},
};
use client::ClientError;
use protocol::user::UserName;
use serde::{Deserialize, Serialize};
use server::{
    VerifiedRequest,
    store::{Record, RecordKey, RecordStore, StoreError, Write},
};

use super::account::{Account, Direction, Movement};
use crate::error::AppError;

/// What a new account holds, in cents.
const OPENING_BALANCE: u64 = 100_000;

/// How many movements are kept.
const HISTORY: usize = 50;

/// How often a change is attempted when other requests keep changing the same accounts.
const ATTEMPTS: usize = 16;

/// Why the ledger was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The balance is too low.
    #[error("You have {}. Send less.", money(*.0))]
    InsufficientFunds(u64),
    /// No user of that name.
    #[error("No user named {0}. Check the spelling.")]
    UnknownRecipient(UserName),
    /// Sender and recipient are the same user.
    #[error("This is your own account. Enter another recipient.")]
    ToSelf,
    /// The amount would overflow the recipient's balance.
    #[error("{0} cannot receive that much.")]
    Overflow(UserName),
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

impl From<LedgerError> for AppError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::InsufficientFunds(_)
            | LedgerError::UnknownRecipient(_)
            | LedgerError::ToSelf
            | LedgerError::Overflow(_) => Self::Declined(error.to_string()),
            LedgerError::Contended => Self::Busy,
            LedgerError::Store(error) => error.into(),
            LedgerError::Damaged(_) => {
                tracing::error!(%error, "ledger");
                ClientError::Unavailable.into()
            }
        }
    }
}

/// One account as it is stored.
#[derive(Clone, Serialize, Deserialize)]
struct Book {
    display_name: DisplayName,
    balance: u64,
    /// Newest first.
    history: Vec<Movement>,
}

impl Book {
    fn note(&mut self, movement: Movement) {
        self.history.insert(0, movement);
        self.history.truncate(HISTORY);
    }
}

/// The write that opens a user's account.
///
/// # Errors
/// [`LedgerError::Damaged`], which cannot happen: every user name is a display name.
pub fn opening(user: &UserName) -> Result<Write, LedgerError> {
    let display_name = DisplayName::parse(user.as_str()).map_err(|_| LedgerError::Damaged(user.clone()))?;
    write(user, 0, &Book { display_name, balance: OPENING_BALANCE, history: Vec::new() })
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

/// The ledger in a store.
pub struct Ledger<'a>(&'a dyn RecordStore);

impl<'a> Ledger<'a> {
    /// The ledger in that store.
    pub fn new(store: &'a dyn RecordStore) -> Self {
        Self(store)
    }

    /// The account of a user.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`], [`LedgerError::Store`].
    pub async fn account(&self, user: &UserName) -> Result<Account, LedgerError> {
        let (book, _) = self.book(user).await?;
        let Book { display_name, balance, history } = book;
        Ok(Account { user: user.clone(), display_name, balance, history })
    }

    /// Changes the name that other users see.
    ///
    /// # Errors
    /// [`LedgerError::Contended`], and as [`Ledger::account`].
    pub async fn rename(&self, user: &UserName, name: DisplayName) -> Result<(), LedgerError> {
        for _ in 0..ATTEMPTS {
            let (mut book, seen) = self.book(user).await?;
            book.display_name = name.clone();
            if self.0.write(&[write(user, seen, &book)?]).await? {
                return Ok(());
            }
        }
        Err(LedgerError::Contended)
    }

    /// Moves money from one account to another: both change, or neither.
    ///
    /// # Errors
    /// Every [`LedgerError`].
    pub async fn transfer(&self, from: &UserName, order: Transfer) -> Result<(), LedgerError> {
        let Transfer { to, amount, note } = order;
        if *from == to {
            return Err(LedgerError::ToSelf);
        }
        let movement = |direction, other: &UserName| Movement {
            at: now(),
            direction,
            other: other.clone(),
            amount,
            note: note.clone(),
        };
        for _ in 0..ATTEMPTS {
            let records = self.0.read(&[key(from), key(&to)]).await?;
            let [mine, theirs] = records.as_slice() else { return Err(LedgerError::Damaged(from.clone())) };
            let (mut from_book, from_seen) = read(from, mine.as_ref())?;
            if theirs.is_none() {
                return Err(LedgerError::UnknownRecipient(to));
            }
            let (mut to_book, to_seen) = read(&to, theirs.as_ref())?;
            let rest = from_book.balance.checked_sub(amount.cents());
            from_book.balance = rest.ok_or(LedgerError::InsufficientFunds(from_book.balance))?;
            let sum = to_book.balance.checked_add(amount.cents());
            to_book.balance = sum.ok_or_else(|| LedgerError::Overflow(to.clone()))?;
            from_book.note(movement(Direction::Sent, &to));
            to_book.note(movement(Direction::Received, from));
            if self.0.write(&[write(from, from_seen, &from_book)?, write(&to, to_seen, &to_book)?]).await? {
                return Ok(());
            }
        }
        Err(LedgerError::Contended)
    }

    async fn book(&self, user: &UserName) -> Result<(Book, u64), LedgerError> {
        let records = self.0.read(&[key(user)]).await?;
        read(user, records.first().and_then(Option::as_ref))
    }
}

fn key(user: &UserName) -> RecordKey {
    RecordKey(format!("ledger:{user}"))
}

/// An account and the version that was read.
fn read(user: &UserName, record: Option<&Record>) -> Result<(Book, u64), LedgerError> {
    record
        .and_then(|record| Some((serde_json::from_str(&record.value).ok()?, record.version)))
        .ok_or_else(|| LedgerError::Damaged(user.clone()))
}

fn write(user: &UserName, seen: u64, book: &Book) -> Result<Write, LedgerError> {
    let value = serde_json::to_string(book).map_err(|_| LedgerError::Damaged(user.clone()))?;
    Ok(Write { key: key(user), seen, value })
}

/// Unix time in ms.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use actions::value::{Amount, Note};
    use server::store::memory::MemoryStore;

    use super::*;

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn order(to: &str, cents: u64) -> Transfer {
        Transfer { to: name(to), amount: Amount::try_from(cents).unwrap(), note: Note::parse("rent").unwrap() }
    }

    async fn bank() -> MemoryStore {
        let store = MemoryStore::new();
        assert!(store.write(&[opening(&name("ada")).unwrap(), opening(&name("bob")).unwrap()]).await.unwrap());
        store
    }

    #[tokio::test]
    async fn new_account_has_opening_balance_and_no_history() {
        let store = bank().await;
        let account = Ledger::new(&store).account(&name("ada")).await.unwrap();
        assert_eq!((account.balance, account.history.len()), (OPENING_BALANCE, 0));
        assert_eq!(account.display_name.as_str(), "ada");
    }

    #[tokio::test]
    async fn transfer_changes_both_balances() {
        let store = bank().await;
        let ledger = Ledger::new(&store);
        ledger.transfer(&name("ada"), order("bob", 1_250)).await.unwrap();
        let (ada, bob) = (ledger.account(&name("ada")).await.unwrap(), ledger.account(&name("bob")).await.unwrap());
        assert_eq!((ada.balance, bob.balance), (98_750, 101_250));
        assert_eq!(ada.history[0].direction, Direction::Sent);
        assert_eq!((bob.history[0].direction, bob.history[0].other.as_str()), (Direction::Received, "ada"));
    }

    #[tokio::test]
    async fn transfer_above_balance_is_declined() {
        let store = bank().await;
        let ledger = Ledger::new(&store);
        let error = ledger.transfer(&name("ada"), order("bob", OPENING_BALANCE + 1)).await.unwrap_err();
        assert_eq!(AppError::from(error), AppError::Declined("You have 1,000.00 EUR. Send less.".into()));
        assert_eq!(ledger.account(&name("bob")).await.unwrap().balance, OPENING_BALANCE);
    }

    #[tokio::test]
    async fn transfer_to_self_or_stranger_is_declined() {
        let store = bank().await;
        let ledger = Ledger::new(&store);
        let to_self = ledger.transfer(&name("ada"), order("ada", 1)).await.unwrap_err();
        let to_stranger = ledger.transfer(&name("ada"), order("eve", 1)).await.unwrap_err();
        assert!(matches!(to_self, LedgerError::ToSelf));
        assert!(matches!(to_stranger, LedgerError::UnknownRecipient(_)));
        assert_eq!(ledger.account(&name("ada")).await.unwrap().balance, OPENING_BALANCE);
    }

    #[tokio::test]
    async fn concurrent_transfers_keep_the_total() {
        let store = bank().await;
        let send = |from: &'static str, to: &'static str| {
            let store = &store;
            async move { Ledger::new(store).transfer(&name(from), order(to, 7)).await }
        };
        let results = futures::future::join_all((0..40).map(|at| {
            let (from, to) = if at % 2 == 0 { ("ada", "bob") } else { ("bob", "ada") };
            send(from, to)
        }))
        .await;
        assert!(results.iter().any(Result::is_ok));
        let ledger = Ledger::new(&store);
        let (ada, bob) = (ledger.account(&name("ada")).await.unwrap(), ledger.account(&name("bob")).await.unwrap());
        assert_eq!(ada.balance + bob.balance, 2 * OPENING_BALANCE);
        assert_eq!(ada.history.len(), results.iter().filter(|result| result.is_ok()).count());
    }

    #[tokio::test]
    async fn history_is_limited_and_newest_first() {
        let store = bank().await;
        let ledger = Ledger::new(&store);
        for cents in 1..=60 {
            ledger.transfer(&name("ada"), order("bob", cents)).await.unwrap();
        }
        let history = ledger.account(&name("ada")).await.unwrap().history;
        assert_eq!((history.len(), history[0].amount.cents()), (HISTORY, 60));
    }

    #[tokio::test]
    async fn rename_changes_the_display_name() {
        let store = bank().await;
        let ledger = Ledger::new(&store);
        ledger.rename(&name("ada"), DisplayName::parse("Ada L.").unwrap()).await.unwrap();
        assert_eq!(ledger.account(&name("ada")).await.unwrap().display_name.as_str(), "Ada L.");
    }
}
