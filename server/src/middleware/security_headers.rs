//! The security headers of both origins, in one place.

use axum::{extract::State, response::Response};
use http::{HeaderName, HeaderValue, header};

use crate::{
    Server,
    settings::{Environment, Settings},
};

/// Headers of every response of both origins.
const COMMON: [(HeaderName, &str); 2] = [
    // A same-site frame may then get its own process.
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Browser features that no page of a security-critical application needs (Permissions Policy):
/// sensors and devices, reading the clipboard (which may have recovery codes), features that can hide or imitate the
/// browser's user interface, identity providers, and advertising.
macro_rules! denied_features {
    () => {
        "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), captured-surface-control=(), \
        clipboard-read=(), compute-pressure=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), \
        geolocation=(), gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), keyboard-map=(), \
        local-fonts=(), magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), \
        picture-in-picture=(), screen-wake-lock=(), serial=(), storage-access=(), usb=(), window-management=(), \
        xr-spatial-tracking=()"
    };
}

/// The Permissions-Policy of the app origin and of the signing frame: no page of them can use a passkey.
const WITHOUT_PASSKEYS: &str =
    concat!(denied_features!(), ", publickey-credentials-get=(), publickey-credentials-create=()");

/// The Permissions-Policy of the sign origin's top-level pages: they, and no frame in them, can use passkeys.
pub(crate) const WITH_PASSKEYS: &str =
    concat!(denied_features!(), ", publickey-credentials-get=(self), publickey-credentials-create=(self)");

/// The Content-Security-Policy of a response that has none: it may load nothing, and no page may frame it.
const ALLOW_NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Adds the headers that every response must have. Keeps a policy or cache rule that the handler has set.
pub(crate) async fn add(State(server): State<Server>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in COMMON {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(HeaderName::from_static("permissions-policy")).or_insert(HeaderValue::from_static(WITHOUT_PASSKEYS));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(ALLOW_NOTHING));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    // A page keeps a port to the confirmation window that it opens, and nothing else keeps one to the page.
    headers
        .entry(HeaderName::from_static("cross-origin-opener-policy"))
        .or_insert(HeaderValue::from_static("same-origin-allow-popups"));
    headers
        .entry(HeaderName::from_static("cross-origin-resource-policy"))
        .or_insert(HeaderValue::from_static("same-origin"));
    if server.settings().origins.app.is_secure() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    response
}

/// The application's Content-Security-Policy (CSP Level 3). `nonce` is fresh for each page.
///
/// Only scripts with the nonce run, and what these load (`strict-dynamic`); `wasm-unsafe-eval` lets WebAssembly be
/// compiled and nothing else be evaluated. No Trusted Types: Leptos makes the static parts of a view from HTML texts,
/// so they would need a default policy that lets every text through.
pub fn content_security_policy(settings: &Settings, nonce: &str) -> String {
    let (sign, app) = (&settings.origins.sign, &settings.origins.app);
    // Not every browser counts the sockets of the page's own host as 'self'.
    let socket = app.as_str().replacen("http", "ws", 1);
    // cargo-leptos' reload socket, on another port of the same host.
    let reload = match settings.environment {
        Environment::Development => format!(" ws://{}:*", app.host()),
        Environment::Production => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self'; font-src 'self'; manifest-src 'self'; connect-src 'self' {socket}{reload}; frame-src {sign}; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; worker-src 'none'"
    )
}
