//! A site whose sessions are bound to the browser. It trusts every name; a real site checks a password first.
//!
//! Browsers accept device bound sessions only over `https` with a valid certificate, so put a proxy that terminates TLS in
//! front of it. `end2end/support/dbsc-site.ts` is one.
//!
//! Variables: `PORT`, the port to listen on (3100); `ORIGIN`, the origin that browsers see (`https://pan.localhost:3143`);
//! `COOKIE_SECONDS`, the lifetime of the bound cookie (600); `ALGORITHM`, the only one to offer (`ES256` or `RS256`).

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{
    Form, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use dbsc::{BoundCookie, Config, Dbsc, MemoryStore, Secret, header};
use tokio::net::TcpListener;

type Sessions = Arc<Dbsc<MemoryStore>>;

#[derive(serde::Deserialize)]
struct SignIn {
    user: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
    let lifetime = Duration::from_secs(variable("COOKIE_SECONDS", "600").parse()?);
    let cookie = BoundCookie::new("__Host-bound")?.max_age(lifetime);
    // A secret that several servers share, or that survives a restart, comes from the configuration instead.
    let config = Config::new(Secret::random(), cookie, &variable("ORIGIN", "https://pan.localhost:3143"))?;
    let config = match env::var("ALGORITHM") {
        Ok(name) => config.algorithms(&[name.parse()?])?,
        Err(_) => config,
    };
    let sessions = Arc::new(Dbsc::new(config, MemoryStore::default()));
    let site = Router::new()
        .route("/", get(home))
        .route("/account", get(account))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/end", post(end))
        .with_state(Arc::clone(&sessions))
        .merge(dbsc::axum::router(sessions));
    let listener = TcpListener::bind(("127.0.0.1", variable("PORT", "3100").parse()?)).await?;
    axum::serve(listener, site).await?;
    Ok(())
}

async fn home() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Sign in</title><form method=post action=/sign-in><input name=user><button>Sign in</button></form>",
    )
}

/// The response that signs the user in offers a registration. The browser accepts it in the background, so the next page
/// may be requested before there is a bound cookie.
async fn sign_in(State(sessions): State<Sessions>, Form(form): Form<SignIn>) -> Response {
    match sessions.offer(&form.user) {
        Ok(offer) => ([(header::REGISTRATION, offer)], Redirect::to("/")).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Says who is signed in, by the bound cookie only.
async fn account(State(sessions): State<Sessions>, headers: HeaderMap) -> Response {
    let user = sessions.session(&headers).and_then(|session| sessions.store().authorization(&session));
    match user {
        Some(user) => user.into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Ends the session and makes the browser forget it. Deleting the cookie is not enough: the browser would refresh it.
async fn sign_out(State(sessions): State<Sessions>, headers: HeaderMap) -> impl IntoResponse {
    end(State(sessions), headers).await;
    [("clear-site-data", "\"cookies\", \"storage\"")]
}

/// Ends the session on the server only, as when an administrator does it. The browser learns it at the next refresh.
async fn end(State(sessions): State<Sessions>, headers: HeaderMap) {
    if let Some(session) = sessions.session(&headers) {
        sessions.store().end(&session);
    }
}
