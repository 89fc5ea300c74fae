//! How much is let through.

use std::time::Duration;

use super::{macros::group, sources::Sources};
use crate::model::Limit;

group! {
    /// How much is let through. None may be 0.
    #[derive(Copy, Debug)]
    pub struct Limits in "limits" {
        /// Changes a minute and session.
        changes_per_minute: u32 = 60, [MAX_REQUESTS_PER_MINUTE];
        /// Reads a minute and session.
        reads_per_minute: u32 = 600;
        /// Requests for nonces a minute and session.
        refills_per_minute: u32 = 20;
        /// Sign-ins and registrations a minute and client address.
        sign_ins_per_minute_and_address: u32 = 30;
        /// Sign-ins a minute and account.
        sign_ins_per_minute_and_account: u32 = 10;
        /// Challenges per minute per client address, and as many requests to bind a key.
        binds_per_minute_and_address: u32 = 60;
        /// The largest request body, in bytes.
        body: usize = 64 * 1024;
    }
}

impl Limits {
    pub(super) fn check(from: &mut Sources) {
        for limit in from.group("limits") {
            from.refuse_zero(limit, "a limit of 0 lets nothing through");
        }
    }
}

/// So many a minute.
pub(crate) fn per_minute(max: u32) -> Limit {
    Limit { max, window: Duration::from_secs(60) }
}
