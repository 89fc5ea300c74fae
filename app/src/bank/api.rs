//! The bank's server functions.

use client::SignedClient;
use leptos::{prelude::*, server_fn::codec::Json};

use super::Movement;
use crate::error::AppError;

/// An archived page of the requesting user's movements, newest first.
///
/// # Errors
/// [`ClientError::Unverified`](client::ClientError::Unverified) for a request that was not verified as this action.
#[server(prefix = "/api", endpoint = "history", input = Json, output = Json, client = SignedClient)]
pub async fn read_history(
    /// The signed body.
    #[server(flatten)]
    query: actions::ReadHistory,
) -> Result<Vec<Movement>, AppError> {
    use super::history;
    use crate::{account::store::owner, server_context};
    let request = server_context::verified::<ReadHistory, actions::ReadHistory>()?;
    let server = server_context::server()?;
    Ok(history::page(server.stores().records.as_ref(), &owner(&request)?, query.page).await?)
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
    use super::ledger;
    use crate::{account::store::owner, server_context};
    use protocol::push::Push;
    use server::model::UserId;
    let request = server_context::verified::<Transfer, actions::Transfer>()?;
    let server = server_context::server()?;
    let (from, to, amount) = (owner(&request)?, order.to.clone(), order.amount);
    ledger::transfer(server.stores().records.as_ref(), &from, order).await?;
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
