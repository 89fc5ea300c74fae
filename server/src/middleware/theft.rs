//! Theft signals: a living session's token was presented, and its key was not.
//!
//! The owner's pages never do that. The frame signs everything that they send, and where it cannot, nothing is sent. So a
//! refused request that carries a good token is examined once more: if the session's key has signed it, it is the
//! owner's, late or repeated or limited as it may be; if not, somebody else has the token.
//!
//! What another site or origin makes the owner's browser send is no signal: it shows an attack, but not that anybody has
//! the token, and whoever runs a neighbouring origin must not be able to cry wolf. Nor is a page whose session header
//! names another session than the cookie: signing in again in another tab does that.

use http::request::Parts;
use protocol::{
    problem::Ended,
    push::{Push, Security},
    token::SessionHandle,
};

use crate::{
    Server,
    audit::{Event, Outcome},
    middleware::unverified::{Target, UnverifiedRequest, session_token, single},
    middleware::verification::check_signature,
    rejection::Rejection,
    settings::OnTheft,
    store::{Session, StoreError, Theft},
};

/// The living session whose token a refused request carried.
pub(crate) struct Presented {
    pub(crate) handle: SessionHandle,
    pub(crate) session: Session,
}

/// Examines a request that was refused: whose token did it carry, and was it stolen?
///
/// # Errors
/// [`StoreError`] when that cannot be found out.
pub(crate) async fn examine(
    server: &Server,
    parts: &Parts,
    reason: &Rejection,
) -> Result<Option<Presented>, StoreError> {
    let Ok(token) = session_token(&parts.headers) else { return Ok(None) };
    if matches!(reason, Rejection::NoSession(_) | Rejection::Store(_) | Rejection::Randomness(_)) {
        return Ok(None);
    }
    let handle = token.handle();
    let idle = server.settings().lifetimes.idle();
    let Some(session) = server.stores().sessions.find(&handle, idle, server.now()).await? else { return Ok(None) };
    let presented = Presented { handle, session };
    if is_from_elsewhere(server, parts) {
        return Ok(Some(presented));
    }
    if !is_signed(server, parts, &presented) {
        record_theft(server, &presented, reason).await?;
    }
    Ok(Some(presented))
}

/// Whether a browser says that another origin than the application's asks.
fn is_from_elsewhere(server: &Server, parts: &Parts) -> bool {
    let says = |name, expected: &str| match single(&parts.headers, name) {
        Ok(value) => value != expected,
        Err(Rejection::HeaderMissing(_)) => false,
        Err(_) => true,
    };
    says("origin", server.settings().origins.app.as_str()) || says("sec-fetch-site", "same-origin")
}

fn is_signed(server: &Server, parts: &Parts, Presented { handle, session }: &Presented) -> bool {
    UnverifiedRequest::read(&parts.headers, Target::App)
        .is_ok_and(|read| read.handle == *handle && check_signature(server, parts, Target::App, &read, session).is_ok())
}

async fn record_theft(
    server: &Server,
    Presented { handle, session }: &Presented,
    reason: &Rejection,
) -> Result<(), StoreError> {
    let settings = server.settings();
    let accused = server.stores().sessions.record_theft(handle, settings.lifetimes.idle(), server.now()).await?;
    let Some(Theft { times, .. }) = accused else { return Ok(()) };
    server.record(Event {
        session: Some(*handle),
        user: Some(session.user.clone()),
        action: "theft".into(),
        outcome: Outcome::Noticed,
        reason: Some(reason.name().into()),
    });
    // Whoever has one token can present it as often as they like. Told each time, they would flood the server's log, the
    // log of events that all servers follow, and the owner's pages. At 1, 2, 4, 8 and so on the owner hears of the first
    // one at once, and of how bad it has become; a million presentations are told twenty times.
    if times.is_power_of_two() {
        let user = &session.user;
        tracing::warn!(session = %handle, %user, %reason, times, "a session's token was presented without its key");
        server.publish(user, Push::Security(Security::Theft { session: *handle, times })).await;
    }
    if settings.sessions.on_theft == OnTheft::End {
        server.end(handle, &session.user, Ended::Stolen).await?;
    }
    Ok(())
}
