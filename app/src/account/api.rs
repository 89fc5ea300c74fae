//! The account's server functions.
//!
//! Each function with arguments takes the catalogue's type as its single, flattened argument: the body that was shown and
//! signed is the body that is executed.

use client::SignedClient;
use leptos::{prelude::*, server_fn::codec::Json};

use super::Account;
use crate::error::AppError;

/// The requesting user's account.
///
/// # Errors
/// [`ClientError::Unverified`](client::ClientError::Unverified), like every function below, for a request that was not
/// verified as this action.
#[server(prefix = "/api", endpoint = "account", input = Json, output = Json, client = SignedClient)]
pub async fn read_account() -> Result<Account, AppError> {
    use super::store;
    use crate::server_context;
    let request = server_context::verified::<ReadAccount, actions::ReadAccount>()?;
    let server = server_context::server()?;
    Ok(store::account(server.stores().records.as_ref(), &store::owner(&request)?).await?)
}

/// Changes the name that other users see.
///
/// # Errors
/// [`AppError::Busy`] when other requests keep changing the account.
#[server(prefix = "/api", endpoint = "display_name", input = Json, output = Json, client = SignedClient)]
pub async fn rename(
    /// The signed body.
    #[server(flatten)]
    order: actions::Rename,
) -> Result<(), AppError> {
    use super::store;
    use crate::server_context;
    let request = server_context::verified::<Rename, actions::Rename>()?;
    let server = server_context::server()?;
    let note = format!("Your display name is now “{}”.", order.name);
    store::rename(server.stores().records.as_ref(), &store::owner(&request)?, order.name).await?;
    server.publish(request.user(), server_context::activity(&request, note)).await;
    Ok(())
}
