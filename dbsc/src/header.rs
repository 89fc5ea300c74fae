//! The headers of the draft.
//!
//! Chromium (seen in version 156) sends the proof and the session identifier without the quotes of a structured field
//! string. Both forms are accepted.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Item, ItemSerializer, KeyRef, List, ListEntry, ListSerializer, Parser, StringRef, TokenRef};

use crate::{
    error::{InvalidValue, Rejection},
    jwt,
    key::Algorithm,
    session_id::SessionId,
};

/// Offers a registration to the browser: response header.
pub const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
/// Gives the browser the next challenge of a session: response header.
pub const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
/// Has the proof: request header.
pub const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
/// Names the session to refresh: request header. Scripts cannot set it.
pub const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");
/// Says why the browser sends a request without a refresh: request header.
pub const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");

/// An offer to register a session, the value of [`REGISTRATION`].
#[derive(Debug, Clone)]
pub struct Offer<'a> {
    /// The acceptable algorithms; the browser chooses.
    pub algorithms: &'a [Algorithm],
    /// The registration endpoint: a URL, absolute or relative to the response.
    pub path: &'a str,
    /// What the browser signs.
    pub challenge: &'a str,
    /// Text that the browser repeats in the proof.
    pub authorization: Option<&'a str>,
    /// A session of another site whose key the new session uses.
    pub provider: Option<Provider<'a>>,
}

/// A session of another site, for federated sign-in.
#[derive(Debug, Clone)]
pub struct Provider<'a> {
    /// The thumbprint of the key, see [`crate::PublicKey::thumbprint`].
    pub key: &'a str,
    /// The identifier of the session.
    pub session_id: &'a str,
    /// The origin of the session.
    pub url: &'a str,
}

impl Offer<'_> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`InvalidValue`] if there is no algorithm, or a text has characters other than visible ASCII and spaces.
    pub fn to_header(&self) -> Result<HeaderValue, InvalidValue> {
        let mut list = ListSerializer::new();
        let mut algorithms = list.inner_list();
        for algorithm in self.algorithms {
            let _ = algorithms.bare_item(TokenRef::from_str(algorithm.name()).map_err(|_| InvalidValue("algorithm"))?);
        }
        let mut parameters = algorithms.finish();
        let provider = self.provider.as_ref();
        for (key, text) in [
            ("path", Some(self.path)),
            ("challenge", Some(self.challenge)),
            ("authorization", self.authorization),
            ("provider_key", provider.map(|provider| provider.key)),
            ("provider_session_id", provider.map(|provider| provider.session_id)),
            ("provider_url", provider.map(|provider| provider.url)),
        ] {
            let Some(text) = text else { continue };
            let key = KeyRef::from_str(key).map_err(|_| InvalidValue("parameter"))?;
            parameters = parameters.parameter(key, string(text, "text in an offer")?);
        }
        if self.algorithms.is_empty() {
            return Err(InvalidValue("list of algorithms"));
        }
        header_value(list.finish().unwrap_or_default())
    }
}

/// Writes the value of [`CHALLENGE`].
///
/// # Errors
/// [`InvalidValue`] if the challenge has characters other than visible ASCII and spaces.
pub fn challenge(challenge: &str, session: &SessionId) -> Result<HeaderValue, InvalidValue> {
    let id = KeyRef::from_str("id").map_err(|_| InvalidValue("parameter"))?;
    let item = ItemSerializer::new().bare_item(string(challenge, "challenge")?);
    header_value(item.parameter(id, string(session.as_str(), "session identifier")?).finish())
}

/// Reads the proof of a request; `None` if it has none.
///
/// # Errors
/// [`Rejection::MalformedHeader`] if the header occurs twice, is too long or malformed.
pub fn proof(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Rejection> {
    text(headers, &RESPONSE, jwt::MAX_LEN, "Secure-Session-Response")
}

/// Reads the session identifier of a refresh; `None` if there is none.
///
/// # Errors
/// [`Rejection::MalformedHeader`] if the header occurs twice, or is not a [`SessionId`].
pub fn session_id(headers: &HeaderMap) -> Result<Option<SessionId>, Rejection> {
    const NAME: &str = "Sec-Secure-Session-Id";
    let id = text(headers, &SESSION_ID, 128, NAME)?;
    id.map(|id| SessionId::new(id).map_err(|_| Rejection::MalformedHeader(NAME))).transpose()
}

/// Why the browser did not refresh before a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The refresh endpoint could not be reached.
    Unreachable,
    /// The refresh endpoint answered with an error.
    ServerError,
    /// The browser has made too many signatures for this site.
    QuotaExceeded,
    /// A reason that this crate does not know.
    Other(String),
}

/// A session that was not refreshed before a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// The identifier of the session, as the browser says. Do not trust it.
    pub session_id: Option<String>,
}

/// Reads [`SKIPPED`]. Malformed headers and members count as absent: this header is only a hint.
pub fn skipped(headers: &HeaderMap) -> Vec<Skipped> {
    let lines: Vec<_> = headers.get_all(SKIPPED).iter().map(HeaderValue::as_bytes).collect();
    let Ok(list) = Parser::new(&lines.join(&b","[..])).parse::<List>() else { return Vec::new() };
    list.into_iter()
        .filter_map(|entry| if let ListEntry::Item(item) = entry { skipped_session(item) } else { None })
        .collect()
}

