//! The two requests that are signed with a nonce that the client invents, because it has none: `POST /api/nonces`, and
//! `POST /api/restore_browser` for a browser whose frame has lost its key.
//!
//! Everything else is verified before anything is counted, issued or changed. It costs two round trips more, once for many
//! requests.

use std::borrow::Cow;

use http::request::Parts;
use protocol::{
    action::{self, Action, ActionEntry},
    catalogue::{Nonces, RestoreBrowser},
    key::PublicKey,
    token::Nonce,
};

use crate::{
    Server,
    middleware::unverified::{Target, UnverifiedRequest},
    middleware::verification::{check_signature, fresh_nonces},
    rejection::Rejection,
    settings::per_minute,
    store::{IssueNonces, NonceIssue, Quota, Session},
};

/// What a refill was answered with.
pub(crate) struct Answered {
    pub(crate) session: Session,
    pub(crate) nonces: Vec<Nonce>,
    pub(crate) quota: Quota,
    /// What the audit log says more of it.
    pub(crate) detail: Option<Cow<'static, str>>,
}

/// Whether an action is signed with an invented nonce.
pub(crate) fn is_refill(entry: &ActionEntry) -> bool {
    entry.path == Nonces::PATH || entry.path == RestoreBrowser::PATH
}

/// Issues nonces, and restores the browser if that is asked. Level, freshness and body are checked already.
pub(crate) async fn issue(
    server: &Server,
    entry: &ActionEntry,
    parts: &Parts,
    unverified: &UnverifiedRequest,
    body: &[u8],
) -> Result<Answered, Rejection> {
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
    let restore = if entry.path == RestoreBrowser::PATH { key_to_restore(body, &session)? } else { None };
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
            Ok(Answered { session, nonces, quota, detail })
        }
        NonceIssue::Replayed => Err(Rejection::Replayed),
        NonceIssue::TooOld => Err(Rejection::NotFresh(server.ago(created))),
        NonceIssue::NotPending => Err(Rejection::NotPending),
        NonceIssue::NoSession => Err(gone().await),
    }
}

/// The pending frame key, if it is the one that the user has confirmed; nothing if that one is bound already, because the
/// reply to an earlier request got lost.
fn key_to_restore(body: &[u8], session: &Session) -> Result<Option<PublicKey>, Rejection> {
    let RestoreBrowser { key } = action::parse(body).map_err(|_| Rejection::BodyMalformed)?;
    let is_it = |candidate: &PublicKey| candidate.thumbprint() == key;
    match session.pending_frame_key.filter(is_it) {
        Some(pending) => Ok(Some(pending)),
        None if session.frame_key.as_ref().is_some_and(is_it) => Ok(None),
        None => Err(Rejection::NotPending),
    }
}
