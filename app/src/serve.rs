//! Serves the application's pages, server functions and files behind PAN's verification.

use std::{env, path::PathBuf};

use actions::CATALOGUE;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Redirect, Response},
};
use client::Session;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use leptos::{
    config::{LeptosOptions, errors::LeptosConfigError, get_configuration},
    nonce::use_nonce,
    prelude::{provide_context, use_context},
    server_fn::{axum::server_fn_paths, error::FromServerFnError},
};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use protocol::{problem, return_path};
use server::{
    Functions, Server, StartError,
    auth::{accounts::Accounts, passwords::Passwords},
    open_stores,
    settings::{Settings, SettingsError},
    store::Stores,
};

use crate::{account::store::new_account, error::AppError, pages, shell::shell};

/// Server functions that need no session. Every other function must be in the catalogue, or the server does not start.
const PUBLIC: &[&str] = &[];

/// Marks a response in which a server function returned an error.
const ERROR_HEADER: &str = leptos::server_fn::error::SERVER_FN_ERROR_HEADER;

/// The cache policy of a file whose name changes with its content (RFC 8246).
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The longest error that is read back, in bytes.
const MAX_ERROR: usize = 4096;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The options that cargo-leptos passes cannot be used.
    #[error("the environment variables LEPTOS_… are not usable: {0}")]
    Options(#[from] LeptosConfigError),
    /// The page's files are missing.
    #[error("the page's style sheet is not in {}: LEPTOS_SITE_ROOT says where cargo-leptos put the site", .0.display())]
    Site(PathBuf),
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs the server until it receives a signal to stop.
///
/// # Errors
/// Why the server did not start, or stopped.
pub async fn serve() -> Result<(), ServeError> {
    let settings = Settings::load()?;
    let stores = open_stores(&settings).await?;
    let accounts = accounts(&settings, &stores);
    let server = Server::start(settings, stores, accounts).await?;
    let options = site(get_configuration(None)?.leptos_options)?;
    Ok(server.serve(router(server.clone(), options), functions()).await?)
}

/// The users.
fn accounts(settings: &Settings, stores: &Stores) -> Accounts {
    let accounts = Accounts::new(stores.records.clone(), Passwords::new(&settings.origins));
    accounts.with_registration(new_account)
}

/// The application's server functions.
fn functions() -> Functions {
    let served = server_fn_paths().map(|(path, _method)| path).collect();
    Functions::new(CATALOGUE).public(PUBLIC).served(served)
}

/// Finds the page's files, under hashed names if cargo-leptos wrote the hashes beside this binary.
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

/// The application without verification, which [`Server::serve`] adds.
fn router(server: Server, options: LeptosOptions) -> Router {
    let routes = generate_route_list(|| pages::app(Session::new(None, String::new())));
    let context = move || {
        provide_context(server.clone());
        set_policy(&server);
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

/// Sets the Content Security Policy of a rendered page, with the nonce of its scripts. Function calls and files have no nonce.
fn set_policy(server: &Server) {
    let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    // Origins and base64 always make a valid header value. Without one the server sends the policy that allows nothing.
    if let Ok(policy) = HeaderValue::from_str(&server.content_security_policy(&nonce)) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Does what Leptos does not: the status of an error, how long a file may be cached, and whether the browser has it already.
async fn finish(request: Request, next: Next) -> Response {
    if let Some(path) = without_slash(request.method(), request.uri()) {
        return Redirect::permanent(&path).into_response();
    }
    let is_hashed = has_hash(request.uri().path());
    let known = request.headers().get(header::IF_MODIFIED_SINCE).cloned();
    let mut response = next.run(request).await;
    if response.headers().contains_key(ERROR_HEADER) {
        return with_status(response).await;
    }
    if response.headers().contains_key(header::LAST_MODIFIED) {
        // Other files keep their names when they change: the browser revalidates them, and mostly gets 304.
        let life = if is_hashed { IMMUTABLE } else { HeaderValue::from_static("no-cache") };
        response.headers_mut().insert(header::CACHE_CONTROL, life);
        // The same path has several encodings.
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // Leptos does not pass on the conditions of a request. A browser repeats the date that it was given (RFC 9110 §13.1.3).
        if known.is_some()
            && response.status() == StatusCode::OK
            && response.headers().get(header::LAST_MODIFIED) == known.as_ref()
        {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE] {
                response.headers_mut().remove(name);
            }
        }
    }
    response
}

/// Path and query without the slash at the end, which no page has. `None` if there is no such slash.
fn without_slash(method: &Method, uri: &Uri) -> Option<String> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty() && !path.ends_with('/'))?;
    let is_page = matches!(*method, Method::GET | Method::HEAD);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    // Not `//other.example`, which would lead to another host.
    (is_page && return_path::check(path) == path).then(|| format!("{path}{query}"))
}

/// Whether a file's name contains the hash of its content: `/pkg/NAME.HASH.EXTENSION`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let [_name, hash, _extension] = name.split('.').collect::<Vec<_>>()[..] else { return false };
    // An MD5 digest in base64url.
    hash.len() == 22
}

