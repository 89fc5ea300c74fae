//! Signing out, sessions and activity: the server functions that every application under PAN needs. Signing in happens on the
//! sign origin.

use leptos::{prelude::*, server_fn::codec::Json};
use protocol::{built_in, key::KeyThumbprint, token::SessionHandle};
use serde::{Deserialize, Serialize};

use crate::{error::AppError, pan::client::SignedClient};

/// Ends the session that asks, at once and everywhere. The page must then [`forget`](crate::pan::forget) it.
///
/// # Errors
/// [`AppError::Unavailable`] when the session may still live.
#[server(prefix = "/api", endpoint = "sign_out", input = Json, output = Json, client = SignedClient)]
pub async fn sign_out() -> Result<(), AppError> {
    use crate::server_context;
    let request = server_context::verified::<SignOut, built_in::SignOut>()?;
    let headers = server_context::server()?.sign_out(&request).await?;
    server_context::add_headers(headers)
}

/// One of one's own sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnSession {
    /// Its public name.
    pub handle: SessionHandle,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// Browser and system, in words.
    pub device: String,
    /// The network that it was opened from, such as `203.0.113.0/24`; empty when that is not known.
    pub network: String,
    /// Unix ms.
    pub created: u64,
    /// Last use: Unix ms.
    pub seen: u64,
    /// The key that signs what its user confirms.
    pub confirmation_key: KeyThumbprint,
    /// The key that signs everything else, once the browser has one.
    pub frame_key: Option<KeyThumbprint>,
    /// How often its token was presented without its key, and when last (Unix ms), if ever.
    pub theft: Option<(u64, u64)>,
}

/// Something that happened in one's own account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActivityEntry {
    /// When first: Unix ms.
    pub at: u64,
    /// How many times.
    pub times: u64,
    /// In which session.
    pub session: Option<SessionHandle>,
    /// The catalogue's name of an action, or what the server did.
    pub action: String,
    /// Whether it was refused.
    pub refused: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Where one is signed in, newest first.
///
/// # Errors
/// [`AppError::Unverified`] for a request that is not verified as this action, as from every function below.
#[server(prefix = "/api", endpoint = "sessions", input = Json, output = Json, client = SignedClient)]
pub async fn sessions() -> Result<Vec<OwnSession>, AppError> {
    use crate::server_context;
    let request = server_context::verified::<Sessions, built_in::ReadSessions>()?;
    let sessions = server_context::server()?.sessions(&request).await?;
    let own = sessions.into_iter().map(|(handle, session)| OwnSession {
        handle,
        is_this: handle == *request.session(),
        device: server::user_agent::in_words(&session.agent),
        network: session.ip,
        created: session.created,
        seen: session.seen,
        confirmation_key: session.confirmation_key.thumbprint(),
        frame_key: session.frame_key.map(|key| key.thumbprint()),
        theft: session.theft.map(|theft| (theft.times, theft.last)),
    });
    Ok(own.collect())
}

/// Ends one of one's own sessions, at once and everywhere.
///
/// # Errors
/// [`AppError::Declined`] when there is no such session.
#[server(prefix = "/api", endpoint = "revoke", input = Json, output = Json, client = SignedClient)]
pub async fn revoke(
    /// What was signed.
    #[server(flatten)]
    order: built_in::Revoke,
) -> Result<(), AppError> {
    use crate::server_context;
    let request = server_context::verified::<Revoke, built_in::Revoke>()?;
    let ended = server_context::server()?.revoke(&request, &order.session).await?;
    ended.then_some(()).ok_or_else(|| AppError::Declined("That session had ended already.".to_owned()))
}

/// Ends all of one's sessions but this one. Gives how many.
///
/// # Errors
/// [`AppError::Unavailable`] when some may still live.
#[server(prefix = "/api", endpoint = "revoke_others", input = Json, output = Json, client = SignedClient)]
pub async fn revoke_others() -> Result<usize, AppError> {
    use crate::server_context;
    let request = server_context::verified::<RevokeOthers, built_in::RevokeOthers>()?;
    Ok(server_context::server()?.revoke_others(&request).await?)
}

/// What happened in one's own account, newest first.
///
/// # Errors
/// [`AppError::Unavailable`] when there is no store.
#[server(prefix = "/api", endpoint = "activity", input = Json, output = Json, client = SignedClient)]
pub async fn activity() -> Result<Vec<ActivityEntry>, AppError> {
    use crate::server_context;
    let request = server_context::verified::<Activity, built_in::ReadActivity>()?;
    let said = server_context::server()?.activity(&request).await?;
    let happenings = said.into_iter().map(|said| ActivityEntry {
        at: said.at,
        times: said.times,
        session: said.event.session,
        action: said.event.action.into_owned(),
        refused: said.event.outcome == server::audit::Outcome::Refused,
        reason: said.event.reason.map(std::borrow::Cow::into_owned),
    });
    Ok(happenings.collect())
}
