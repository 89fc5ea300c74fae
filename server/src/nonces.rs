//! Requests that are signed with a client-generated nonce, because the client has no nonce from the server.
//!
//! These are `POST /api/nonces`, and `POST /api/restore_browser` for a browser whose signing frame has lost its key.
//! The server verifies everything else before it counts, issues or changes anything. That takes two more round trips to
//! the store, but only once for many requests.

use std::borrow::Cow;

use axum::{Json, extract::State};
use http::request::Parts;
use protocol::{
    action::{ActionEntry, AnyAction, Target},
    built_in::{self, Nonces, RestoreBrowser},
    key::{KeyThumbprint, PublicKey},
    token::Nonce,
};

use crate::{
    Server,
    extract::Verified,
    middleware::{signature_check::check_signature, unverified::UnverifiedRequest},
    random::random,
    rejection::Rejection,
    settings::per_minute,
    store::{IssueNonces, NonceIssue, Quota, Session},
};

/// Number of nonces that the server issues per request or bound key.
pub(crate) const NONCES_AT_ONCE: usize = 4;

/// `POST /api/nonces`. The middleware has issued the nonces; they are in the header.
pub(crate) async fn nonces(_server: State<Server>, _request: Verified<Nonces>) -> Json<()> {
    Json(())
}

/// `POST /api/restore_browser`. The middleware has replaced the key together with issuing nonces.
pub(crate) async fn restore_browser(_server: State<Server>, _request: Verified<RestoreBrowser>) -> Json<()> {
    Json(())
}

/// The result of issuing nonces to a verified request.
pub(crate) struct Issued {
    pub(crate) session: Session,
    pub(crate) nonces: Vec<Nonce>,
    pub(crate) quota: Quota,
    /// The reason field of the audit log entry.
    pub(crate) detail: Option<Cow<'static, str>>,
}

/// Whether an action is signed with a client-generated nonce.
pub(crate) fn uses_client_nonce(entry: &ActionEntry) -> bool {
    entry.is_in(built_in::nonces::ACTIONS)
}

/// Generates fresh nonces.
///
/// # Errors
/// If the operating system's random number generator fails.
pub(crate) fn fresh_nonces() -> Result<Vec<Nonce>, getrandom::Error> {
    (0..NONCES_AT_ONCE).map(|_| random().map(Nonce::new)).collect()
}

/// Issues nonces, and restores the browser if the action requests it. Level, freshness and body are already checked.
pub(crate) async fn issue(
    server: &Server,
    parts: &Parts,
    unverified: &UnverifiedRequest,
    action: &dyn AnyAction,
) -> Result<Issued, Rejection> {
    let lifetimes = server.settings().lifetimes;
    let handle = unverified.handle;
    let session = server.stores().sessions.find(&handle, lifetimes.idle(), server.now()).await?;
    let gone = async || match server.stores().sessions.end_reason(&handle).await {
        Ok(why) => Rejection::NoSession(why),
        Err(error) => Rejection::Store(error),
    };
    let Some(session) = session else { return Err(gone().await) };
    check_signature(server, parts, Target::App, unverified, &session)?;
    let limit = per_minute(server.settings().limits.refills_per_minute);
    let quota = server.count("refills", &format!("refill:{handle}"), limit).await?;
    let action: &dyn std::any::Any = action;
    let restore = match action.downcast_ref() {
        Some(RestoreBrowser { key }) => key_to_restore(key, &session)?,
        None => None,
    };
    let nonces = fresh_nonces()?;
    let created = unverified.input.created().saturating_mul(1000);
    let refilled = server.stores().sessions.issue_nonces(IssueNonces {
        handle,
        spent: *unverified.input.nonce(),
        restore,
        created,
        nonces: nonces.clone(),
        idle: lifetimes.idle(),
        nonce_life: lifetimes.nonce(),
        now: server.now(),
    });
    match refilled.await? {
        NonceIssue::Issued => {
            let confirmation = session.confirmation_key.thumbprint();
            let detail = restore.map(|key| format!("frame {}, confirmation {confirmation}", key.thumbprint()).into());
            Ok(Issued { session, nonces, quota, detail })
        }
        NonceIssue::Replayed => Err(Rejection::Replayed),
        NonceIssue::TooOld => Err(Rejection::NotFresh(server.ago(created))),
        NonceIssue::NotPending => Err(Rejection::NotPending),
        NonceIssue::NoSession => Err(gone().await),
    }
}

/// The pending frame key, if the user has confirmed it. `None` if the confirmed key is already bound, because the
/// response to an earlier request was lost.
fn key_to_restore(key: &KeyThumbprint, session: &Session) -> Result<Option<PublicKey>, Rejection> {
    let is_confirmed = |candidate: &PublicKey| candidate.thumbprint() == *key;
    match session.pending_frame_key.filter(is_confirmed) {
        Some(pending) => Ok(Some(pending)),
        None if session.frame_key.as_ref().is_some_and(is_confirmed) => Ok(None),
        None => Err(Rejection::NotPending),
    }
}
