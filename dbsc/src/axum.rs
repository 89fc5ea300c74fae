//! The endpoints as an axum router (feature `axum`).

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::any,
};

use crate::{dbsc::Dbsc, endpoint::WELL_KNOWN, store::SessionStore};

/// A router with the endpoints, to merge into that of the application.
pub fn router<S: SessionStore>(dbsc: Arc<Dbsc<S>>) -> Router {
    let mut router = Router::new()
        .route(&dbsc.config.registration_path, any(respond::<S>))
        .route(&dbsc.config.refresh_path, any(respond::<S>));
    if dbsc.config.well_known.is_some() {
        router = router.route(WELL_KNOWN, any(respond::<S>));
    }
    router.with_state(dbsc)
}

async fn respond<S: SessionStore>(State(dbsc): State<Arc<Dbsc<S>>>, request: Request) -> Response {
    // The URI is the one that was routed, so it is one of the endpoints.
    let Some(endpoint) = dbsc.endpoint(request.uri().path()) else { return StatusCode::NOT_FOUND.into_response() };
    dbsc.respond(endpoint, request.method(), request.headers()).await.map(Body::from)
}
