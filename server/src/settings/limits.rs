//! Rate and size limits.

use std::time::Duration;

use super::{macros::group, sources::Sources};
use crate::model::Limit;

group! {
    /// Rate and size limits. None may be 0.
    #[derive(Copy, Debug)]
    pub struct Limits in "limits" {
        /// Changes per minute per session.
        changes_per_minute: u32 = 60, [MAX_REQUESTS_PER_MINUTE];
        /// Reads per minute per session.
        reads_per_minute: u32 = 600;
        /// Nonce requests per minute per session.
        refills_per_minute: u32 = 20;
        /// Sign-ins and registrations per minute per client address, and as many failed entries to the app origin.
        sign_ins_per_minute_and_address: u32 = 30;
        /// Sign-ins per minute per account.
        sign_ins_per_minute_and_account: u32 = 10;
        /// Challenges per minute per client address, and as many requests to bind a key.
        binds_per_minute_and_address: u32 = 60;
        /// Registrations and renewals of device-bound sessions per minute per client address.
        device_proofs_per_minute_and_address: u32 = 600;
        /// Maximum request body size, in bytes.
        body: usize = 64 * 1024;
    }
}

impl Limits {
    pub(super) fn check(from: &mut Sources) {
        for limit in from.group("limits") {
            from.reject_zero(limit, "a limit of 0 allows no requests");
        }
    }
}

/// A limit of `max` per minute.
pub(crate) fn per_minute(max: u32) -> Limit {
    Limit { max, window: Duration::from_secs(60) }
}
