//! Challenges that the sign origin hands out before a sign-in or the binding of a frame key.

use async_trait::async_trait;
use protocol::token::Challenge;

use super::error::Result;

/// Keeps challenges. Each is fresh randomness, belongs to no session, and can be taken once.
#[async_trait]
pub trait ChallengeStore: Send + Sync + 'static {
    /// Keeps a challenge until `expires` (Unix ms).
    async fn add(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()>;

    /// Takes a challenge before it expires. At most one of any number of concurrent calls returns `true`.
    async fn take(&self, challenge: &Challenge, now: u64) -> Result<bool>;
}
