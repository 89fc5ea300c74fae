//! The event log: events to push to users, in one order for all servers.

use std::time::Duration;

use async_trait::async_trait;
use protocol::push::{Cursor, Push};
use serde::{Deserialize, Serialize};

use super::error::Result;
use crate::model::UserId;

/// An event that is pushed to a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserEvent {
    /// The recipient.
    pub user: UserId,
    /// The content.
    pub push: Push,
}

/// The events after a cursor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// The events, oldest first; empty if there are none yet. `None` stands for an event that a server of another
    /// version has written and this one cannot read.
    Events(Vec<(Cursor, Option<UserEvent>)>),
    /// The cursor is not in the log any more, so events may have been missed.
    Gone,
}

/// Keeps the event log.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends an event and returns its cursor. The log keeps about the newest `keep` events.
    async fn publish(&self, event: &UserEvent, keep: usize, now: u64) -> Result<Cursor>;

    /// The cursor of the last event; [`Cursor::default`] for an empty log.
    async fn head(&self) -> Result<Cursor>;

    /// Up to `count` events after a cursor.
    async fn since(&self, after: Cursor, count: usize) -> Result<Since>;

    /// As [`EventStore::since`], but waits up to `timeout` for an event if there is none yet.
    async fn wait_since(&self, after: Cursor, count: usize, timeout: Duration) -> Result<Since>;
}
