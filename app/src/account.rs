//! A user's account: what its owner sees, the server functions, and the records in the store.

use actions::value::DisplayName;
use protocol::user::UserName;
use serde::{Deserialize, Serialize};

pub mod api;
#[cfg(feature = "ssr")]
pub mod store;

/// An account, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The owner.
    pub user: UserName,
    /// The name that other users see.
    pub display_name: DisplayName,
    // <demo>
    /// In cents.
    pub balance: u64,
    /// The latest movements, newest first.
    pub history: Vec<crate::bank::Movement>,
    /// Number of archived pages of older movements: [`read_history`](crate::bank::api::read_history).
    pub archived: u32,
    // </demo>
}
