//! Limits the time that is spent waiting for other parties: the frame, the window, the server.

use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;

/// How long another party may take before the page says whom it waits for: ms.
pub(crate) const SLOW: u32 = 4_000;

/// Awaits `work` for at most `ms`.
pub(crate) async fn within<F: Future + Unpin>(ms: u32, work: F) -> Option<F::Output> {
    match select(work, TimeoutFuture::new(ms)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
