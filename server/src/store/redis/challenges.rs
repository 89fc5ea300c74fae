//! Challenges in Redis. Each is one key that takes part in no script.

use async_trait::async_trait;
use protocol::token::Challenge;
use redis::cmd;

use super::RedisStore;
use crate::store::{challenges::ChallengeStore, error::Result};

fn challenge_key(challenge: &Challenge) -> String {
    format!("challenge:{challenge}")
}

#[async_trait]
impl ChallengeStore for RedisStore {
    async fn add(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        let (key, life) = (challenge_key(challenge), expires.saturating_sub(now).max(1));
        self.send(&key, cmd("SET").arg(&key).arg(expires).arg("PX").arg(life)).await
    }

    async fn take(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        let key = challenge_key(challenge);
        let expires: Option<u64> = self.send(&key, cmd("GETDEL").arg(&key)).await?;
        Ok(expires.is_some_and(|expires| now < expires))
    }
}
