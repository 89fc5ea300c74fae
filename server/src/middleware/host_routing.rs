//! One process serves two origins: the `Host` header decides which.

use std::time::Instant;

use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use tower::ServiceExt;
use tracing::Instrument;

use super::request_id::REQUEST_ID;
use crate::{
    Server,
    settings::{Environment, Settings},
};

/// The routers of the two origins.
#[derive(Clone)]
pub(crate) struct Hosts {
    pub(crate) server: Server,
    pub(crate) app: Router,
    pub(crate) sign: Router,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RequestedHost {
    App,
    Sign,
    /// A name of this machine, in development. Redirects to the app origin.
    Loopback,
    Other,
}

impl RequestedHost {
    /// Its label in metrics and logs.
    fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Sign => "sign",
            Self::Loopback | Self::Other => "other",
        }
    }
}

/// Finds the host of a request, opens the request's span, and measures how long it takes.
pub(crate) async fn trace(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let host = requested_host(server.settings(), request.uri(), request.headers());
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!("request", id, method = %request.method(), host = host.name());
    request.extensions_mut().insert(host);
    let response = next.run(request).instrument(span).await;
    server.metrics().observe_request(host.name(), began.elapsed());
    response
}

impl Hosts {
    /// Routes by the host that [`trace`] has found.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(route).with_state(self)
    }
}

async fn route(State(hosts): State<Hosts>, request: Request) -> Response {
    match request.extensions().get() {
        Some(RequestedHost::App) => hosts.app.clone().oneshot(request).await.into_response(),
        Some(RequestedHost::Sign) => hosts.sign.clone().oneshot(request).await.into_response(),
        Some(RequestedHost::Loopback) => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            Redirect::temporary(&format!("{}{path}", hosts.server.settings().origins.app)).into_response()
        }
        Some(RequestedHost::Other) | None => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
}

/// The host that a request names: `:authority` (HTTP/2) or the one Host header (RFC 9110 §7.2).
fn requested_host(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> RequestedHost {
    let named = uri.authority().map(Authority::as_str);
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default()).collect();
    let host = match (named, hosts.as_slice()) {
        (Some(named), []) => named,
        (None, [host]) => host,
        (Some(named), [host]) if named == *host => named,
        _ => return RequestedHost::Other,
    };
    let origins = &settings.origins;
    if host == origins.app.authority() {
        RequestedHost::App
    } else if host == origins.sign.authority() {
        RequestedHost::Sign
    } else if settings.environment == Environment::Development && is_loopback(settings, host) {
        RequestedHost::Loopback
    } else {
        RequestedHost::Other
    }
}

fn is_loopback(settings: &Settings, host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") && port == settings.origins.app.port().unwrap_or("80")
}
