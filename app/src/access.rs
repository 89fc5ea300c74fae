//! Who comes in and who goes out: the server functions that every application under PAN needs.

use leptos::{prelude::*, server_fn::codec::Json};
use protocol::value::UserName;

use crate::{fault::Fault, pan::client::Pan};

/// Opens a session for whoever knows the password. The page must then [`bind`](crate::pan::bind) a key to it.
///
/// # Errors
/// [`Fault::WrongCredentials`], whichever of the two is wrong.
#[server(prefix = "/api", endpoint = "sign_in", input = Json, output = Json, client = Pan)]
pub async fn sign_in(
    /// Who.
    user: UserName,
    /// What only they know.
    password: String,
) -> Result<(), Fault> {
    use crate::authority;
    authority::pan()?.accounts().sign_in(&user, &password).await?;
    authority::open_session(&user).await
}

/// Ends the session that asks, at once and everywhere. The page must then [`forget`](crate::pan::forget) it.
///
/// # Errors
/// [`Fault::Unavailable`] when the session may still live.
#[server(prefix = "/api", endpoint = "sign_out", input = Json, output = Json, client = Pan)]
pub async fn sign_out() -> Result<(), Fault> {
    use crate::authority;
    let request = authority::verified::<protocol::catalogue::SignOut>()?;
    let cleared = authority::pan()?.end_session(request.session()).await?;
    authority::set_cookies([cleared])
}
