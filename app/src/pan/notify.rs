//! Says that something has changed, to whoever waits for that now.

use std::cell::RefCell;

use futures::channel::oneshot;

/// A bell that many may wait for.
#[derive(Default)]
pub(super) struct Changed(RefCell<Vec<oneshot::Sender<()>>>);

impl Changed {
    /// Wakes all who wait.
    pub(super) fn tell(&self) {
        for waiting in self.0.take() {
            // Who has gone away need not be told.
            let _ = waiting.send(());
        }
    }

    /// Waits for the next change after this call.
    pub(super) fn next(&self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.borrow_mut();
        waiting.retain(|sender| !sender.is_canceled());
        waiting.push(sender);
        async move {
            // It is never dropped without being told.
            let _ = receiver.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn all_who_wait_are_told_once() {
        let changed = Changed::default();
        changed.tell();
        let (one, other) = (changed.next(), changed.next());
        assert!(changed.next().now_or_never().is_none(), "what was before does not count");
        changed.tell();
        assert!(one.now_or_never().is_some() && other.now_or_never().is_some());
        assert!(changed.next().now_or_never().is_none());
    }
}
