//! How a session is set up: [`Config`].

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    cookie::BoundCookie,
    error::InvalidValue,
    instructions::{Instructions, Scope, WellKnown},
    key::Algorithm,
    session_id::SessionId,
    token::Secret,
};

/// A source of the current time.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// The configuration of [`crate::Dbsc`].
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) secret: Secret,
    pub(crate) cookie: BoundCookie,
    pub(crate) origins: Vec<String>,
    pub(crate) registration_path: String,
    pub(crate) refresh_path: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) scope: Scope,
    pub(crate) initiators: Vec<String>,
    pub(crate) registration_lifetime: Duration,
    pub(crate) challenge_lifetime: Option<Duration>,
    pub(crate) fetch_metadata: bool,
    pub(crate) well_known: Option<WellKnown>,
    pub(crate) clock: Clock,
}

impl Config {
    /// A session for one origin, such as `https://example.com`, with the endpoints `/dbsc/register` and `/dbsc/refresh`.
    ///
    /// # Errors
    /// [`InvalidValue`] unless the origin is that of an `https` URL. Browsers accept no other, not even for `localhost`.
    pub fn new(secret: Secret, cookie: BoundCookie, origin: &str) -> Result<Self, InvalidValue> {
        Ok(Self {
            secret,
            cookie,
            origins: vec![checked_origin(origin)?],
            registration_path: "/dbsc/register".into(),
            refresh_path: "/dbsc/refresh".into(),
            algorithms: vec![Algorithm::Es256, Algorithm::Rs256],
            scope: Scope { origin: Some(origin.into()), ..Scope::default() },
            initiators: Vec::new(),
            registration_lifetime: Duration::from_secs(300),
            challenge_lifetime: None,
            fetch_metadata: true,
            well_known: None,
            clock: Clock(Arc::new(SystemTime::now)),
        })
    }

    /// Also accepts registrations and refreshes with that `Origin`, for sessions of a whole site.
    ///
    /// # Errors
    /// [`InvalidValue`] unless it is the origin of an `https` URL.
    pub fn also_from(mut self, origin: &str) -> Result<Self, InvalidValue> {
        self.origins.push(checked_origin(origin)?);
        Ok(self)
    }

    /// Sets the paths of the endpoints.
    ///
    /// # Errors
    /// [`InvalidValue`] unless both begin with a slash, are visible ASCII without a query, and differ.
    pub fn endpoints(mut self, registration: &str, refresh: &str) -> Result<Self, InvalidValue> {
        let is_path =
            |path: &str| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"\\".contains(&b));
        if !is_path(registration) || !is_path(refresh) || registration == refresh {
            return Err(InvalidValue("path of an endpoint"));
        }
        (self.registration_path, self.refresh_path) = (registration.into(), refresh.into());
        Ok(self)
    }

    /// Offers only these algorithms.
    ///
    /// # Errors
    /// [`InvalidValue`] if there is none.
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Result<Self, InvalidValue> {
        if algorithms.is_empty() {
            return Err(InvalidValue("list of algorithms"));
        }
        self.algorithms = algorithms.to_vec();
        Ok(self)
    }

    /// Sets the scope. By default it is all of the origin.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Lets requests of pages outside of the scope cause a refresh, by host patterns.
    ///
    /// Without it, a link or form on such a page leads to a request without a fresh cookie. With it, that page can
    /// measure whether a refresh happened, and so whether the user is signed in.
    #[must_use]
    pub fn allowed_refresh_initiators(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.initiators = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a registration can be completed. By default five minutes.
    #[must_use]
    pub fn registration_lifetime(mut self, lifetime: Duration) -> Self {
        self.registration_lifetime = lifetime;
        self
    }

    /// Sets how long the challenge of a refresh is valid. By default the lifetime of the cookie and two minutes.
    ///
    /// Each refresh gives the browser the challenge for the next one, which comes when the cookie expires. If the
    /// challenge expires first, the next refresh needs two requests and one more signature.
    #[must_use]
    pub fn challenge_lifetime(mut self, lifetime: Duration) -> Self {
        self.challenge_lifetime = Some(lifetime);
        self
    }

    /// Accepts requests without `Sec-Fetch-*` headers.
    ///
    /// Then injected script can register a key of its own choice. Only for browsers without these headers.
    #[must_use]
    pub fn without_fetch_metadata(mut self) -> Self {
        self.fetch_metadata = false;
        self
    }

    /// Serves `/.well-known/device-bound-sessions`.
    #[must_use]
    pub fn well_known(mut self, content: WellKnown) -> Self {
        self.well_known = Some(content);
        self
    }

    /// Takes the time from another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    pub(crate) fn refresh_challenge_lifetime(&self) -> Duration {
        self.challenge_lifetime.unwrap_or_else(|| self.cookie.lifetime() + Duration::from_secs(120))
    }

    pub(crate) fn instructions(&self, session: &SessionId) -> Instructions {
        Instructions {
            session_identifier: session.to_string(),
            refresh_url: Some(self.refresh_path.clone()),
            continues: None,
            scope: Some(self.scope.clone()),
            credentials: vec![self.cookie.credential()],
            allowed_refresh_initiators: self.initiators.clone(),
        }
    }
}

/// Chromium rejects an origin with a final slash.
fn checked_origin(origin: &str) -> Result<String, InvalidValue> {
    let host = origin.strip_prefix("https://").unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(InvalidValue("origin"));
    }
    Ok(origin.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(origin: &str) -> Result<Config, InvalidValue> {
        Config::new(Secret::new(&[1; 32]), BoundCookie::new("b").expect("a token"), origin)
    }

    #[test]
    fn origin_is_https_without_path() {
        for origin in ["https://example.com", "https://example.com:8443", "https://[::1]:1"] {
            assert!(config(origin).is_ok(), "{origin}");
        }
        for origin in [
            "",
            "example.com",
            "http://localhost",
            "https://",
            "https://example.com/",
            "https://EXAMPLE.com",
            "https://a\"",
        ] {
            assert!(config(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn endpoints_are_two_paths() {
        let set = |registration, refresh| config("https://a").expect("valid").endpoints(registration, refresh).is_ok();
        assert!(set("/a", "/b"));
        for (registration, refresh) in
            [("/a", "/a"), ("a", "/b"), ("/a", ""), ("/a?b", "/b"), ("/a", "/\"b"), ("/ a", "/b")]
        {
            assert!(!set(registration, refresh), "{registration} {refresh}");
        }
    }
}
