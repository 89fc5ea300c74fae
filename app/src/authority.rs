//! What a server function asks before it does anything: was this request verified, as this action, and for whom?

use http::{HeaderName, HeaderValue, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use protocol::{action::Action, push::Push};
use server::{Pan, VerifiedRequest, store::StoreError};

use crate::fault::Fault;

/// The proof that the running server function was called by a request that PAN verified as the action `A`.
///
/// There is none while a page is rendered: a protected function that is called then fails, so what the server renders
/// holds nothing private.
///
/// # Errors
/// [`Fault::Unverified`] when there is no such proof, or it is of another action or too low a level.
pub fn verified<A: Action>() -> Result<VerifiedRequest, Fault> {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<VerifiedRequest>().cloned())
        .filter(|request| request.action() == A::NAME && request.level() >= A::LEVEL)
        .ok_or(Fault::Unverified)
}

/// The house that this server runs.
///
/// # Errors
/// [`Fault::Unavailable`] outside a request.
pub fn pan() -> Result<Pan, Fault> {
    use_context().ok_or(Fault::Unavailable)
}

/// What the pages of whoever asked are told of what was done.
pub fn activity(request: &VerifiedRequest, note: String) -> Push {
    Push::Activity { action: request.action().to_owned(), session: Some(*request.session()), note }
}

/// Sends headers with the reply.
///
/// # Errors
/// [`Fault::Unavailable`] outside a request.
pub fn add_headers(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Result<(), Fault> {
    let reply = use_context::<ResponseOptions>().ok_or(Fault::Unavailable)?;
    for (name, value) in headers {
        reply.append_header(name, value);
    }
    Ok(())
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "store");
        Self::Unavailable
    }
}
