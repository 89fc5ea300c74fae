//! The two requests that are signed with a nonce that the client invents, because it has none: `POST /api/nonces`, and
//! `POST /api/restore_browser` for a browser whose frame has lost its key.
//!
//! Everything else is verified before anything is counted, issued or changed. It costs two round trips more, once for many
//! requests.

use std::borrow::Cow;

use http::request::Parts;
use protocol::{
    action::{self, Action, Entry},
    catalogue::{Nonces, RestoreBrowser},
    key::PublicKey,
    token::Nonce,
};

use crate::{
    Pan,
    authority::{check_signature, fresh_nonces},
    refusal::Reason,
    settings::per_minute,
    store::{Quota, Refill, Refilled, Session},
    unverified::{Target, UnverifiedRequest},
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
pub(crate) fn is_refill(entry: &Entry) -> bool {
    entry.path == Nonces::PATH || entry.path == RestoreBrowser::PATH
}

/// Issues nonces, and restores the browser if that is asked. Level, freshness and body are checked already.
pub(crate) async fn refill(
    pan: &Pan,
    entry: &Entry,
    parts: &Parts,
    unverified: &UnverifiedRequest,
    body: &[u8],
) -> Result<Answered, Reason> {
    let lifetimes = pan.settings().lifetimes;
    let handle = unverified.handle;
    let session = pan.store().session(&handle, lifetimes.idle(), pan.now()).await?;
    let gone = async || match pan.store().why_ended(&handle).await {
        Ok(why) => Reason::NoSession(why),
        Err(error) => Reason::Store(error),
    };
    let Some(session) = session else { return Err(gone().await) };
    check_signature(pan, parts, Target::App, unverified, &session)?;
    let limit = per_minute(pan.settings().limits.refills_per_minute);
    let quota = pan.count("refills", &format!("refill:{handle}"), limit).await?;
    let restore = if entry.path == RestoreBrowser::PATH { key_to_restore(body, &session)? } else { None };
    let nonces = fresh_nonces()?;
    let created = unverified.input.created().saturating_mul(1000);
    let refilled = pan.store().refill(Refill {
        handle,
        spent: *unverified.input.nonce(),
        restore,
        created,
        nonces: nonces.clone(),
        idle: lifetimes.idle(),
        nonce_life: lifetimes.nonce(),
        now: pan.now(),
    });
    match refilled.await? {
        Refilled::Done => {
            let confirmation = session.confirmation_key.thumbprint();
            let detail = restore.map(|key| format!("frame {}, confirmation {confirmation}", key.thumbprint()).into());
            Ok(Answered { session, nonces, quota, detail })
        }
        Refilled::Replayed => Err(Reason::Replayed),
        Refilled::TooOld => Err(Reason::NotFresh(pan.ago(created))),
        Refilled::NotPending => Err(Reason::NotPending),
        Refilled::NoSession => Err(gone().await),
    }
}

/// The pending frame key, if it is the one that the user has confirmed; nothing if that one is bound already, because the
/// reply to an earlier request got lost.
fn key_to_restore(body: &[u8], session: &Session) -> Result<Option<PublicKey>, Reason> {
    let RestoreBrowser { key } = action::parse(body).map_err(|_| Reason::BodyMalformed)?;
    let is_it = |candidate: &PublicKey| candidate.thumbprint() == key;
    match session.pending_frame_key.filter(is_it) {
        Some(pending) => Ok(Some(pending)),
        None if session.frame_key.as_ref().is_some_and(is_it) => Ok(None),
        None => Err(Reason::NotPending),
    }
}
