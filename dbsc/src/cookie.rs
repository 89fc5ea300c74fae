//! The bound cookie.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::{error::InvalidValue, instructions::Credential};

/// The `SameSite` attribute of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Only with requests of the same site.
    Strict,
    /// Also when a link of another site leads to yours.
    Lax,
    /// With all requests.
    None,
}

/// Maximum number of values of one name that are read.
const MAX_VALUES: usize = 8;

/// The short-lived cookie that a session binds to the browser's key. It is `Secure` and `HttpOnly`.
///
/// The browser compares name, domain, path, `Secure`, `HttpOnly` and `SameSite` of the cookie with what the session
/// instructions say. If one differs, it refreshes before *every* request. This type writes both, so they are the same.
#[derive(Debug, Clone)]
pub struct BoundCookie {
    name: String,
    domain: Option<String>,
    path: String,
    same_site: SameSite,
    max_age: Duration,
}

impl BoundCookie {
    /// A cookie for the whole host, `SameSite=Lax`, with a lifetime of ten minutes.
    ///
    /// Prefer a name that begins with `__Host-`: then no other host can set the cookie.
    ///
    /// # Errors
    /// [`InvalidValue`] unless the name is a token (RFC 9110).
    pub fn new(name: &str) -> Result<Self, InvalidValue> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidValue("cookie name"));
        }
        let max_age = Duration::from_secs(600);
        Ok(Self { name: name.into(), domain: None, path: "/".into(), same_site: SameSite::Lax, max_age })
    }

    /// Also sends the cookie to the subdomains of that domain.
    ///
    /// # Errors
    /// [`InvalidValue`] if the name begins with `__Host-`, or the domain has other characters than those of a host name.
    pub fn domain(mut self, domain: &str) -> Result<Self, InvalidValue> {
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if self.is_host_prefixed() || domain.is_empty() || !domain.bytes().all(is_host) {
            return Err(InvalidValue("cookie domain"));
        }
        self.domain = Some(domain.into());
        Ok(self)
    }

    /// Sends the cookie only below that path.
    ///
    /// # Errors
    /// [`InvalidValue`] if the name begins with `__Host-`, or the path has other characters than those of a URL.
    pub fn path(mut self, path: &str) -> Result<Self, InvalidValue> {
        let is_path = |byte: u8| byte.is_ascii_graphic() && byte != b';';
        if (self.is_host_prefixed() && path != "/") || !path.starts_with('/') || !path.bytes().all(is_path) {
            return Err(InvalidValue("cookie path"));
        }
        self.path = path.into();
        Ok(self)
    }

    /// Sets the `SameSite` attribute.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets the lifetime of each cookie, which is how long a stolen one can be used.
    ///
    /// Chromium refreshes in the background when a request is made in the last two minutes, and makes at most 6
    /// signatures per 9 minutes and site. So less than 5 minutes only makes sense in tests.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.max_age
    }

    /// The `Set-Cookie` header with that value.
    ///
    /// # Errors
    /// [`InvalidValue`] if a cookie cannot contain the value.
    pub fn set_cookie(&self, value: &str) -> Result<HeaderValue, InvalidValue> {
        let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !value.bytes().all(is_octet) {
            return Err(InvalidValue("cookie value"));
        }
        let line = format!("{}={value}; Max-Age={}; {}", self.name, self.max_age.as_secs(), self.attributes());
        HeaderValue::try_from(line).map_err(|_| InvalidValue("cookie value"))
    }

    /// The cookie in session instructions.
    pub fn credential(&self) -> Credential {
        Credential::cookie(&self.name, self.attributes())
    }

    /// The values that the request has: more than one if script or another host has set a cookie of the same name.
    pub fn values<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + 'a {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value).take(MAX_VALUES)
    }

    fn is_host_prefixed(&self) -> bool {
        self.name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("__host-"))
    }

    /// The attributes that the browser compares.
    fn attributes(&self) -> String {
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        format!("Path={}; Secure; HttpOnly; SameSite={same_site}{domain}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(name: &str) -> BoundCookie {
        BoundCookie::new(name).expect("a token")
    }

    #[test]
    fn cookie_and_instructions_have_the_same_attributes() {
        let cookie = cookie("b").domain("example.com").expect("a domain").same_site(SameSite::Strict);
        let cookie = cookie.path("/app").expect("a path").max_age(Duration::from_secs(60));
        let attributes = "Path=/app; Secure; HttpOnly; SameSite=Strict; Domain=example.com";
        assert_eq!(cookie.set_cookie("v").expect("a value"), format!("b=v; Max-Age=60; {attributes}"));
        assert_eq!(cookie.credential(), Credential::cookie("b", attributes));
    }

    #[test]
    fn characters_that_end_an_attribute_are_rejected() {
        for name in ["", "a b", "a=b", "a;b", "ä"] {
            assert!(BoundCookie::new(name).is_err(), "{name}");
        }
        assert!(cookie("b").domain("a;b").is_err());
        assert!(cookie("b").path("/; Partitioned").is_err());
        assert!(cookie("b").path("").is_err());
        for value in ["a;b", "a b", "a\r\nb", "ä", "a,b", "\"a\""] {
            assert!(cookie("b").set_cookie(value).is_err(), "{value}");
        }
    }

    #[test]
    fn host_prefix_excludes_domain_and_path() {
        for name in ["__Host-b", "__HOST-b"] {
            assert!(cookie(name).domain("example.com").is_err());
            assert!(cookie(name).path("/app").is_err());
            assert!(cookie(name).path("/").is_ok());
        }
    }

    #[test]
    fn every_value_is_read() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            cookie("b").values(&headers).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(&["a=1; b=2; bb=3"]), "2");
        assert_eq!(read(&["a=1", "b=2"]), "2");
        assert_eq!(read(&["a=1; B=2"]), "");
        assert_eq!(read(&["b=1; b=2"]), "1 2");
        assert_eq!(read(&["b=1", "b=1"]), "1 1");
        assert_eq!(read(&[]), "");
    }
}
