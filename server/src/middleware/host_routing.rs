//! One process, two origins: which one is asked is decided by the Host, and by nothing else.

use std::time::Instant;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, uri::Authority};
use tower::ServiceExt;
use tracing::Instrument;

use crate::{
    Server,
    middleware::security_headers,
    random::random,
    settings::{Environment, Settings},
};

/// The two routers.
#[derive(Clone)]
pub(crate) struct Hosts {
    pub(crate) server: Server,
    pub(crate) app: Router,
    pub(crate) sign: Router,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    App,
    Sign,
    /// A name of this machine, in development: the app origin is meant.
    Loopback,
    Other,
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Sign => "sign",
            Self::Loopback | Self::Other => "other",
        }
    }
}

impl Hosts {
    /// Routes by Host and adds the security headers to whatever comes back.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(route).with_state(self)
    }
}

/// Gives the request a name of its own, which the client gets too, so that the two can speak of it.
async fn route(State(hosts): State<Hosts>, request: Request) -> Response {
    let began = Instant::now();
    let asked = asked(hosts.server.settings(), request.uri(), request.headers());
    // Not the client's: a name that somebody else chose may be anybody's. Without randomness it has none.
    let id = random().map(|bytes: [u8; 8]| u64::from_be_bytes(bytes)).unwrap_or_default();
    let span =
        tracing::info_span!("request", id = format!("{id:016x}"), method = %request.method(), host = asked.name());
    let mut response = answer(&hosts, &asked, request).instrument(span).await;
    security_headers::add(hosts.server.settings(), &mut response);
    if let Ok(value) = HeaderValue::from_str(&format!("{id:016x}")) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    hosts.server.metrics().time(asked.name(), began.elapsed());
    response
}

async fn answer(hosts: &Hosts, asked: &Asked, request: Request) -> Response {
    match asked {
        Asked::App => hosts.app.clone().oneshot(request).await.into_response(),
        Asked::Sign => hosts.sign.clone().oneshot(request).await.into_response(),
        Asked::Loopback => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            Redirect::temporary(&format!("{}{path}", hosts.server.settings().origins.app)).into_response()
        }
        Asked::Other => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
}

/// Which origin a request means: by `:authority` (HTTP/2) or the one Host header (RFC 9110 §7.2).
fn asked(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> Asked {
    let named = uri.authority().map(Authority::as_str);
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default()).collect();
    let host = match (named, hosts.as_slice()) {
        (Some(named), []) => named,
        (None, [host]) => host,
        (Some(named), [host]) if named == *host => named,
        _ => return Asked::Other,
    };
    let origins = &settings.origins;
    if host == origins.app.authority() {
        Asked::App
    } else if host == origins.sign.authority() {
        Asked::Sign
    } else if settings.environment == Environment::Development && is_loopback(settings, host) {
        Asked::Loopback
    } else {
        Asked::Other
    }
}

fn is_loopback(settings: &Settings, host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") && port == settings.origins.app.port().unwrap_or("80")
}
