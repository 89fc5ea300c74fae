//! The bank's server functions.
//!
//! Each function with arguments takes the catalogue's type as its single, flattened argument: the body that was shown and
//! signed is the body that is executed.

use client::SignedClient;
use leptos::{prelude::*, server_fn::codec::Json};

use super::account::Account;
use crate::error::AppError;

/// Balance, history and display name.
///
/// # Errors
/// [`ClientError::Unverified`](client::ClientError::Unverified), like every function below, for a request that was not
/// verified as this action.
#[server(prefix = "/api", endpoint = "account", input = Json, output = Json, client = SignedClient)]
pub async fn read_account() -> Result<Account, AppError> {
    use crate::{
        demo::ledger::{Ledger, owner},
        server_context,
    };
    let request = server_context::verified::<ReadAccount, actions::ReadAccount>()?;
    let server = server_context::server()?;
    Ok(Ledger::new(server.stores().records.as_ref()).account(&owner(&request)?).await?)
}

/// Changes the name that other users see.
///
/// # Errors
/// Those of the ledger.
#[server(prefix = "/api", endpoint = "display_name", input = Json, output = Json, client = SignedClient)]
pub async fn rename(
    /// The signed body.
    #[server(flatten)]
    order: actions::Rename,
) -> Result<(), AppError> {
    use crate::{
        demo::ledger::{Ledger, owner},
        server_context,
    };
    let request = server_context::verified::<Rename, actions::Rename>()?;
    let server = server_context::server()?;
    let note = format!("Your display name is now “{}”.", order.name);
    Ledger::new(server.stores().records.as_ref()).rename(&owner(&request)?, order.name).await?;
    server.publish(request.user(), server_context::activity(&request, note)).await;
    Ok(())
}

/// Sends money.
///
/// # Errors
/// [`AppError::Declined`] when the balance is too low, or there is no such recipient.
#[server(prefix = "/api", endpoint = "transfer", input = Json, output = Json, client = SignedClient)]
pub async fn transfer(
    /// The signed body.
    #[server(flatten)]
    order: actions::Transfer,
) -> Result<(), AppError> {
    use crate::{
        demo::ledger::{Ledger, owner},
        server_context,
    };
    use protocol::push::Push;
    use server::model::UserId;
    let request = server_context::verified::<Transfer, actions::Transfer>()?;
    let server = server_context::server()?;
    let (from, to, amount) = (owner(&request)?, order.to.clone(), order.amount);
    Ledger::new(server.stores().records.as_ref()).transfer(&from, order).await?;
    server.publish(request.user(), server_context::activity(&request, format!("You sent {amount} to {to}."))).await;
    let received = format!("You received {amount} from {from}.");
    server
        .publish(
            &UserId::from(&to),
            Push::Activity { action: request.action_name().to_owned(), session: None, note: received },
        )
        .await;
    Ok(())
}
