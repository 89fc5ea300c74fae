//! Wakes the tasks that wait for a change.

use std::cell::RefCell;

use futures::channel::oneshot;

/// A notification that any number of tasks can wait for.
#[derive(Default)]
pub(crate) struct Notify(RefCell<Vec<oneshot::Sender<()>>>);

impl Notify {
    /// Wakes all waiting tasks.
    pub(crate) fn notify(&self) {
        for waiting in self.0.take() {
            // The receiver may be gone.
            let _ = waiting.send(());
        }
    }

    /// Waits for the next notification after this call.
    pub(crate) fn notified(&self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.borrow_mut();
        waiting.retain(|sender| !sender.is_canceled());
        waiting.push(sender);
        async move {
            // The sender is never dropped before it sends.
            let _ = receiver.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn notify_wakes_every_waiting_task_once() {
        let changed = Notify::default();
        changed.notify();
        let (one, other) = (changed.notified(), changed.notified());
        assert!(changed.notified().now_or_never().is_none(), "an earlier notification does not count");
        changed.notify();
        assert!(one.now_or_never().is_some() && other.now_or_never().is_some());
        assert!(changed.notified().now_or_never().is_none());
    }
}
