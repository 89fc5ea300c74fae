//! The audit log.

use super::{macros::group, secret::Secret, sources::Sources};

group! {
    /// The audit log.
    pub struct Audit in "audit" {
        /// How many entries are kept.
        keep: usize = 100_000;
        /// The key of the chain.
        secret: Secret = Secret::default(), [AUDIT_SECRET];
    }
}

impl Audit {
    pub(super) fn check(from: &mut Sources) {
        from.refuse_zero("audit.keep", "nothing could be verified");
    }
}
