//! Moves money between accounts.

use std::time::SystemTime;

use actions::{Transfer, money::money};
use protocol::user::UserName;
use server::store::{RecordStore, StoreError};

use super::{Direction, Movement, history};
use crate::{
    account::store::{ATTEMPTS, AccountError, key, parse, write},
    error::AppError,
};

/// Why no money was moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
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
    /// An account cannot be read or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Account(error.into())
    }
}

impl From<TransferError> for AppError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Account(error) => error.into(),
            declined => Self::Declined(declined.to_string()),
        }
    }
}

/// Moves money from one account to another: both change, or neither.
///
/// # Errors
/// Every [`TransferError`].
pub async fn transfer(records: &dyn RecordStore, from: &UserName, order: Transfer) -> Result<(), TransferError> {
    let Transfer { to, amount, note } = order;
    if *from == to {
        return Err(TransferError::ToSelf);
    }
    let movement = |direction, other: &UserName| Movement {
        at: now(),
        direction,
        other: other.clone(),
        amount,
        note: note.clone(),
    };
    for _ in 0..ATTEMPTS {
        let found = records.read(&[key(from), key(&to)]).await?;
        let [mine, theirs] = found.as_slice() else { return Err(AccountError::Damaged(from.clone()).into()) };
        let (mut sender, sender_version) = parse(from, mine.as_ref())?;
        if theirs.is_none() {
            return Err(TransferError::UnknownRecipient(to));
        }
        let (mut recipient, recipient_version) = parse(&to, theirs.as_ref())?;
        let rest = sender.balance.checked_sub(amount.cents());
        sender.balance = rest.ok_or(TransferError::InsufficientFunds(sender.balance))?;
        let sum = recipient.balance.checked_add(amount.cents());
        recipient.balance = sum.ok_or_else(|| TransferError::Overflow(to.clone()))?;
        let archived = [
            history::add(from, &mut sender, movement(Direction::Sent, &to))?,
            history::add(&to, &mut recipient, movement(Direction::Received, from))?,
        ];
        let mut writes = vec![write(from, sender_version, &sender)?, write(&to, recipient_version, &recipient)?];
        writes.extend(archived.into_iter().flatten());
        if records.write(&writes).await? {
            return Ok(());
        }
    }
    Err(AccountError::Contended.into())
}

/// Unix time in ms.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use actions::{money::Amount, value::Note};
    use server::store::memory::MemoryStore;

    use super::*;
    use crate::{
        account::store::{account, opening},
        bank::OPENING_BALANCE,
    };

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
        let account = account(&store, &name("ada")).await.unwrap();
        assert_eq!((account.balance, account.history.len()), (OPENING_BALANCE, 0));
        assert_eq!(account.display_name.as_str(), "ada");
    }

    #[tokio::test]
    async fn transfer_changes_both_balances() {
        let store = bank().await;
        transfer(&store, &name("ada"), order("bob", 1_250)).await.unwrap();
        let (ada, bob) = (account(&store, &name("ada")).await.unwrap(), account(&store, &name("bob")).await.unwrap());
        assert_eq!((ada.balance, bob.balance), (98_750, 101_250));
        assert_eq!(ada.history[0].direction, Direction::Sent);
        assert_eq!((bob.history[0].direction, bob.history[0].other.as_str()), (Direction::Received, "ada"));
    }

    #[tokio::test]
    async fn transfer_above_balance_is_declined() {
        let store = bank().await;
        let error = transfer(&store, &name("ada"), order("bob", OPENING_BALANCE + 1)).await.unwrap_err();
        assert_eq!(AppError::from(error), AppError::Declined("You have 1,000.00 EUR. Send less.".into()));
        assert_eq!(account(&store, &name("bob")).await.unwrap().balance, OPENING_BALANCE);
    }

    #[tokio::test]
    async fn transfer_to_self_or_stranger_is_declined() {
        let store = bank().await;
        let to_self = transfer(&store, &name("ada"), order("ada", 1)).await.unwrap_err();
        let to_stranger = transfer(&store, &name("ada"), order("eve", 1)).await.unwrap_err();
        assert!(matches!(to_self, TransferError::ToSelf));
        assert!(matches!(to_stranger, TransferError::UnknownRecipient(_)));
        assert_eq!(account(&store, &name("ada")).await.unwrap().balance, OPENING_BALANCE);
    }

    #[tokio::test]
    async fn concurrent_transfers_keep_the_total() {
        let store = bank().await;
        let send = |from: &'static str, to: &'static str| {
            let store = &store;
            async move { transfer(store, &name(from), order(to, 7)).await }
        };
        let results = futures::future::join_all((0..40).map(|at| {
            let (from, to) = if at % 2 == 0 { ("ada", "bob") } else { ("bob", "ada") };
            send(from, to)
        }))
        .await;
        assert!(results.iter().any(Result::is_ok));
        let (ada, bob) = (account(&store, &name("ada")).await.unwrap(), account(&store, &name("bob")).await.unwrap());
        assert_eq!(ada.balance + bob.balance, 2 * OPENING_BALANCE);
        assert_eq!(ada.history.len(), results.iter().filter(|result| result.is_ok()).count());
    }

    /// Case 23: many small transfers displace no earlier ones.
    #[tokio::test]
    async fn history_is_paged_and_loses_nothing() {
        let store = bank().await;
        for cents in 1..=210 {
            transfer(&store, &name("ada"), order("bob", cents)).await.unwrap();
        }
        for user in ["ada", "bob"] {
            let user = name(user);
            let account = account(&store, &user).await.unwrap();
            let mut movements = account.history;
            assert!((50..100).contains(&movements.len()), "{}", movements.len());
            for page in (0..account.archived).rev() {
                movements.extend(history::page(&store, &user, page).await.unwrap());
            }
            let cents: Vec<_> = movements.iter().map(|movement| movement.amount.cents()).collect();
            assert_eq!(cents, (1..=210).rev().collect::<Vec<_>>(), "all, newest first");
            assert!(history::page(&store, &user, account.archived).await.unwrap().is_empty());
        }
    }
}
