//! Puts the application into the house: its pages, its server functions and its files, behind PAN's verification.

use std::{env, path::PathBuf};

use actions::CATALOGUE;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use leptos::{
    config::{LeptosOptions, errors::LeptosConfigError, get_configuration},
    nonce::use_nonce,
    prelude::{provide_context, use_context},
    server_fn::{axum::server_fn_paths, error::FromServerFnError},
};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use protocol::problem;
use server::{
    Functions, Server, StartError,
    settings::{Settings, SettingsError},
};

use crate::{demo::ledger, error::AppError, pages, pan::session::Session, shell::shell};

/// Server functions that anybody may call. Every other must be in the catalogue, or the server does not start.
const PUBLIC: &[&str] = &[];

/// Marks a reply that a server function wrote as its error.
const FAULT_HEADER: &str = leptos::server_fn::error::SERVER_FN_ERROR_HEADER;

/// How a file whose name changes with its content may be kept: for a year (RFC 8246).
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

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
    /// The page's files are not there.
    #[error("the page's style sheet is not in {}: LEPTOS_SITE_ROOT says where cargo-leptos put the site", .0.display())]
    Site(PathBuf),
    /// The house does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// A [`ServeError`] that says what to mend.
pub async fn serve() -> Result<(), ServeError> {
    let pan = Server::start(Settings::load()?).await?;
    let options = site(get_configuration(None)?.leptos_options)?;
    Ok(pan.serve(router(pan.clone(), options), functions()).await?)
}

/// What the application serves, and the record that it writes for a new account.
fn functions() -> Functions {
    let served = server_fn_paths().map(|(path, _method)| path).collect();
    Functions::new(CATALOGUE).public(PUBLIC).served(served).register(ledger::new_account)
}

/// Finds the page's files: under hashed names if cargo-leptos wrote the hashes beside this binary.
fn site(mut options: LeptosOptions) -> Result<LeptosOptions, ServeError> {
    let hashes = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(options.hash_file.as_ref())));
    let hashes = hashes.and_then(|file| std::fs::read_to_string(file).ok());
    options.hash_files = hashes.is_some();
    let hash = hashes.as_deref().and_then(|hashes| hashes.lines().find_map(|line| line.strip_prefix("css:")));
    let hash = hash.map(|hash| format!(".{}", hash.trim())).unwrap_or_default();
    let folder = PathBuf::from(options.site_root.as_ref()).join(options.site_pkg_dir.as_ref());
    let style = folder.join(format!("{}{hash}.css", options.output_name));
    style.exists().then_some(options).ok_or(ServeError::Site(folder))
}

/// The application, unprotected: what [`Server::serve`] stands in front of.
fn router(pan: Server, options: LeptosOptions) -> Router {
    let routes = generate_route_list(|| pages::app(Session::new(None, String::new())));
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
        .layer(from_fn(finish))
        .with_state(options)
}

