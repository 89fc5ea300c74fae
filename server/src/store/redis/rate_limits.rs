//! Request counters in Redis.

use async_trait::async_trait;

use super::{
    RedisStore,
    decode::parse_quota,
    script::{Call, ms},
};
use crate::{
    model::Limit,
    store::{
        error::Result,
        rate_limits::{Counted, RateLimitStore},
    },
};

#[async_trait]
impl RateLimitStore for RedisStore {
    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted> {
        let call = Call::new([format!("ratelimit:{counter}")], "count", now).arg(limit.max).arg(ms(limit.window));
        let (is_within, left, reset): (bool, String, String) = self.run(call).await?;
        let quota = parse_quota(limit, &left, &reset)?;
        Ok(if is_within { Counted::Within(quota) } else { Counted::Over(quota) })
    }
}
