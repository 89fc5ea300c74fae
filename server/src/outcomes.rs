//! Outcomes of changes: what a client asks for when the response to a change was lost (docs/PROTOCOL.md §8.3).
//!
//! A change runs in a task of its own, so a client that disconnects cannot interrupt it, and its response is recorded
//! before it is sent. A request is never executed again; its outcome can be read for the lifetime of a nonce.

use axum::{
    Json,
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::header;
use protocol::{
    built_in::ReadOutcome,
    outcome::{MAX_BODY, Outcome, Recorded, State as OutcomeState},
    token::{Nonce, SessionHandle},
};
use tracing::Instrument;

use crate::{
    Server,
    extract::Verified,
    rejection::Rejection,
    store::{Settled, StoreError},
};

/// `POST /api/outcome`.
pub(crate) async fn read_outcome(
    State(server): State<Server>,
    request: Verified<ReadOutcome>,
) -> Result<Json<Outcome>, Rejection> {
    let lifetimes = server.settings().lifetimes;
    let nonce = &request.action().nonce;
    let settled =
        server.stores().sessions.settle(request.session(), nonce, lifetimes.idle(), lifetimes.nonce(), server.now());
    Ok(Json(match settled.await? {
        Settled::Recorded(outcome) => serde_json::from_str(&outcome).map_err(StoreError::new)?,
        Settled::Spent => OutcomeState::Running.into(),
        Settled::Void => OutcomeState::Void.into(),
        Settled::Unknown => OutcomeState::Unknown.into(),
    }))
}

/// Runs the handler of a change to its end, and records the response as the outcome of `nonce`.
pub(crate) async fn run_change(
    server: &Server,
    handle: SessionHandle,
    nonce: Nonce,
    request: Request,
    next: Next,
) -> Response {
    let server = server.clone();
    let work = async move {
        let (response, outcome) = describe(next.run(request).await).await;
        let life = server.settings().lifetimes.nonce();
        let record = async {
            let text = serde_json::to_string(&outcome).map_err(StoreError::new)?;
            server.stores().sessions.record_outcome(&handle, &nonce, &text, life, server.now()).await
        };
        if let Err(error) = record.await {
            // The change is done. Its response can still be sent, but not be asked for.
            tracing::error!(%error, "outcome could not be recorded");
        }
        response
    };
    // The handler has panicked: what it has done is not known.
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|_| Rejection::Unverified.into_response())
}

/// The response, with a copy of what the client needs of it. A long or streaming body is not copied.
async fn describe(response: Response) -> (Response, Outcome) {
    let (parts, mut body) = response.into_parts();
    let is_short = body.size_hint().upper().is_some_and(|bytes| bytes <= MAX_BODY as u64);
    let mut text = None;
    if is_short && let Ok(bytes) = to_bytes(std::mem::take(&mut body), MAX_BODY).await {
        text = String::from_utf8(bytes.to_vec()).ok();
        body = Body::from(bytes);
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let outcome = Recorded { status: parts.status.as_u16(), content_type: content_type.to_owned(), body: text }.into();
    (Response::from_parts(parts, body), outcome)
}
