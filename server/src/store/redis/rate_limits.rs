//! Request counters in Redis.

use async_trait::async_trait;

use super::{
    RedisStore,
    decode::parse_quota,
    script::{Call, ms},
};
use crate::store::{
    error::Result,
    rate_limits::{Counted, Counter, RateLimitStore, scarcest},
};

#[async_trait]
impl RateLimitStore for RedisStore {
    async fn count(&self, counters: &[Counter], now: u64) -> Result<Counted> {
        let keys: Vec<_> = counters.iter().map(|counter| format!("ratelimit:{}", counter.name)).collect();
        let args = counters.iter().map(|counter| counter.limit);
        let call = args.fold(Call::new(keys, "count", now), |call, limit| call.arg(limit.max).arg(ms(limit.window)));
        let answer: Vec<(bool, String, String)> = self.run(call).await?;
        let mut quotas = Vec::new();
        for (Counter { limit, .. }, (is_within, left, reset)) in counters.iter().zip(answer) {
            let quota = parse_quota(*limit, &left, &reset)?;
            if !is_within {
                return Ok(Counted::Over(quota));
            }
            quotas.push(quota);
        }
        scarcest(quotas).map(Counted::Within)
    }
}