/// Replaces the 500 with which Leptos answers every error by the error's own status, and its body by a problem document
/// (RFC 9457) where PAN has one for the same reason.
async fn with_status(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut body = to_bytes(body, MAX_ERROR).await.unwrap_or_default();
    let error = AppError::de(body.clone());
    if let Some(text) = error.problem().and_then(|problem| serde_json::to_vec(&problem).ok()) {
        body = text.into();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(HeaderName::from_static(ERROR_HEADER));
    if let Some(seconds) = error.retry_after() {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use std::sync::Arc;

    use server::clock::Clock;
    use tower::ServiceExt;

    use super::*;

    fn server() -> Server {
        let (settings, stores) = (Settings::default(), Stores::memory());
        let accounts = Arc::new(accounts(&settings, &stores));
        Server::with(settings, stores, accounts, Clock::system()).expect("randomness")
    }

    /// The server with the application.
    fn app() -> Router {
        let server = server();
        let options = LeptosOptions::builder().output_name("pan").build();
        server.router(router(server.clone(), options), &functions()).expect("every function is in the catalogue")
    }

    async fn get(path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, "pan.localhost:3000").body(Body::empty());
        let reply = app().oneshot(request.expect("a request")).await.expect("a router never fails");
        let status = reply.status();
        let body = to_bytes(reply.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// A site with a file of a hashed name and one of a plain name, in each encoding.
    fn files() -> (tempfile::TempDir, Router) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("pkg")).expect("a folder");
        for name in ["pkg/pan.Q1w2E3r4T5y6U7i8O9p0Aa.wasm", "icon.svg"] {
            for (extension, content) in [("", "plain"), (".br", "brotli"), (".gz", "gzip")] {
                std::fs::write(folder.path().join(format!("{name}{extension}")), content).expect("a file");
            }
        }
        let server = server();
        let root = folder.path().to_str().expect("text").to_owned();
        let options = LeptosOptions::builder().output_name("pan").site_root(root).build();
        (folder, router(server, options))
    }

    #[tokio::test]
    async fn files_come_in_the_accepted_encoding() {
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
    async fn unchanged_file_gets_304() {
        let (_folder, files) = files();
        for path in ["/pkg/pan.Q1w2E3r4T5y6U7i8O9p0Aa.wasm", "/icon.svg"] {
            let get = async |known: Option<&http::HeaderValue>| {
                let mut request = Request::get(path).header(header::ACCEPT_ENCODING, "br");
                if let Some(known) = known {
                    request = request.header(header::IF_MODIFIED_SINCE, known);
                }
                let reply = files.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
                let (parts, body) = reply.expect("a router never fails").into_parts();
                (parts.status, parts.headers, to_bytes(body, 100).await.expect("a body"))
            };
            let (status, first, _) = get(None).await;
            assert_eq!(status, StatusCode::OK);
            let (status, again, body) = get(first.get(header::LAST_MODIFIED)).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
            // The browser replaces the stored headers by these.
            for name in [header::CACHE_CONTROL, header::VARY, header::LAST_MODIFIED] {
                assert_eq!(again.get(&name), first.get(&name), "{path} {name}");
            }
            let other = http::HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(get(Some(&other)).await.0, StatusCode::OK, "{path}");
        }
    }

    #[tokio::test]
    async fn slash_at_the_end_leads_to_the_page() {
        let get = async |path: &str| {
            let request = Request::get(path).header(header::HOST, "pan.localhost:3000").body(Body::empty());
            let reply = app().oneshot(request.expect("a request")).await.expect("a router never fails");
            let location = reply.headers().get(header::LOCATION).map(|to| to.to_str().expect("text").to_owned());
            (reply.status(), location)
        };
        for (path, to) in [("/account/", "/account"), ("/activity/?a=b%20c", "/activity?a=b%20c")] {
            assert_eq!(get(path).await, (StatusCode::PERMANENT_REDIRECT, Some(to.to_owned())), "{path}");
        }
        for path in ["/", "/account", "/account?next=/"] {
            assert_eq!(get(path).await, (StatusCode::OK, None), "{path}");
        }
        for path in ["//other.example/", "//other.example//", "/account//"] {
            let (status, to) = get(path).await;
            assert_eq!((status, to), (StatusCode::NOT_FOUND, None), "{path}");
        }
    }

    #[tokio::test]
    async fn pages_link_to_sign_origin_without_password() {
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
    async fn no_function_is_public() {
        for path in ["/api/sign_in", "/api/register", "/api/transfer"] {
            let request = Request::post(path)
                .header(header::HOST, "pan.localhost:3000")
                .header(header::ORIGIN, "http://pan.localhost:3000")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from("{}"));
            let reply = app().oneshot(request.expect("a request")).await.expect("a router never fails");
            assert!(reply.status().is_client_error(), "{path}");
            assert_eq!(reply.headers()[header::CONTENT_TYPE], problem::CONTENT_TYPE, "{path}");
        }
    }
}
