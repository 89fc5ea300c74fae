//! Puts the application into the house: its pages, its server functions and its files, behind PAN's verification.

use axum::{
    Router,
    body::{Body, to_bytes},
    middleware::map_response,
    response::Response,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use leptos::{
    config::{LeptosOptions, errors::LeptosConfigError, get_configuration},
    nonce::use_nonce,
    prelude::{provide_context, use_context},
    server_fn::{ServerFn, axum::server_fn_paths, error::FromServerFnError},
};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use server::{
    Functions, Pan, StartError,
    settings::{Settings, SettingsError},
};

use crate::{access, demo::api, fault::Fault, pages, pan::session::Session, shell::shell};

/// Server functions that anybody may call. Every other must be in the catalogue, or the server does not start.
const PUBLIC: &[&str] = &[access::SignIn::PATH, api::Register::PATH];

/// Marks a reply that a server function wrote as its error.
const FAULT_HEADER: &str = leptos::server_fn::error::SERVER_FN_ERROR_HEADER;

/// The longest fault that is read back, in bytes.
const MAX_FAULT: usize = 4096;

/// Why the server does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The options that cargo-leptos passes cannot be used.
    #[error("the environment variables LEPTOS_… are not usable: {0}")]
    Options(#[from] LeptosConfigError),
    /// The house does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// A [`ServeError`] that says what to mend.
pub async fn serve() -> Result<(), ServeError> {
    let pan = Pan::start(Settings::load()?).await?;
    let options = get_configuration(None)?.leptos_options;
    let functions = Functions { public: PUBLIC, served: server_fn_paths().map(|(path, _method)| path).collect() };
    Ok(pan.serve(router(pan.clone(), options), functions).await?)
}

/// The application, unprotected: what [`Pan::serve`] stands in front of.
fn router(pan: Pan, options: LeptosOptions) -> Router {
    let routes = generate_route_list(|| pages::app(Session::new(None)));
    let context = move || {
        provide_context(pan.clone());
        set_policy(&pan);
    };
    let render = {
        let options = options.clone();
        move || shell(options.clone())
    };
    Router::new()
        .leptos_routes_with_context(&options, routes, context.clone(), render)
        .fallback(leptos_axum::file_and_error_handler_with_context::<LeptosOptions, _>(context, shell))
        .layer(map_response(finish))
        .with_state(options)
}

/// Gives a rendered page its policy, with the nonce of its own scripts. Function calls and files have no nonce.
fn set_policy(pan: &Pan) {
    let (Some(nonce), Some(reply)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    // Origins and base64: always a valid header value. Without one the house sends the policy that allows nothing.
    if let Ok(policy) = HeaderValue::from_str(&pan.content_security_policy(&nonce)) {
        reply.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What Leptos leaves open: the status of a fault, and how long a file may be kept.
async fn finish(response: Response) -> Response {
    if response.headers().contains_key(FAULT_HEADER) {
        return with_status(response).await;
    }
    let mut response = response;
    if response.headers().contains_key(header::LAST_MODIFIED) {
        // Files keep their names when they change: the browser must ask each time, and mostly hears "not modified".
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

/// Leptos answers every fault with 500; a fault knows better.
async fn with_status(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_FAULT).await.unwrap_or_default();
    let fault = Fault::de(body.clone());
    parts.status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(HeaderName::from_static(FAULT_HEADER));
    if let Fault::RateLimited { seconds: Some(seconds) } = fault {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(body))
}
