//! Settings of the audit log.

use super::{macros::group, secret::Secret, sources::Sources};

group! {
    /// Settings of the audit log.
    pub struct Audit in "audit" {
        /// Number of entries to keep.
        keep: usize = 100_000;
        /// The HMAC key of the hash chain.
        secret: Secret = Secret::default(), [AUDIT_SECRET];
    }
}

impl Audit {
    pub(super) fn check(from: &mut Sources) {
        from.reject_zero("audit.keep", "nothing could be verified");
    }
}
