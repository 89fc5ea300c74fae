//! What stands between the server and its clients.

use super::macros::group;

group! {
    /// What stands between the server and its clients.
    #[derive(Copy, Debug)]
    pub struct Proxies in "proxies" {
        /// How many proxies there are, each of which appends to `X-Forwarded-For` the address that it was reached from.
        /// 0: the header is not looked at.
        trusted: usize = 0;
    }
}
