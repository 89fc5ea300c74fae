//! Settings of monitoring and shutdown.

use std::net::SocketAddr;

use super::macros::group;

group! {
    /// Settings of monitoring and shutdown.
    #[derive(Copy)]
    pub struct Monitoring in "observe" {
        /// Listen address of the metrics, health and readiness endpoints. It should not be public.
        listen: Option<SocketAddr> = None, [METRICS_LISTEN];
        /// Drain time: how long requests in flight may take on shutdown, in seconds.
        drain: u64 = 20;
    }
}
