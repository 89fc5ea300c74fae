//! Rate limits by client IP or another key.

use http::request::Parts;

use crate::{
    Server,
    client_ip::ClientIp,
    rejection::Rejection,
    settings::per_minute,
    store::{Counted, Limit, Quota},
};

impl Server {
    /// The client IP of a request, or its network.
    pub(crate) fn address(&self, from: &Parts) -> Option<ClientIp> {
        ClientIp::of(&from.headers, &from.extensions, self.settings().proxies.trusted)
    }

    /// Counts a failed authentication of the client IP.
    pub(crate) fn record_auth_failure(&self, from: &Parts) {
        if let Some(address) = self.address(from) {
            self.metrics().count_failure(address, self.now());
        }
    }

    /// Counts a request of a kind against the client IP's limit of `max` per minute.
    ///
    /// # Errors
    /// [`Rejection::Limited`], [`Rejection::NoAddress`], [`Rejection::Store`].
    pub(crate) async fn count_address(&self, kind: &'static str, from: &Parts, max: u32) -> Result<Quota, Rejection> {
        let address = self.address(from).ok_or(Rejection::NoAddress)?;
        self.count(kind, &format!("{kind}:address:{address}"), per_minute(max)).await
    }

    /// Counts a request against a limit.
    ///
    /// # Errors
    /// [`Rejection::Limited`], [`Rejection::Store`].
    pub(crate) async fn count(&self, kind: &'static str, counter: &str, limit: Limit) -> Result<Quota, Rejection> {
        match self.stores().rate_limits.count(counter, limit, self.now()).await? {
            Counted::Within(quota) => Ok(quota),
            Counted::Over(quota) => Err(Rejection::Limited(kind, quota)),
        }
    }
}
