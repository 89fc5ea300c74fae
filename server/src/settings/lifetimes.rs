//! How long sessions and nonces live.

use std::time::Duration;

use super::{group::group, sources::Sources};

group! {
    /// Lifetimes in seconds.
    #[derive(Copy, Debug)]
    pub struct Lifetimes in "lifetimes" {
        /// A session, however busy it is.
        session: u64 = 86_400, [SESSION_TTL];
        /// A session that is not used.
        idle: u64 = 1_800;
        /// A nonce, from its issue.
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
        from.refuse_zero("lifetimes.nonce", "a nonce must live");
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
