//! The sign origin: the signing frame, the pages where users sign in, register and confirm, and the endpoints that
//! these call (docs/PROTOCOL.md §4).

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use protocol::sign_origin::Time;

use crate::{Server, middleware::security_headers};

pub(crate) mod assets;
pub(crate) mod bind;

use assets::Page;
pub(crate) use bind::take_challenge;

/// `GET /`: the signing frame. A user who opens the bare host goes to the application, because the frame shows nothing.
pub(crate) async fn frame(State(server): State<Server>, headers: HeaderMap) -> Response {
    if is_page_visit(&headers) {
        return Redirect::temporary(server.settings().origins.app.as_str()).into_response();
    }
    get_page(&server, Page::Frame)
}

/// Whether the user visits a page, as opposed to a page that loads a file or a frame (Fetch Metadata).
fn is_page_visit(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|destination| destination == "document")
}

/// `GET /register`; 404 if users may not register.
pub(crate) async fn register_page(State(server): State<Server>) -> Response {
    if server.credentials().allows_registration() {
        get_page(&server, Page::Register)
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// A page of this server.
pub(crate) fn get_page(server: &Server, kind: Page) -> Response {
    page(server, kind, kind.html(server.settings(), server.credentials()))
}

/// A page with its headers.
pub(crate) fn page(server: &Server, kind: Page, html: String) -> Response {
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&kind.content_security_policy(server.settings())) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let static_value = HeaderValue::from_static;
    if kind == Page::Frame {
        headers.insert(header::CACHE_CONTROL, static_value("no-cache"));
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), static_value("same-site"));
    } else {
        headers.insert(header::X_FRAME_OPTIONS, static_value("DENY"));
        // With "same-origin" browsers would post the form to the app origin with `Origin: null` (Fetch §3.2).
        headers.insert(header::REFERRER_POLICY, static_value("strict-origin"));
        headers.insert(HeaderName::from_static("permissions-policy"), static_value(security_headers::WITH_PASSKEYS));
        // The confirmation window must keep its opener, to which it answers.
        let opener_policy = if kind == Page::Confirm { "unsafe-none" } else { "same-origin" };
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), static_value(opener_policy));
    }
    response
}

/// `GET /time`.
pub(crate) async fn time(State(server): State<Server>) -> Json<Time> {
    Json(Time { now: server.now() })
}

/// An asset of a page, by its hashed name: it never changes.
pub(crate) async fn asset(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::find(uri.path()) else {
        return if is_page_visit(&headers) { not_found(&server) } else { StatusCode::NOT_FOUND.into_response() };
    };
    let takes_brotli = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(is_brotli);
    let mut response = if takes_brotli { asset.brotli } else { asset.bytes }.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_brotli {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

/// The page for a mistyped address.
fn not_found(server: &Server) -> Response {
    let app = &server.settings().origins.app;
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Not found</title>\n\
         <h1>There is no page here</h1>\n\
         <p>The address may be mistyped. <a href=\"/sign-in\">Sign in</a>, or go to <a href=\"{app}\">{}</a></p>\n",
        app.authority()
    );
    (StatusCode::NOT_FOUND, Html(html)).into_response()
}

/// Whether an item of `Accept-Encoding` accepts brotli: `br;q=0` does not (RFC 9110 §12.4.2).
fn is_brotli(item: &str) -> bool {
    let mut parts = item.split(';').map(str::trim);
    let is_refused = |weight: &str| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0);
    parts.next() == Some("br") && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_refused))
}
