//! The client IP of a request.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A client IP, truncated to the /64 network for IPv6. Rate limits are counted by it.
///
/// An IPv6 client usually controls a whole /64 network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientIp(IpAddr);

impl ClientIp {
    /// The peer address of the outermost of `trusted` proxies; without proxies, the peer address of the connection.
    ///
    /// Each proxy appends its peer's address to `X-Forwarded-For`, so only the last `trusted` addresses are
    /// trustworthy. A client can forge all others. `None` if the address is missing or malformed.
    pub(crate) fn of(headers: &HeaderMap, extensions: &Extensions, trusted: usize) -> Option<Self> {
        let Some(nearest) = trusted.checked_sub(1) else {
            return extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| Self::new(peer.0.ip()));
        };
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut addresses = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        parse_node(addresses.nth(nearest)?).map(Self::new)
    }

    fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }

    /// The networks by which rate limits are counted, the smallest first, each with the multiple of the limit that it has.
    ///
    /// A provider gives a customer a /56 or a /48, so one attacker can have 65,536 networks of /64.
    pub(crate) fn networks(self) -> Vec<(String, u32)> {
        let mut networks = vec![(self.to_string(), 1)];
        if let IpAddr::V6(address) = self.0 {
            for (length, multiple) in [(56, 4), (48, 16)] {
                let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - length)));
                networks.push((format!("{network}/{length}"), multiple));
            }
        }
        networks
    }

    /// The network that may be stored and shown: `203.0.113.0/24`, `2001:db8:1::/48`.
    pub fn prefix(self) -> String {
        match self.0 {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }
}

/// Parses an address as proxies write it: with a port, in brackets, in quotes (RFC 7239 §6), or with a zone.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.split('%').next()?.parse().ok()
}

impl std::fmt::Display for ClientIp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&'static str], trusted: usize) -> Option<String> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4000))));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        ClientIp::of(&headers, &extensions, trusted).map(|address| address.to_string())
    }

    #[test]
    fn header_without_proxy_is_ignored() {
        assert_eq!(of(&["203.0.113.9"], 0).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn only_addresses_from_trusted_proxies_count() {
        let forged = ["10.1.1.1, 10.2.2.2", "198.51.100.7,203.0.113.9"];
        assert_eq!(of(&forged, 1).as_deref(), Some("203.0.113.9"));
        assert_eq!(of(&forged, 2).as_deref(), Some("198.51.100.7"));
        assert_eq!(of(&forged, 5), None);
        assert_eq!(of(&["unknown"], 1), None);
        assert_eq!(of(&[], 1), None);
    }

    #[test]
    fn address_is_read_as_proxies_write_it() {
        for (text, address) in [
            ("203.0.113.9:51234", "203.0.113.9"),
            ("[2001:db8::1]:443", "2001:db8::"),
            ("[2001:db8::1]", "2001:db8::"),
            ("2001:db8::1", "2001:db8::"),
            (" \"[2001:db8::1]:443\" ", "2001:db8::"),
            ("\"203.0.113.9\"", "203.0.113.9"),
            ("fe80::1%eth0", "fe80::"),
            ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ] {
            assert_eq!(of(&[text], 1).as_deref(), Some(address), "{text}");
        }
        for text in ["", "_hidden", "203.0.113", "203.0.113.9:", "203.0.113.9:99999", "[2001:db8::1", "a:80", "1:2"] {
            assert_eq!(of(&[text], 1), None, "{text}");
        }
    }

    #[test]
    fn ipv6_is_counted_by_three_networks() {
        let networks = |text: &str| ClientIp::new(text.parse().expect("an address")).networks();
        let of = |text: &str, multiple| (text.to_owned(), multiple);
        assert_eq!(networks("203.0.113.9"), [of("203.0.113.9", 1)]);
        let three = [of("2001:db8:1:23ff::", 1), of("2001:db8:1:2300::/56", 4), of("2001:db8:1::/48", 16)];
        assert_eq!(networks("2001:db8:1:23ff::9"), three);
    }

    #[test]
    fn ipv6_is_truncated_to_64_bits() {
        assert_eq!(of(&["2001:db8:1:2:3:4:5:6"], 1).as_deref(), Some("2001:db8:1:2::"));
        assert_eq!(of(&["::ffff:203.0.113.9"], 1).as_deref(), Some("203.0.113.9"));
        let prefix = |text: &str| ClientIp::new(text.parse().expect("an address")).prefix();
        assert_eq!(prefix("203.0.113.9"), "203.0.113.0/24");
        assert_eq!(prefix("2001:db8:1:2::9"), "2001:db8:1::/48");
    }
}
