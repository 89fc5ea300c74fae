//! Counters of requests per client IP, account or anything else that has a name.

use async_trait::async_trait;

use super::error::Result;
use crate::model::{Limit, Quota};

/// The outcome of [`RateLimitStore::count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Within the limit, and counted.
    Within(Quota),
    /// Over the limit, and not counted.
    Over(Quota),
}

/// Counts requests in fixed windows. The limits of one session are part of
/// [`SessionStore::authorize_request`](super::sessions::SessionStore::authorize_request) instead.
#[async_trait]
pub trait RateLimitStore: Send + Sync + 'static {
    /// Counts one request of `counter` (such as `sign_in:ip:…`), unless the limit is reached. The limit holds exactly,
    /// however many calls run at once.
    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted>;
}
