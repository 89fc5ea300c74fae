//! Reads request headers and bodies.

use std::str::FromStr;

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::rejection::Rejection;

/// The only value of a header.
///
/// # Errors
/// [`Rejection::HeaderMissing`] without a value, [`Rejection::HeaderMalformed`] for several.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Rejection> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Rejection::HeaderMissing(name)),
        (Some(_), Some(_)) => Err(Rejection::HeaderMalformed(name)),
    }
}

/// The only value of a header, as text.
///
/// # Errors
/// As [`single`].
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Rejection> {
    single(headers, name)?.to_str().map_err(|_| Rejection::HeaderMalformed(name))
}

/// The only value of a header, parsed.
///
/// # Errors
/// As [`single`].
pub(crate) fn parse<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Rejection> {
    text(headers, name)?.parse().map_err(|_| Rejection::HeaderMalformed(name))
}

/// The media type of a form that the browser submits without script.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a content type is this media type, in UTF-8 if it names a charset (RFC 9110 §8.3).
pub(crate) fn is_media_type(value: &HeaderValue, media_type: &str) -> bool {
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_utf_8 = |parameter: &str| {
        let (name, charset) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("charset") && charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(media_type)) && parts.all(is_utf_8)
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// [`Rejection::BodyTooLarge`], [`Rejection::BodyUnreadable`].
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Rejection> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Rejection::BodyTooLarge),
        Err(_) => Err(Rejection::BodyUnreadable),
    }
}
