//! The demo: a bank, in which users send money to each other. `scripts/delete-demo.sh` deletes it.

use actions::{money::Amount, value::Note};
use protocol::user::UserName;
use serde::{Deserialize, Serialize};

pub mod api;
#[cfg(feature = "ssr")]
pub mod history;
#[cfg(feature = "ssr")]
pub mod ledger;
pub mod page;

/// What a new account holds, in cents.
#[cfg(feature = "ssr")]
pub(crate) const OPENING_BALANCE: u64 = 100_000;

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
