//! Web origins (RFC 6454 §4), in the serialization that browsers send.

use std::fmt;

/// A web origin: `http` or `https`, a lower-case host name, and a port unless it is the scheme's default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    text: String,
}

/// The error of a text that is not a serialized origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: it takes http:// or https://, a lower-case host, no default port and no path")]
pub struct NotAnOrigin(String);

impl Origin {
    /// Parses an origin.
    ///
    /// # Errors
    /// [`NotAnOrigin`] unless the text is exactly as browsers serialize it.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let wrong = || NotAnOrigin(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let port_is_right = port.is_none_or(|port| {
            port.parse::<u16>().is_ok_and(|number| number != default_port && number != 0 && number.to_string() == port)
        });
        (host.split('.').all(label) && port_is_right).then(|| Self { text: text.to_owned() }).ok_or_else(wrong)
    }

    /// An http origin that is known to be well-formed.
    pub(crate) fn development(authority: &str) -> Self {
        Self { text: format!("http://{authority}") }
    }

    /// The serialized origin, as in the `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and non-default port, as in the `Host` header and `@authority` (RFC 9421 §2.2.3).
    pub fn authority(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host without a port.
    pub fn host(&self) -> &str {
        self.authority().split(':').next().unwrap_or_default()
    }

    /// The port, unless it is the default.
    pub fn port(&self) -> Option<&str> {
        self.authority().split_once(':').map(|(_, port)| port)
    }

    /// Whether the scheme is https.
    pub fn is_secure(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The origin of a subdomain, with the same scheme and port.
    #[must_use]
    pub(crate) fn subdomain(&self, label: &str) -> Self {
        let scheme = if self.is_secure() { "https" } else { "http" };
        Self { text: format!("{scheme}://{label}.{}", self.authority()) }
    }

    /// The same origin on another port.
    #[must_use]
    pub(crate) fn with_port(&self, port: u16) -> Self {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let is_default = matches!((scheme, port), ("http", 80) | ("https", 443));
        let port = if is_default { String::new() } else { format!(":{port}") };
        Self { text: format!("{scheme}://{}{port}", self.host()) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_has_one_encoding() {
        for good in ["http://pan.localhost:3000", "https://example.com", "https://sign.example.com:8443"] {
            let origin = Origin::parse(good).expect(good);
            assert_eq!(origin.to_string(), good);
        }
        for bad in [
            "",
            "example.com",
            "https://",
            "https://Example.com",
            "https://example.com/",
            "https://example.com:443",
            "http://a:80",
            "https://a:0443",
            "https://a:",
            "ftp://a",
            "https://a b",
            "https://user@a",
            "https://a..b",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