/// Gives a rendered page its policy, with the nonce of its own scripts. Function calls and files have no nonce.
fn set_policy(pan: &Server) {
    let (Some(nonce), Some(reply)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    // Origins and base64: always a valid header value. Without one the house sends the policy that allows nothing.
    if let Ok(policy) = HeaderValue::from_str(&pan.content_security_policy(&nonce)) {
        reply.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What Leptos leaves open: the status of a fault, and how long a file may be kept.
async fn finish(request: Request, next: Next) -> Response {
    let is_hashed = has_hash(request.uri().path());
    let mut response = next.run(request).await;
    if response.headers().contains_key(FAULT_HEADER) {
        return with_status(response).await;
    }
    if response.headers().contains_key(header::LAST_MODIFIED) {
        // Other files keep their names when they change: the browser asks each time, and mostly gets 304.
        let life = if is_hashed { IMMUTABLE } else { HeaderValue::from_static("no-cache") };
        response.headers_mut().insert(header::CACHE_CONTROL, life);
        // The same path is answered in several encodings.
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Whether a file's name has the hash of its content: `/pkg/NAME.HASH.EXTENSION`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let [_name, hash, _extension] = name.split('.').collect::<Vec<_>>()[..] else { return false };
    // An MD5 digest in base64url.
    hash.len() == 22
}

/// Leptos answers every fault with 500; a fault knows better. What PAN itself would refuse with a problem document is
/// one here too (RFC 9457).
async fn with_status(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut body = to_bytes(body, MAX_FAULT).await.unwrap_or_default();
    let error = AppError::de(body.clone());
    if let Some(text) = error.problem().and_then(|problem| serde_json::to_vec(&problem).ok()) {
        body = text.into();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(HeaderName::from_static(FAULT_HEADER));
    if let AppError::RateLimited { seconds: Some(seconds) } = error {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use server::{clock::Clock, store::Stores};
    use tower::ServiceExt;

    use super::*;

    /// The whole server.
    fn server() -> Router {
        let pan = Server::with(Settings::default(), Stores::memory(), Clock::system()).expect("randomness");
        let options = LeptosOptions::builder().output_name("pan").build();
        pan.router(router(pan.clone(), options), &functions()).expect("all is decided")
    }

    async fn get(path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, "pan.localhost:3000").body(Body::empty());
        let reply = server().oneshot(request.expect("a request")).await.expect("a router never fails");
        let status = reply.status();
        let body = to_bytes(reply.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// A site with one hashed file and one that is not, in each encoding.
    fn files() -> (tempfile::TempDir, Router) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("pkg")).expect("a folder");
        for name in ["pkg/pan.Q1w2E3r4T5y6U7i8O9p0Aa.wasm", "icon.svg"] {
            for (extension, content) in [("", "plain"), (".br", "brotli"), (".gz", "gzip")] {
                std::fs::write(folder.path().join(format!("{name}{extension}")), content).expect("a file");
            }
        }
        let pan = Server::with(Settings::default(), Stores::memory(), Clock::system()).expect("randomness");
        let root = folder.path().to_str().expect("text").to_owned();
        let options = LeptosOptions::builder().output_name("pan").site_root(root).build();
        (folder, router(pan, options))
    }

    #[tokio::test]
    async fn files_are_served_in_the_encoding_that_is_accepted() {
        let (_folder, files) = files();
        for (path, kind, cached) in [
            ("/pkg/pan.Q1w2E3r4T5y6U7i8O9p0Aa.wasm", "application/wasm", "public, max-age=31536000, immutable"),
            ("/icon.svg", "image/svg+xml", "no-cache"),
        ] {
            for (accepted, encoding, content) in [
                ("gzip, deflate, br, zstd", Some("br"), "brotli"),
                ("gzip", Some("gzip"), "gzip"),
                ("identity", None, "plain"),
                ("br;q=0, gzip;q=0", None, "plain"),
            ] {
                let request = Request::get(path).header(header::ACCEPT_ENCODING, accepted).body(Body::empty());
                let reply = files.clone().oneshot(request.expect("a request")).await.expect("a router never fails");
                let (parts, body) = reply.into_parts();
                let text = |name| parts.headers.get(name).map(|value| value.to_str().expect("text"));
                assert_eq!(parts.status, StatusCode::OK);
                assert_eq!(text(header::CONTENT_ENCODING), encoding, "{path} {accepted}");
                assert_eq!(text(header::CONTENT_TYPE), Some(kind));
                assert_eq!(text(header::CACHE_CONTROL), Some(cached));
                assert_eq!(text(header::VARY), Some("accept-encoding"), "{path} {accepted}");
                assert_eq!(to_bytes(body, 100).await.expect("a body"), content);
            }
        }
    }

    #[tokio::test]
    async fn pages_link_to_the_sign_origin_and_have_no_password() {
        let (status, home) = get("/").await;
        assert_eq!(status, StatusCode::OK);
        for page in ["/sign-in?return=", "/register?return="] {
            assert!(home.contains(&format!("http://sign.pan.localhost:3000{page}")), "{page}");
        }
        assert!(!home.contains("type=\"password\""));
        for path in ["/sign-in", "/register"] {
            assert!(!get(path).await.1.contains("type=\"password\""), "{path}");
        }
    }

    #[tokio::test]
    async fn nothing_is_public() {
        for path in ["/api/sign_in", "/api/register", "/api/transfer"] {
            let request = Request::post(path)
                .header(header::HOST, "pan.localhost:3000")
                .header(header::ORIGIN, "http://pan.localhost:3000")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from("{}"));
            let reply = server().oneshot(request.expect("a request")).await.expect("a router never fails");
            assert!(reply.status().is_client_error(), "{path}");
            assert_eq!(reply.headers()[header::CONTENT_TYPE], problem::CONTENT_TYPE, "{path}");
        }
    }
}
