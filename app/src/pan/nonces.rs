//! The nonces that the server has handed to this page and that are not spent yet.

use std::cell::RefCell;

use futures::lock::{Mutex, MutexGuard};
use protocol::token::Nonce;

/// How long a nonce is used: the server's 300 s, less what a request may take. ms.
pub const LIFE: u64 = 290_000;

/// How old a nonce may be that a user confirms with, who may read the window for 240 s: ms.
pub const TO_CONFIRM: u64 = 50_000;

/// A pool of nonces, each with the time of its issue.
#[derive(Default)]
pub struct Nonces {
    pool: RefCell<Vec<(Nonce, u64)>>,
    refill: Mutex<()>,
}

impl Nonces {
    /// Adds what a reply brought.
    pub fn put(&self, nonces: impl IntoIterator<Item = Nonce>, now: u64) {
        self.pool.borrow_mut().extend(nonces.into_iter().map(|nonce| (nonce, now)));
    }

    /// The freshest, if it is younger than `life` (ms).
    pub fn take(&self, now: u64, life: u64) -> Option<Nonce> {
        let mut pool = self.pool.borrow_mut();
        pool.retain(|&(_, issued)| now.abs_diff(issued) < LIFE);
        pool.pop_if(|(_, issued)| now.abs_diff(*issued) < life).map(|(nonce, _)| nonce)
    }

    /// Drops all: another session's, or the server says that they are not good.
    pub fn clear(&self) {
        self.pool.borrow_mut().clear();
    }

    /// Held while asking for more, so that of several calls that need nonces one asks and the others wait.
    pub async fn refilling(&self) -> MutexGuard<'_, ()> {
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
    fn a_nonce_is_given_once_and_the_freshest_first() {
        let nonces = Nonces::default();
        nonces.put([nonce(1)], 1_000);
        nonces.put([nonce(2)], 2_000);
        assert_eq!(nonces.take(3_000, LIFE), Some(nonce(2)));
        assert_eq!(nonces.take(3_000, LIFE), Some(nonce(1)));
        assert_eq!(nonces.take(3_000, LIFE), None);
    }

    #[test]
    fn an_old_nonce_is_not_given() {
        let nonces = Nonces::default();
        nonces.put([nonce(1)], 0);
        nonces.put([nonce(2)], 200_000);
        assert_eq!(nonces.take(300_000, LIFE), Some(nonce(2)));
        assert_eq!(nonces.take(300_000, LIFE), None);
    }

    #[test]
    fn a_person_gets_one_that_lives_while_they_read() {
        let nonces = Nonces::default();
        nonces.put([nonce(1)], 0);
        assert_eq!(nonces.take(TO_CONFIRM, TO_CONFIRM), None);
        assert_eq!(nonces.take(TO_CONFIRM, LIFE), Some(nonce(1)), "it is still good for something else");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_nonces_for_ever() {
        let nonces = Nonces::default();
        nonces.put([nonce(1)], 10_000_000);
        assert_eq!(nonces.take(1_000, LIFE), None);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let nonces = Nonces::default();
        nonces.put([nonce(1), nonce(2)], 0);
        nonces.clear();
        assert_eq!(nonces.take(1, LIFE), None);
    }
}
