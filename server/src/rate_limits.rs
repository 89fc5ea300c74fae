//! Rate limits by client IP, known device or another key.

use http::request::Parts;

use crate::{
    Server,
    auth::known_devices::KnownDevice,
    client_ip::ClientIp,
    rejection::Rejection,
    settings::per_minute,
    store::{Counted, Counter, Limit, Quota},
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

    /// Counts a request of a kind against the limit of `max` per minute: that of a known device, or that of the client IP.
    ///
    /// # Errors
    /// As [`count`](Self::count), and [`Rejection::NoAddress`].
    pub(crate) async fn count_client(
        &self,
        kind: &'static str,
        from: &Parts,
        device: Option<&KnownDevice>,
        max: u32,
    ) -> Result<Quota, Rejection> {
        match device {
            Some(device) => self.count(kind, format!("{kind}:device:{device}"), per_minute(max)).await,
            None => self.count_address(kind, from, max).await,
        }
    }

    /// Counts a request of a kind against the client IP's limit of `max` per minute. Larger networks have a multiple of it.
    ///
    /// # Errors
    /// As [`count`](Self::count), and [`Rejection::NoAddress`].
    pub(crate) async fn count_address(&self, kind: &'static str, from: &Parts, max: u32) -> Result<Quota, Rejection> {
        let networks = self.address(from).ok_or(Rejection::NoAddress)?.networks();
        let Some((largest, _)) = networks.last() else { return Err(Rejection::NoAddress) };
        let counter = |(network, multiple): &(String, u32)| Counter {
            name: format!("{kind}:address:{{{largest}}}:{network}"),
            limit: per_minute(max.saturating_mul(*multiple)),
        };
        self.count_all(kind, &networks.iter().map(counter).collect::<Vec<_>>()).await
    }

    /// Counts a request against a limit.
    ///
    /// # Errors
    /// [`Rejection::Limited`], [`Rejection::Store`].
    pub(crate) async fn count(&self, kind: &'static str, name: String, limit: Limit) -> Result<Quota, Rejection> {
        self.count_all(kind, &[Counter { name, limit }]).await
    }

    async fn count_all(&self, kind: &'static str, counters: &[Counter]) -> Result<Quota, Rejection> {
        match self.stores().rate_limits.count(counters, self.now()).await? {
            Counted::Within(quota) => Ok(quota),
            Counted::Over(quota) => Err(Rejection::Limited(kind, quota)),
        }
    }
}
