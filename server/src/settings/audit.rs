//! Settings of the audit logs.

use super::{macros::group, secret::Secret, sources::Sources};
use crate::audit::AuditLog;

/// ms.
const DAY: u64 = 24 * 3600 * 1000;

group! {
    /// Settings of the audit logs.
    pub struct AuditSettings in "audit" {
        /// Maximum number of entries of the security log.
        keep: usize = 100_000;
        /// Days after which entries of the security log are deleted; 0 for never.
        keep_days: u64 = 0;
        /// Maximum number of entries of the traffic log.
        traffic_keep: usize = 100_000;
        /// Days after which entries of the traffic log are deleted; 0 for never.
        traffic_days: u64 = 30;
        /// The HMAC key of the hash chains.
        secret: Secret = Secret::default(), [AUDIT_SECRET];
    }
}

impl AuditSettings {
    pub(super) fn check(from: &mut Sources) {
        for path in ["audit.keep", "audit.traffic_keep"] {
            from.reject_zero(path, "nothing could be verified");
        }
    }

    /// Maximum number of entries of a log.
    pub fn keep(&self, log: AuditLog) -> usize {
        match log {
            AuditLog::Security => self.keep,
            AuditLog::Traffic => self.traffic_keep,
        }
    }

    /// How long entries of a log are kept: ms. `None` for no limit.
    pub fn life(&self, log: AuditLog) -> Option<u64> {
        let days = match log {
            AuditLog::Security => self.keep_days,
            AuditLog::Traffic => self.traffic_days,
        };
        (days > 0).then(|| days.saturating_mul(DAY))
    }
}
