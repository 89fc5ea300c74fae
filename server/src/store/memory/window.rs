//! The fixed window of a rate limit.

use std::time::Duration;

use super::timing::ms;
use crate::{
    model::{Limit, Quota},
    store::rate_limits::Counted,
};

#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    count: u32,
    /// Unix ms.
    ends: u64,
}

impl Window {
    /// Counts one request, unless the limit is reached.
    pub(super) fn count(&mut self, limit: Limit, now: u64) -> Counted {
        let length = ms(limit.window);
        // A window that ends too late began before the clock was set back.
        if now >= self.ends || self.ends > now.saturating_add(length) {
            *self = Self { count: 0, ends: now.saturating_add(length) };
        }
        let is_over = self.count >= limit.max;
        self.count += u32::from(!is_over);
        let left = limit.max.saturating_sub(self.count);
        let quota = Quota { limit, left, reset: Duration::from_millis(self.ends - now) };
        if is_over { Counted::Over(quota) } else { Counted::Within(quota) }
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.ends
    }
}
