//! Parses and sets the cookies of the protocol (RFC 6265bis).
//!
//! A sibling host, or script on the app origin, can add cookies to a request. So cookies are parsed pair by pair, as
//! bytes. Other names and malformed values are skipped. The request's session handle selects one of several well-formed
//! values. An added cookie therefore cannot make a valid request fail.

use http::{HeaderMap, HeaderValue, header};
use protocol::{
    message::cookie,
    token::{SessionHandle, SessionToken, SignSecret},
};

/// Maximum number of values of one name that are parsed. Browsers that enforce the prefix `__Host-` have at most two,
/// one of them partitioned. Others (`WebKitGTK`) send one more for each part of the path.
const MAX_VALUES: usize = 8;

/// A parsed value of the sign origin's cookie.
pub(crate) struct SignCookie {
    pub(crate) handle: SessionHandle,
    /// The hash of the secret: [`SignSecret::hashed`].
    pub(crate) secret: String,
}

/// The well-formed session tokens, in the order of the request.
pub fn session_tokens(headers: &HeaderMap) -> Vec<SessionToken> {
    values(headers, cookie::SESSION).filter_map(|value| SessionToken::parse(value).ok()).collect()
}

/// The well-formed values of the sign origin's cookie, in the order of the request.
pub(crate) fn sign_cookies(headers: &HeaderMap) -> Vec<SignCookie> {
    let parse = |value: &str| {
        let (handle, secret) = value.split_once('.')?;
        Some(SignCookie { handle: handle.parse().ok()?, secret: SignSecret::parse(secret).ok()?.hashed() })
    };
    values(headers, cookie::SIGN).filter_map(parse).collect()
}

/// The values of the cookie of known devices, in the order of the request.
pub(crate) fn known_devices(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    values(headers, cookie::KNOWN_DEVICE)
}

/// Whether a request has a cookie of that name.
pub(crate) fn has(headers: &HeaderMap, name: &str) -> bool {
    values(headers, name).next().is_some()
}

/// The values of a cookie (RFC 6265 §4.2.1) in all `Cookie` headers (RFC 9113 §8.2.3).
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|header| header.as_bytes().split(|&b| b == b';'));
    pairs
        .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .filter_map(|value| str::from_utf8(value).ok())
        .take(MAX_VALUES)
}

/// Sets the session token. `life` in seconds.
///
/// The cookie is `Lax` so that a user who follows a link from an e-mail is signed in. The token alone cannot sign
/// requests.
pub(crate) fn set_session(token: &SessionToken, life: u64) -> HeaderValue {
    set(cookie::SESSION, &token.reveal(), "Lax", life, "")
}

/// Sets the sign origin's cookie. `life` in seconds.
pub(crate) fn set_sign(handle: &SessionHandle, secret: &SignSecret, life: u64) -> HeaderValue {
    set(cookie::SIGN, &format!("{handle}.{}", secret.reveal()), "Strict", life, "")
}

/// Sets the cookie of known devices. `life` in seconds.
pub(crate) fn set_known_devices(value: &str, life: u64) -> HeaderValue {
    set(cookie::KNOWN_DEVICE, value, "Strict", life, "")
}

/// Removes the session token.
pub(crate) fn clear_session() -> HeaderValue {
    set(cookie::SESSION, "", "Lax", 0, "")
}

/// Removes the device cookie.
pub(crate) fn clear_device() -> HeaderValue {
    set(cookie::DEVICE, "", "Lax", 0, "")
}

/// Removes a partitioned cookie of the same name. Only script can have set it, and it would outlive the script.
pub(crate) fn clear_partitioned_session() -> HeaderValue {
    set(cookie::SESSION, "", "Lax", 0, "; Partitioned")
}

fn set(name: &str, value: &str, same_site: &str, life: u64, more: &str) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={life}; Secure; HttpOnly; SameSite={same_site}{more}");
    // Names, base64url and digits: always a valid header value.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookie).expect("a header value"));
        }
        headers
    }

    /// The tokens, one per line.
    fn found(cookies: &[&[u8]]) -> String {
        session_tokens(&headers(cookies)).iter().map(SessionToken::reveal).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn other_pairs_and_malformed_values_are_skipped() {
        let (one, other) = ("A".repeat(43), format!("{}E", "B".repeat(42)));
        let pair = |token: &str| format!("__Host-pan={token}").into_bytes();
        assert_eq!(found(&[&pair(&one)]), one);
        for before in ["name=Jos\u{e9}", "x", "", "=", "__Host-pan", "__Host-pan=", "__Host-pan=short", "__Host-panx=1"]
        {
            let header = [before.as_bytes(), b"; ", &pair(&one), b" ;a=b"].concat();
            assert_eq!(found(&[&header]), one, "{before}");
        }
        // As Latin-1, which is not UTF-8.
        assert_eq!(found(&[&[b"name=Jos\xe9; ".as_slice(), &pair(&one)].concat()]), one);
        assert_eq!(found(&[b"__Host-pan=\xff\xff", &pair(&one), &pair(&other)]), format!("{one}\n{other}"));
        assert!(found(&[b"__host-pan=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]).is_empty());
    }

    #[test]
    fn sign_cookie_is_handle_and_secret() {
        let token = SessionToken::new([1; 32]);
        let secret = SignSecret::new([2; 32]);
        let set = set_sign(&token.handle(), &secret, 5);
        let text = set.to_str().expect("text");
        assert!(text.ends_with("; Path=/; Max-Age=5; Secure; HttpOnly; SameSite=Strict"), "{text}");
        let pair = text.split(';').next().expect("a pair");
        let read = sign_cookies(&headers(&[b"__Host-pan-sign=x.y", pair.as_bytes()]));
        assert_eq!(read.len(), 1);
        assert!(read[0].handle == token.handle() && read[0].secret == secret.hashed());
    }
}
