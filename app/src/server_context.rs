//! What a server function asks before it does anything: was this request verified, as this action, and for whom?

use http::{HeaderName, HeaderValue, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use protocol::{action::Action, push::Push};
use server::{Server, VerifiedRequest, store::StoreError};

use crate::error::AppError;

/// The proof that the running server function was called by a request that PAN verified as the action `A`.
///
/// There is none while a page is rendered: a protected function that is called then fails, so what the server renders
/// holds nothing private.
///
/// # Errors
/// [`AppError::Unverified`] when there is no such proof, or it is of another action or too low a level.
pub fn verified<A: Action>() -> Result<VerifiedRequest, AppError> {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<VerifiedRequest>().cloned())
        .filter(|request| request.action() == A::NAME && request.level() >= A::LEVEL)
        .ok_or(AppError::Unverified)
}

/// The [`Server`] that handles the current request.
///
/// # Errors
/// [`AppError::Unavailable`] outside a request.
pub fn server() -> Result<Server, AppError> {
    use_context().ok_or(AppError::Unavailable)
}

/// What the pages of whoever asked are told of what was done.
pub fn activity(request: &VerifiedRequest, note: String) -> Push {
    Push::Activity { action: request.action().to_owned(), session: Some(*request.session()), note }
}

/// Sends headers with the reply.
///
/// # Errors
/// [`AppError::Unavailable`] outside a request.
pub fn add_headers(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Result<(), AppError> {
    let reply = use_context::<ResponseOptions>().ok_or(AppError::Unavailable)?;
    for (name, value) in headers {
        reply.append_header(name, value);
    }
    Ok(())
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "store");
        Self::Unavailable
    }
}
