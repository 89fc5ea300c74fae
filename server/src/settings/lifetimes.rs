//! How long sessions and nonces live.

use std::time::Duration;

use super::{macros::group, sources::Sources};

/// How far the time of a signature or proof may be from the server's. A spent nonce is remembered for longer, so waiting
/// makes no replay possible.
pub const FRESHNESS: Duration = Duration::from_secs(5);

/// `created` of a signature is in whole seconds.
pub(crate) const ROUNDING: Duration = Duration::from_secs(1);

/// A duration in whole ms.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Twice as long as a signature is fresh, before and after: a spent nonce is remembered for as long as a nonce lives.
const LEAST_NONCE: u64 = 2 * (FRESHNESS.as_secs() + ROUNDING.as_secs());

group! {
    /// Lifetimes in seconds.
    #[derive(Copy, Debug)]
    pub struct Lifetimes in "lifetimes" {
        /// A session, however busy it is.
        session: u64 = 86_400, [SESSION_TTL];
        /// A session that is not used.
        idle: u64 = 1_800;
        /// A nonce, from its issue; at least 12.
        nonce: u64 = 300, [NONCE_TTL];
    }
}

impl Lifetimes {
    /// [`Lifetimes::idle`] as a duration.
    pub fn idle(self) -> Duration {
        Duration::from_secs(self.idle)
    }

    /// [`Lifetimes::nonce`] as a duration.
    pub fn nonce(self) -> Duration {
        Duration::from_secs(self.nonce)
    }

    pub(super) fn check(self, from: &mut Sources) {
        if self.nonce < LEAST_NONCE {
            let sentence = format!(
                "a nonce must live for {LEAST_NONCE} s at least, or a spent one is forgotten while its request is still fresh"
            );
            from.contradiction(&["lifetimes.nonce"], &sentence);
        }
        if self.idle < self.nonce {
            from.contradiction(&["lifetimes.idle", "lifetimes.nonce"], "no nonce may outlive an idle session");
        }
        if self.session < self.idle {
            from.contradiction(
                &["lifetimes.session", "lifetimes.idle"],
                "no session may idle for longer than it lives",
            );
        }
    }
}
