//! What the bank's pages and its ledger share: an account and its movements.

use actions::value::{Amount, DisplayName, Note};
use protocol::user::UserName;
use serde::{Deserialize, Serialize};

/// An account, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The owner.
    pub user: UserName,
    /// The name that other users see.
    pub display_name: DisplayName,
    /// In cents.
    pub balance: u64,
    /// The latest movements, newest first.
    pub history: Vec<Movement>,
}

/// A transfer into or out of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// Unix time in ms.
    pub at: u64,
    /// Whether the money was sent or received.
    pub direction: Direction,
    /// The recipient or the sender.
    pub other: UserName,
    /// The amount.
    pub amount: Amount,
    /// The sender's note.
    pub note: Note,
}

/// The direction of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Out of the account.
    Sent,
    /// Into the account.
    Received,
}
