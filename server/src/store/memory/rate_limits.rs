//! Request counters in memory.

use std::collections::HashMap;

use super::window::Window;
use crate::{model::Limit, store::rate_limits::Counted};

#[derive(Default)]
pub(super) struct RateLimits(HashMap<String, Window>);

impl RateLimits {
    pub(super) fn count(&mut self, counter: &str, limit: Limit, now: u64) -> Counted {
        self.0.entry(counter.to_owned()).or_default().count(limit, now)
    }

    pub(super) fn sweep(&mut self, now: u64) {
        self.0.retain(|_, window| !window.is_over(now));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
