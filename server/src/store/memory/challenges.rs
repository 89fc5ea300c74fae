//! Challenges in memory.

use std::collections::HashMap;

use protocol::token::Challenge;

/// Challenges and their expiry: Unix ms.
#[derive(Default)]
pub(super) struct Challenges(HashMap<Challenge, u64>);

impl Challenges {
    pub(super) fn add(&mut self, challenge: Challenge, expires: u64) {
        self.0.insert(challenge, expires);
    }

    pub(super) fn take(&mut self, challenge: &Challenge, now: u64) -> bool {
        self.0.remove(challenge).is_some_and(|expires| now < expires)
    }

    pub(super) fn sweep(&mut self, now: u64) {
        self.0.retain(|_, &mut expires| now < expires);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
