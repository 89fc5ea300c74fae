//! [`NoncePool`]: the nonces that the server has issued to this page and that are not spent yet.

use std::cell::RefCell;

use futures::lock::{Mutex, MutexGuard};
use protocol::token::Nonce;

/// The age up to which a nonce is used: the server's 300 s, less the duration of a request. ms.
pub(crate) const MAX_AGE: u64 = 290_000;

/// The age up to which a nonce is used for a confirmation, which may take the user 240 s: ms.
pub(crate) const CONFIRMATION_MAX_AGE: u64 = 50_000;

/// Unspent nonces, each with the Unix time of its arrival in ms.
#[derive(Default)]
pub(crate) struct NoncePool {
    pool: RefCell<Vec<(Nonce, u64)>>,
    refill: Mutex<()>,
}

impl NoncePool {
    /// Adds the nonces of a response.
    pub(crate) fn put(&self, nonces: impl IntoIterator<Item = Nonce>, now: u64) {
        self.pool.borrow_mut().extend(nonces.into_iter().map(|nonce| (nonce, now)));
    }

    /// Takes the newest nonce, if it is younger than `max_age` (ms).
    pub(crate) fn take(&self, now: u64, max_age: u64) -> Option<Nonce> {
        let mut pool = self.pool.borrow_mut();
        pool.retain(|&(_, issued)| now.abs_diff(issued) < MAX_AGE);
        pool.pop_if(|(_, issued)| now.abs_diff(*issued) < max_age).map(|(nonce, _)| nonce)
    }

    /// Drops all nonces: they belong to another session, or the server rejects them.
    pub(crate) fn clear(&self) {
        self.pool.borrow_mut().clear();
    }

    /// Locks the refill, so that of several calls that need nonces one requests them and the others wait.
    pub(crate) async fn lock_refill(&self) -> MutexGuard<'_, ()> {
        self.refill.lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(byte: u8) -> Nonce {
        Nonce::new([byte; Nonce::BYTES])
    }

    #[test]
    fn newest_nonce_is_taken_first_and_once() {
        let nonces = NoncePool::default();
        nonces.put([nonce(1)], 1_000);
        nonces.put([nonce(2)], 2_000);
        assert_eq!(nonces.take(3_000, MAX_AGE), Some(nonce(2)));
        assert_eq!(nonces.take(3_000, MAX_AGE), Some(nonce(1)));
        assert_eq!(nonces.take(3_000, MAX_AGE), None);
    }

    #[test]
    fn old_nonce_is_dropped() {
        let nonces = NoncePool::default();
        nonces.put([nonce(1)], 0);
        nonces.put([nonce(2)], 200_000);
        assert_eq!(nonces.take(300_000, MAX_AGE), Some(nonce(2)));
        assert_eq!(nonces.take(300_000, MAX_AGE), None);
    }

    #[test]
    fn confirmation_needs_a_younger_nonce() {
        let nonces = NoncePool::default();
        nonces.put([nonce(1)], 0);
        assert_eq!(nonces.take(CONFIRMATION_MAX_AGE, CONFIRMATION_MAX_AGE), None);
        assert_eq!(nonces.take(CONFIRMATION_MAX_AGE, MAX_AGE), Some(nonce(1)), "it still serves other requests");
    }

    #[test]
    fn clock_set_back_drops_nonces() {
        let nonces = NoncePool::default();
        nonces.put([nonce(1)], 10_000_000);
        assert_eq!(nonces.take(1_000, MAX_AGE), None);
    }

    #[test]
    fn clear_drops_all_nonces() {
        let nonces = NoncePool::default();
        nonces.put([nonce(1), nonce(2)], 0);
        nonces.clear();
        assert_eq!(nonces.take(1, MAX_AGE), None);
    }
}
