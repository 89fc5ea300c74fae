//! The source of a request: `Origin`, `Sec-Fetch-Site` and the content type.

use http::HeaderMap;
use protocol::action::Target;

use crate::{
    headers::{is_media_type, single},
    rejection::Rejection,
    settings::Settings,
};

/// Rejects a request that does not come from a page of its target. A browser sends `Origin` with every POST.
///
/// # Errors
/// [`Rejection::WrongOrigin`], [`Rejection::CrossSite`], [`Rejection::WrongContentType`].
pub(crate) fn check_source(settings: &Settings, headers: &HeaderMap, target: Target) -> Result<(), Rejection> {
    match single(headers, "origin") {
        Ok(value) if value == settings.origins.of(target).as_str() => {}
        _ => return Err(Rejection::WrongOrigin),
    }
    match single(headers, "sec-fetch-site") {
        Ok(value) if value == "same-origin" => {}
        // Old browsers and other clients do not send it; Origin has been checked. Only browsers use the
        // sign origin.
        Err(Rejection::HeaderMissing(_)) if target == Target::App => {}
        _ => return Err(Rejection::CrossSite),
    }
    match single(headers, "content-type") {
        Ok(value) if is_media_type(value, "application/json") => Ok(()),
        _ => Err(Rejection::WrongContentType),
    }
}

/// Whether the browser's headers show another origin than the application's.
pub(crate) fn is_from_elsewhere(settings: &Settings, headers: &HeaderMap) -> bool {
    let differs = |name, expected: &str| match single(headers, name) {
        Ok(value) => value != expected,
        Err(Rejection::HeaderMissing(_)) => false,
        Err(_) => true,
    };
    differs("origin", settings.origins.app.as_str()) || differs("sec-fetch-site", "same-origin")
}
