//! Theft signals: the token of a live session was presented without a signature by its key.
//!
//! The user's own pages never send such a request: the frame signs everything, and what it cannot sign is not sent. So
//! a rejected request that carries a valid token is examined. If the session's key has signed it, it is the user's, even
//! when it is late, repeated or rate-limited. Otherwise another party has the token.
//!
//! Two cases are no signal. A request that another origin made the user's browser send shows an attack, but not that
//! the token is known; otherwise a sibling origin could raise false alarms. And a session header that names another
//! session than the cookie: signing in again in another tab does that.

use http::request::Parts;
use protocol::{
    action::Target,
    problem::Ended,
    push::{Push, Security},
    token::SessionHandle,
};

use super::{
    signature_check::check_signature,
    source_check::is_from_elsewhere,
    unverified::{UnverifiedRequest, session_token},
};
use crate::{
    Server,
    audit::{Event, Outcome},
    device::Absence,
    rejection::Rejection,
    settings::OnTheft,
    store::{Session, StoreError, Theft},
};

/// What verification knew of a request when it rejected it.
#[derive(Default)]
pub(crate) struct Known {
    /// Its headers, once they were parsed.
    pub(crate) unverified: Option<UnverifiedRequest>,
    /// Its session, once the store has returned it.
    pub(crate) session: Option<Session>,
    /// Whether its signature is valid, once that was checked.
    pub(crate) is_signed: Option<bool>,
}

/// The live session whose token a rejected request carried.
pub(crate) struct PresentedSession {
    pub(crate) handle: SessionHandle,
    pub(crate) session: Session,
}

/// Finds the session whose token a rejected request carried, and records a theft signal if its key has not signed the
/// request.
///
/// # Errors
/// [`StoreError`] when the store cannot answer.
pub(crate) async fn examine(
    server: &Server,
    parts: &Parts,
    reason: &Rejection,
    known: Known,
) -> Result<Option<PresentedSession>, StoreError> {
    let Known { unverified, session, is_signed } = known;
    if matches!(reason, Rejection::NoSession(_) | Rejection::Store(_) | Rejection::Randomness(_)) {
        return Ok(None);
    }
    let handle = match &unverified {
        Some(unverified) => unverified.handle,
        None => match session_token(&parts.headers) {
            Ok(token) => token.handle(),
            Err(_) => return Ok(None),
        },
    };
    let session = match session {
        Some(session) => Some(session),
        None => server.stores().sessions.find(&handle, server.settings().lifetimes.idle(), server.now()).await?,
    };
    let Some(session) = session else { return Ok(None) };
    if !is_from_elsewhere(server.settings(), &parts.headers) {
        let check = |unverified| check_signature(server, parts, Target::App, unverified, &session).is_ok();
        let is_signed = is_signed.unwrap_or_else(|| unverified.as_ref().is_some_and(check));
        if !is_signed || matches!(reason, Rejection::NoDeviceProof(Absence::Unexplained)) {
            record_theft(server, &handle, &session, reason).await?;
        }
    }
    Ok(Some(PresentedSession { handle, session }))
}

async fn record_theft(
    server: &Server,
    handle: &SessionHandle,
    session: &Session,
    reason: &Rejection,
) -> Result<(), StoreError> {
    let settings = server.settings();
    let theft = server.stores().sessions.record_theft(handle, settings.lifetimes.idle(), server.now()).await?;
    let Some(Theft { times, .. }) = theft else { return Ok(()) };
    server.record(Event {
        session: Some(*handle),
        user: Some(session.user.clone()),
        action: "theft".into(),
        outcome: Outcome::Noticed,
        reason: Some(reason.name().into()),
    });
    // A thief can present a token any number of times. Reporting each would flood the log, the event log that all
    // servers follow, and the user's pages. Reported at 1, 2, 4, 8 and so on: the first one at once, a million in
    // twenty messages.
    if times.is_power_of_two() {
        let user = &session.user;
        tracing::warn!(session = %handle, %user, %reason, times, "session token presented without its key");
        server.publish(user, Push::Security(Security::Theft { session: *handle, times })).await;
    }
    if settings.sessions.on_theft == OnTheft::End {
        server.end(handle, &session.user, Ended::Stolen).await?;
    }
    Ok(())
}
