//! The server functions that every application needs: signing out, sessions, activity. Signing in happens on the sign
//! origin.

use client::SignedClient;
use leptos::{prelude::*, server_fn::codec::Json};
use protocol::{action::Tier, built_in, key::KeyThumbprint, token::SessionHandle};
use serde::{Deserialize, Serialize};

use crate::error::AppError;

/// Ends the calling session, immediately and everywhere. The page must then [forget](client::forget_session) it.
///
/// # Errors
/// [`ClientError::Unavailable`](client::ClientError::Unavailable) when the session may not have ended.
#[server(prefix = "/api", endpoint = "sign_out", input = Json, output = Json, client = SignedClient)]
pub async fn sign_out() -> Result<(), AppError> {
    use crate::server_context;
    let request = server_context::verified::<SignOut, built_in::SignOut>()?;
    let headers = server_context::server()?.sign_out(&request).await?;
    server_context::add_headers(headers)
}

/// One of the user's sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnSession {
    /// Its public name.
    pub handle: SessionHandle,
    /// Whether it is the calling session.
    pub is_this: bool,
    /// Browser and system, in words.
    pub device: String,
    /// The network that it was opened from, such as `203.0.113.0/24`; empty when unknown.
    pub network: String,
    /// Unix ms.
    pub created: u64,
    /// Last use: Unix ms.
    pub seen: u64,
    /// The key that signs confirmed requests.
    pub confirmation_key: KeyThumbprint,
    /// The key that signs all other requests, once it is bound.
    pub frame_key: Option<KeyThumbprint>,
    /// What a thief must copy to use it elsewhere.
    pub tier: Tier,
    /// How often its token was presented without its key, and when last (Unix ms).
    pub theft: Option<(u64, u64)>,
}

/// An entry of the user's activity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActivityEntry {
    /// When it happened: Unix ms. Of rejected requests and thefts, the last time; of everything else the first.
    pub at: u64,
    /// Number of occurrences.
    pub times: u64,
    /// The session, unless another user acted or several sessions are counted together.
    pub session: Option<SessionHandle>,
    /// An action's name in the catalogue, or an event of the server.
    pub action: String,
    /// Whether it was rejected.
    pub refused: bool,
    /// The rejection reason.
    pub reason: Option<String>,
}

/// The user's sessions, newest first.
///
/// # Errors
/// [`ClientError::Unverified`](client::ClientError::Unverified), like every function below, for a request that was not
/// verified as this action.
#[server(prefix = "/api", endpoint = "sessions", input = Json, output = Json, client = SignedClient)]
pub async fn sessions() -> Result<Vec<OwnSession>, AppError> {
    use crate::server_context;
    let request = server_context::verified::<Sessions, built_in::ReadSessions>()?;
    let sessions = server_context::server()?.sessions(&request).await?;
    let own = sessions.into_iter().map(|(handle, session)| OwnSession {
        handle,
        is_this: handle == *request.session(),
        tier: session.tier(),
        device: server::user_agent::describe(&session.agent),
        network: session.ip,
        created: session.created,
        seen: session.seen,
        confirmation_key: session.confirmation_key.thumbprint(),
        frame_key: session.frame_key.map(|key| key.thumbprint()),
        theft: session.theft.map(|theft| (theft.times, theft.last)),
    });
    Ok(own.collect())
}

/// Ends one of the user's sessions, immediately and everywhere.
///
/// # Errors
/// [`AppError::Declined`] when there is no such session.
#[server(prefix = "/api", endpoint = "revoke", input = Json, output = Json, client = SignedClient)]
pub async fn revoke(
    /// The signed body.
    #[server(flatten)]
    order: built_in::Revoke,
) -> Result<(), AppError> {
    use crate::server_context;
    let request = server_context::verified::<Revoke, built_in::Revoke>()?;
    let ended = server_context::server()?.revoke(&request, &order.session).await?;
    ended.then_some(()).ok_or_else(|| AppError::Declined("That session has already ended.".to_owned()))
}

/// Ends all of the user's sessions except the calling one. Returns how many.
///
/// # Errors
/// [`ClientError::Unavailable`](client::ClientError::Unavailable) when some may not have ended.
#[server(prefix = "/api", endpoint = "revoke_others", input = Json, output = Json, client = SignedClient)]
pub async fn revoke_others() -> Result<usize, AppError> {
    use crate::server_context;
    let request = server_context::verified::<RevokeOthers, built_in::RevokeOthers>()?;
    Ok(server_context::server()?.revoke_others(&request).await?)
}

/// The user's activity, newest first: the user's part of the audit log.
///
/// # Errors
/// [`ClientError::Unavailable`](client::ClientError::Unavailable) when the store cannot answer.
#[server(prefix = "/api", endpoint = "activity", input = Json, output = Json, client = SignedClient)]
pub async fn activity() -> Result<Vec<ActivityEntry>, AppError> {
    use crate::server_context;
    use server::audit::{EntryBody, Outcome, Repeated, UserActivity};
    let request = server_context::verified::<Activity, built_in::ReadActivity>()?;
    let UserActivity { entries, repeated } = server_context::server()?.activity(&request).await?;
    let own = entries.into_iter().map(|EntryBody { at, times, event, .. }| ActivityEntry {
        at,
        times,
        session: event.session,
        refused: event.outcome == Outcome::Refused,
        action: event.action.into_owned(),
        reason: event.reason.map(std::borrow::Cow::into_owned),
    });
    let repeated = repeated.into_iter().map(|Repeated { action, outcome, reason, times, last, .. }| ActivityEntry {
        at: last,
        times,
        session: None,
        refused: outcome == Outcome::Refused,
        action,
        reason,
    });
    let mut activity: Vec<_> = own.chain(repeated).collect();
    activity.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    Ok(activity)
}
