//! What a server function may use: the verified request, and the server.

use client::ClientError;
use http::{HeaderName, HeaderValue, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use protocol::{action::Action, push::Push};
use server::{Server, VerifiedRequest, store::StoreError};

use crate::error::AppError;

/// The request that called the running server function, if PAN verified it as the action `A`.
///
/// There is no such request while a page is rendered. A protected function that is called then fails, so a rendered page
/// holds nothing private.
///
/// # Errors
/// [`ClientError::Unverified`] when the request was not verified, or as another action, or at too low a level.
pub fn verified<A: Action>() -> Result<VerifiedRequest, AppError> {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<VerifiedRequest>().cloned())
        .filter(|request| request.action() == A::NAME && request.level() >= A::LEVEL)
        .ok_or(ClientError::Unverified.into())
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
    Push::Activity { action: request.action().to_owned(), session: Some(*request.session()), note }
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
