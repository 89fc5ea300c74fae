//! The clock, as a parameter: tests set it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How far a page's idea of our clock may be behind it, in ms: half the way of a reply.
const BEHIND: u64 = 100;

/// Gives the time: Unix ms.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// Any other clock.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Unix ms.
    pub fn now(&self) -> u64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Waits until what is signed from then on says a later second than now, by the system's clock.
pub(crate) async fn next_second() {
    let into_this_one = Clock::system().now() % 1000;
    tokio::time::sleep(Duration::from_millis(1000 - into_this_one + BEHIND)).await;
}