fn skipped_session(item: Item) -> Option<Skipped> {
    let BareItem::Token(reason) = item.bare_item else { return None };
    let reason = match reason.as_str() {
        "unreachable" => SkipReason::Unreachable,
        "server_error" => SkipReason::ServerError,
        "quota_exceeded" => SkipReason::QuotaExceeded,
        other => SkipReason::Other(other.into()),
    };
    let session_id = match item.params.get("session_identifier") {
        Some(BareItem::String(id)) => Some(id.as_str().into()),
        _ => None,
    };
    Some(Skipped { reason, session_id })
}

/// A header that is a structured field string, or the text itself.
fn text<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
    max_len: usize,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, Rejection> {
    let malformed = Rejection::MalformedHeader(name);
    let mut lines = headers.get_all(header).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    // Two quotes more than the text. Parameters are ignored, as the draft says, but count.
    if lines.next().is_some() || line.len() > max_len + 2 {
        return Err(malformed);
    }
    let line = line.to_str().map_err(|_| malformed)?;
    if !line.starts_with('"') {
        return Ok(Some(Cow::Borrowed(line)));
    }
    match Parser::new(line).parse::<Item>().map_err(|_| malformed)?.bare_item {
        BareItem::String(text) => Ok(Some(Cow::Owned(text.as_str().into()))),
        _ => Err(malformed),
    }
}

fn string<'a>(text: &'a str, what: &'static str) -> Result<&'a StringRef, InvalidValue> {
    StringRef::from_str(text).map_err(|_| InvalidValue(what))
}

fn header_value(text: String) -> Result<HeaderValue, InvalidValue> {
    HeaderValue::try_from(text).map_err(|_| InvalidValue("header"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).expect("a header"));
        }
        headers
    }

    #[test]
    fn offer_is_written_as_in_the_draft() {
        let offer = Offer {
            algorithms: &[Algorithm::Es256, Algorithm::Rs256],
            path: "/register",
            challenge: "a \"quoted\" text",
            authorization: Some("b"),
            provider: None,
        };
        let expected = r#"(ES256 RS256);path="/register";challenge="a \"quoted\" text";authorization="b""#;
        assert_eq!(offer.to_header().expect("valid"), expected);
        let provider = Provider { key: "k", session_id: "s", url: "https://a.example" };
        let federated = Offer { authorization: None, provider: Some(provider), challenge: "c", ..offer.clone() };
        let expected = r#"(ES256 RS256);path="/register";challenge="c";provider_key="k";provider_session_id="s";provider_url="https://a.example""#;
        assert_eq!(federated.to_header().expect("valid"), expected);
        assert!(Offer { algorithms: &[], ..offer.clone() }.to_header().is_err());
        assert!(Offer { authorization: Some("ä"), ..offer.clone() }.to_header().is_err());
        assert!(Offer { authorization: Some("a\nb"), ..offer }.to_header().is_err());
    }

    #[test]
    fn challenge_names_its_session() {
        let session = SessionId::new("s-1").expect("valid");
        assert_eq!(challenge("c", &session).expect("valid"), r#""c";id="s-1""#);
    }

    #[test]
    fn text_is_read_with_and_without_quotes() {
        let read = |lines: &[&str]| session_id(&headers(&SESSION_ID, lines)).map(|id| id.map(|id| id.to_string()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["s-1"]), Ok(Some("s-1".into())));
        assert_eq!(read(&["\"s-1\""]), Ok(Some("s-1".into())));
        assert_eq!(read(&["\"s-1\";a=1"]), Ok(Some("s-1".into())));
        let malformed = Err(Rejection::MalformedHeader("Sec-Secure-Session-Id"));
        let long = "a".repeat(129);
        for lines in [&["a", "a"][..], &[""], &["\"a"], &["\"a\", \"b\""], &["a b"], &["a;b=1"], &["?1"], &[&long]] {
            assert_eq!(read(lines), malformed, "{lines:?}");
        }
    }

    #[test]
    fn skipped_sessions_are_read() {
        let read = |lines: &[&str]| skipped(&headers(&SKIPPED, lines));
        let expected = |reason, id: Option<&str>| Skipped { reason, session_id: id.map(Into::into) };
        assert_eq!(
            read(&[
                r#"unreachable;session_identifier="1", quota_exceeded"#,
                "server_error",
                "new;session_identifier=x"
            ]),
            [
                expected(SkipReason::Unreachable, Some("1")),
                expected(SkipReason::QuotaExceeded, None),
                expected(SkipReason::ServerError, None),
                expected(SkipReason::Other("new".into()), None),
            ]
        );
        for lines in [&[][..], &["unreachable;"], &["\"unreachable\""], &["(unreachable)"], &["a,,b"]] {
            assert_eq!(read(lines), [], "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn written_challenge_parses_to_the_same(text in "[ -~]{0,40}") {
            let session = SessionId::new("s").expect("valid");
            let written = challenge(&text, &session).expect("valid");
            let item: Item = Parser::new(written.as_bytes()).parse().expect("valid");
            prop_assert_eq!(item.bare_item.as_string().map(sfv::StringRef::as_str), Some(text.as_str()));
        }

        #[test]
        fn any_header_is_read_without_panic(bytes: Vec<u8>) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            for name in [&RESPONSE, &SESSION_ID, &SKIPPED] {
                let headers: HeaderMap = [(name.clone(), value.clone())].into_iter().collect();
                let _ = (proof(&headers), session_id(&headers), skipped(&headers));
            }
        }
    }
}
