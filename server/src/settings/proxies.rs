//! Settings of the reverse proxies.

use super::macros::group;

group! {
    /// Settings of the reverse proxies.
    #[derive(Copy, Debug)]
    pub struct Proxies in "proxies" {
        /// Number of trusted proxies, each of which appends its peer's address to `X-Forwarded-For`. With 0 the header
        /// is ignored.
        trusted: usize = 0;
    }
}
