//! What server functions need: the verified request, the server, and response headers.

use client::ClientError;
use http::{HeaderName, HeaderValue, request::Parts};
use leptos::{prelude::use_context, server_fn::ServerFn};
use leptos_axum::ResponseOptions;
use protocol::{action::Action, catalogue::is_same_path, push::Push};
use server::{Server, Verified, VerifiedRequest, store::StoreError};

use crate::error::AppError;

/// The verified request of the running server function `F`, whose action is `A`. An action of another path does not
/// compile:
///
/// ```compile_fail
/// use app::{account::api::Rename, server_context::verified};
/// let _ = verified::<Rename, actions::ReadAccount>();
/// ```
///
/// There is no such request while a page is rendered. A protected function that is called then fails, so a rendered page
/// holds nothing private.
///
/// # Errors
/// [`ClientError::Unverified`] when there is none.
pub fn verified<F: ServerFn, A: Action>() -> Result<Verified<A>, AppError> {
    const { assert!(is_same_path(F::PATH, A::PATH), "the server function and the action have different paths") };
    let parts = use_context::<Parts>().ok_or(ClientError::Unverified)?;
    Verified::from_extensions(&parts.extensions).map_err(|_| ClientError::Unverified.into())
}

/// The [`Server`] that handles the current request.
///
/// # Errors
/// [`ClientError::Unavailable`] outside a request.
pub fn server() -> Result<Server, AppError> {
    use_context().ok_or(ClientError::Unavailable.into())
}

/// The push message that reports an action to the open pages of the user who did it.
pub fn activity(request: &VerifiedRequest, note: String) -> Push {
    Push::Activity { action: request.action_name().to_owned(), session: Some(*request.session()), note }
}

/// Adds headers to the response.
///
/// # Errors
/// [`ClientError::Unavailable`] outside a request.
pub fn add_headers(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Result<(), AppError> {
    let response = use_context::<ResponseOptions>().ok_or(ClientError::Unavailable)?;
    for (name, value) in headers {
        response.append_header(name, value);
    }
    Ok(())
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "store");
        ClientError::Unavailable.into()
    }
}
