//! What operators see of the server, and how it stops.

use std::net::SocketAddr;

use super::macros::group;

group! {
    /// What operators see of the server, and how it stops.
    #[derive(Copy)]
    pub struct Observe in "observe" {
        /// Where metrics, health and readiness are told. It shows no secret, but should not face the world.
        listen: Option<SocketAddr> = None, [METRICS_LISTEN];
        /// How long requests in flight may take after the server was told to stop, in seconds.
        drain: u64 = 20;
    }
}
