//! The handlers of `POST /api/nonces` and `POST /api/restore_browser`.
//!
//! Both are signed with a nonce that the client generated, because it has none from the server. The middleware
//! (`middleware/client_nonce.rs`) has issued new ones; they are in the response's header.

use axum::{Json, extract::State};
use protocol::{
    built_in::{Nonces, RestoreBrowser},
    key::PublicKey,
    token::Nonce,
};

use crate::{
    Server,
    audit::{Event, Outcome},
    extract::Verified,
    random::random,
    rejection::Rejection,
};

/// Number of nonces that the server issues per request or bound key.
pub(crate) const NONCES_AT_ONCE: usize = 4;

/// `POST /api/nonces`.
pub(crate) async fn nonces(_server: State<Server>, _request: Verified<Nonces>) -> Json<()> {
    Json(())
}

/// `POST /api/restore_browser`: replaces a frame key that the browser has lost by the pending one, which the user has
/// confirmed. Succeeds again if the response to an earlier request was lost.
pub(crate) async fn restore_browser(
    State(server): State<Server>,
    request: Verified<RestoreBrowser>,
) -> Result<Json<()>, Rejection> {
    let (handle, session) = (request.session(), request.session_state());
    let confirmed = |key: &&PublicKey| key.thumbprint() == request.action().key;
    let candidates = [session.pending_frame_key.as_ref(), session.frame_key.as_ref()];
    let key = candidates.into_iter().flatten().find(confirmed).ok_or(Rejection::NotPending)?;
    let idle = server.settings().lifetimes.idle();
    if !server.stores().sessions.restore_frame_key(handle, key, idle, server.now()).await? {
        return Err(Rejection::NotPending);
    }
    let confirmation = session.confirmation_key.thumbprint();
    server.record(Event {
        session: Some(*handle),
        user: Some(request.user().clone()),
        action: "bind".into(),
        outcome: Outcome::Passed,
        reason: Some(format!("frame {}, confirmation {confirmation}", key.thumbprint()).into()),
    });
    Ok(Json(()))
}

/// Generates fresh nonces.
///
/// # Errors
/// If the operating system's random number generator fails.
pub(crate) fn fresh_nonces() -> Result<Vec<Nonce>, getrandom::Error> {
    (0..NONCES_AT_ONCE).map(|_| random().map(Nonce::new)).collect()
}
