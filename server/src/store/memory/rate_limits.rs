//! Request counters in memory.

use std::collections::HashMap;

use super::window::Window;
use crate::store::{
    error::Result,
    rate_limits::{Counted, Counter, scarcest},
};

#[derive(Default)]
pub(super) struct RateLimits(HashMap<String, Window>);

impl RateLimits {
    pub(super) fn count(&mut self, counters: &[Counter], now: u64) -> Result<Counted> {
        let (mut windows, mut quotas) = (Vec::new(), Vec::new());
        for Counter { name, limit } in counters {
            let mut window = self.0.get(name).copied().unwrap_or_default();
            match window.count(*limit, now) {
                Counted::Within(quota) => quotas.push(quota),
                over @ Counted::Over(_) => return Ok(over),
            }
            windows.push((name.clone(), window));
        }
        self.0.extend(windows);
        scarcest(quotas).map(Counted::Within)
    }

    pub(super) fn sweep(&mut self, now: u64) {
        self.0.retain(|_, window| !window.is_over(now));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
