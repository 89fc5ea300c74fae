//! Lifetimes of sessions and nonces.

use std::time::Duration;

use super::{macros::group, sources::Sources};

/// Maximum difference between the time of a signature or proof and the server's. Spent nonces are stored for longer, so
/// a delayed replay is rejected.
pub const FRESHNESS: Duration = Duration::from_secs(5);

/// The same for a request that a passkey has signed: the user may take as long to find and use it. It has a nonce of the server's,
/// which is spent once however old the signature is.
pub(crate) const PASSKEY_FRESHNESS: Duration = Duration::from_secs(120);

/// The rounding of a signature's `created`, which is in whole seconds.
pub(crate) const ROUNDING: Duration = Duration::from_secs(1);

/// Converts a duration to whole ms.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Minimum nonce lifetime in seconds. A spent nonce is stored for a nonce lifetime, which must cover the whole time in
/// which a signature is fresh.
const MIN_NONCE_LIFETIME: u64 = 2 * (FRESHNESS.as_secs() + ROUNDING.as_secs());

group! {
    /// Lifetimes in seconds.
    #[derive(Copy, Debug)]
    pub struct Lifetimes in "lifetimes" {
        /// Maximum lifetime of a session.
        session: u64 = 86_400, [SESSION_TTL];
        /// Idle timeout of a session.
        idle: u64 = 1_800;
        /// Lifetime of a nonce; at least 12.
        nonce: u64 = 300, [NONCE_TTL];
        /// Lifetime of the device cookie of a device-bound session.
        device_cookie: u64 = 600;
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

    /// [`Lifetimes::device_cookie`] as a duration.
    pub fn device_cookie(self) -> Duration {
        Duration::from_secs(self.device_cookie)
    }

    pub(super) fn check(self, from: &mut Sources) {
        if self.nonce < MIN_NONCE_LIFETIME {
            let message = format!(
                "must be at least {MIN_NONCE_LIFETIME} s, or a spent nonce is forgotten while its request is fresh"
            );
            from.contradiction(&["lifetimes.nonce"], &message);
        }
        from.reject_zero("lifetimes.device_cookie", "no device-bound session could be used");
        if self.idle < self.nonce {
            from.contradiction(&["lifetimes.idle", "lifetimes.nonce"], "a nonce must not outlive an idle session");
        }
        if self.session < self.idle {
            from.contradiction(
                &["lifetimes.session", "lifetimes.idle"],
                "the idle timeout must not exceed the session lifetime",
            );
        }
    }
}
