//! The bank's server functions.
//!
//! Each takes the catalogue's own type as its one, flattened argument: the body that the frame showed and signed is the
//! body that is executed, and the two cannot drift apart.

use actions::value::{Amount, DisplayName, Note};
use leptos::{prelude::*, server_fn::codec::Json};
use protocol::user::UserName;
use serde::{Deserialize, Serialize};

use crate::{error::AppError, pan::client::SignedClient};

/// What its owner sees of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Whose it is.
    pub user: UserName,
    /// What others see.
    pub display_name: DisplayName,
    /// In cents.
    pub balance: u64,
    /// The latest movements, newest first.
    pub history: Vec<Movement>,
}

/// Money that came or went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// Unix time in ms.
    pub at: u64,
    /// Whether it came or went.
    pub direction: Direction,
    /// To whom or from whom.
    pub other: UserName,
    /// How much.
    pub amount: Amount,
    /// What for.
    pub note: Note,
}

/// Which way money moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It went away.
    Sent,
    /// It came in.
    Received,
}

/// Balance, history and display name.
///
/// # Errors
/// [`AppError::Unverified`] for a request that is not verified as this action, as from every function below.
#[server(prefix = "/api", endpoint = "account", input = Json, output = Json, client = SignedClient)]
pub async fn read_account() -> Result<Account, AppError> {
    use crate::{demo::ledger::Ledger, server_context};
    let request = server_context::verified::<ReadAccount, actions::ReadAccount>()?;
    let server = server_context::server()?;
    Ok(Ledger::new(server.stores().records.as_ref()).account(request.user()).await?)
}

/// Changes the name that others see.
///
/// # Errors
/// As the ledger's.
#[server(prefix = "/api", endpoint = "display_name", input = Json, output = Json, client = SignedClient)]
pub async fn rename(
    /// What was signed.
    #[server(flatten)]
    order: actions::Rename,
) -> Result<(), AppError> {
    use crate::{demo::ledger::Ledger, server_context};
    let request = server_context::verified::<Rename, actions::Rename>()?;
    let server = server_context::server()?;
    let note = format!("You are now called “{}”.", order.name);
    Ledger::new(server.stores().records.as_ref()).rename(request.user(), order.name).await?;
    server.publish(request.user(), server_context::activity(&request, note)).await;
    Ok(())
}

/// Sends money.
///
/// # Errors
/// [`AppError::Declined`] when there is not enough, or nobody to get it.
#[server(prefix = "/api", endpoint = "transfer", input = Json, output = Json, client = SignedClient)]
pub async fn transfer(
    /// What was signed.
    #[server(flatten)]
    order: actions::Transfer,
) -> Result<(), AppError> {
    use crate::{demo::ledger::Ledger, server_context};
    use protocol::push::Push;
    let request = server_context::verified::<Transfer, actions::Transfer>()?;
    let server = server_context::server()?;
    let (from, to, amount) = (request.user(), order.to.clone(), order.amount);
    Ledger::new(server.stores().records.as_ref()).transfer(from, order).await?;
    server.publish(from, server_context::activity(&request, format!("You sent {amount} to {to}."))).await;
    let received = format!("You received {amount} from {from}.");
    server
        .publish(&to, Push::Activity { action: request.action_name().to_owned(), session: None, note: received })
        .await;
    Ok(())
}
