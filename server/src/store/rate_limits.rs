//! Counters of requests per client IP, account or anything else that has a name.

use async_trait::async_trait;

use super::error::{Result, StoreError};
use crate::model::{Limit, Quota};

/// A counter of requests, with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Such as `refill:…`. Several counters of one call have a common part in braces, which is Redis Cluster's hash tag.
    pub name: String,
    /// The limit.
    pub limit: Limit,
}

/// The outcome of [`RateLimitStore::count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Within all limits, and counted. The quota is that of the counter with the fewest requests left.
    Within(Quota),
    /// Over a limit, and counted nowhere. The quota is that of the first counter that is over its limit.
    Over(Quota),
}

/// The quota with the fewest requests left.
pub(super) fn scarcest(quotas: Vec<Quota>) -> Result<Quota> {
    quotas.into_iter().min_by_key(|quota| quota.left).ok_or_else(|| StoreError::new("there is no counter"))
}

/// Counts requests in fixed windows. The limits of one session are part of
/// [`SessionStore::authorize_request`](super::sessions::SessionStore::authorize_request) instead.
#[async_trait]
pub trait RateLimitStore: Send + Sync + 'static {
    /// Counts one request in all of `counters`, unless the limit of one is reached. The limits hold exactly, however many
    /// calls run at once.
    async fn count(&self, counters: &[Counter], now: u64) -> Result<Counted>;
}
