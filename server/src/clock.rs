//! The clock, which tests can replace.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How far a page's estimate of the server time may lag, in ms: about half a round trip.
const MAX_LAG: u64 = 100;

/// A source of the current time in Unix ms.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self::new(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// A clock that calls `now`.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time: Unix ms.
    pub fn now(&self) -> u64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Waits until new signatures carry a later second than now, by the system clock.
pub(crate) async fn next_second() {
    let elapsed = Clock::system().now() % 1000;
    tokio::time::sleep(Duration::from_millis(1000 - elapsed + MAX_LAG)).await;
}
