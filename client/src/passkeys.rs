//! The user's passkeys. The confirmation window creates and uses them; this page only asks for it.

use std::rc::Rc;

use futures::future::LocalBoxFuture;
use protocol::{
    action::Action,
    built_in::{AddPasskey, CreateRecoveryCodes, ReadPasskeys, RemovePasskey},
    passkey::OwnPasskeys,
};

use crate::{call::Call, error::ClientError, fetch::Reply, tab::Tab};

/// Lists the user's passkeys.
///
/// # Errors
/// Why there is no list.
#[inline(never)]
pub fn list() -> LocalBoxFuture<'static, Result<OwnPasskeys, ClientError>> {
    // Boxed here, so that it is compiled in this crate only.
    Box::pin(async {
        let reply = send(ReadPasskeys::PATH, "{}".to_owned()).await?;
        serde_json::from_slice(&reply.body).map_err(|_| ClientError::Malformed)
    })
}

/// Adds a passkey, once the user has confirmed it. Call it in a click.
///
/// # Errors
/// Why none was added.
#[inline(never)]
pub fn add(action: AddPasskey) -> LocalBoxFuture<'static, Result<(), ClientError>> {
    Box::pin(async move { change(AddPasskey::PATH, serde_json::to_string(&action)).await })
}

/// Removes a passkey, once the user has confirmed it. Call it in a click.
///
/// # Errors
/// Why it was not removed.
#[inline(never)]
pub fn remove(action: RemovePasskey) -> LocalBoxFuture<'static, Result<(), ClientError>> {
    Box::pin(async move { change(RemovePasskey::PATH, serde_json::to_string(&action)).await })
}

/// Replaces the user's recovery codes, once the user has confirmed the new ones. The window shows them; this page does not see
/// them. Call it in a click.
///
/// # Errors
/// Why the earlier ones stay valid.
#[inline(never)]
pub fn create_recovery_codes() -> LocalBoxFuture<'static, Result<(), ClientError>> {
    Box::pin(async { change(CreateRecoveryCodes::PATH, serde_json::to_string(&CreateRecoveryCodes {})).await })
}

async fn change(path: &'static str, body: Result<String, serde_json::Error>) -> Result<(), ClientError> {
    send(path, body.map_err(|_| ClientError::Malformed)?).await.map(drop)
}

async fn send(path: &'static str, body: String) -> Result<Reply, ClientError> {
    let tab = Tab::current()?;
    let session = tab.session.handle().ok_or_else(|| tab.session.absence_reason())?;
    let entry = tab.protected(path).ok_or(ClientError::Malformed)?;
    Call { tab: Rc::clone(&tab), session, entry, body }.send().await?.into_success()
}
