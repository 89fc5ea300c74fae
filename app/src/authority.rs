//! What a server function asks before it does anything: was this request verified, as this action, and for whom?

use http::{HeaderValue, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use protocol::{action::Action, push::Push};
use server::{
    EntryError, Opened, Pan, VerifiedRequest,
    accounts::{AccountError, WeakPassword},
    refusal::{Reason, rate_limit_headers, seconds},
    store::StoreError,
};

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

/// The request that the running server function answers.
///
/// # Errors
/// [`Fault::Unavailable`] outside a request.
pub fn parts() -> Result<Parts, Fault> {
    use_context().ok_or(Fault::Unavailable)
}

/// Lets somebody in who has registered or signed in: sends the new session's cookies with the reply.
///
/// # Errors
/// Why they were not let in.
pub fn enter(entered: Result<Opened, EntryError>) -> Result<(), Fault> {
    match entered {
        Ok(opened) => set_cookies(opened.cookies),
        Err(EntryError::Account(error)) => Err(error.into()),
        Err(EntryError::Refused(reason)) => Err(refused(&reason)),
    }
}

/// Why nobody was let in who may well have shown who they are.
fn refused(reason: &Reason) -> Fault {
    match reason {
        Reason::Limited(policy, quota) => {
            if let Some(reply) = use_context::<ResponseOptions>() {
                for (name, value) in rate_limit_headers(policy, quota) {
                    reply.insert_header(name, value);
                }
            }
            Fault::RateLimited { seconds: Some(seconds(quota)) }
        }
        Reason::TooManySessions => Fault::TooManySessions,
        _ => {
            tracing::error!(%reason, "no session opened");
            Fault::Unavailable
        }
    }
}

/// What the pages of whoever asked are told of what was done.
pub fn activity(request: &VerifiedRequest, note: String) -> Push {
    Push::Activity { action: request.action().to_owned(), session: Some(*request.session()), note }
}

/// Sends cookies with the reply.
///
/// # Errors
/// [`Fault::Unavailable`] outside a request.
pub fn set_cookies(cookies: impl IntoIterator<Item = HeaderValue>) -> Result<(), Fault> {
    let reply = use_context::<ResponseOptions>().ok_or(Fault::Unavailable)?;
    for cookie in cookies {
        reply.append_header(header::SET_COOKIE, cookie);
    }
    Ok(())
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "store");
        Self::Unavailable
    }
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NameTaken => Self::NameTaken,
            AccountError::WeakPassword(rule) => Self::Password(sentence(rule)),
            AccountError::WrongCredentials => Self::WrongCredentials,
            AccountError::Conflict | AccountError::Busy => Self::Busy,
            AccountError::Store(error) => error.into(),
        }
    }
}

/// The rule that a password breaks, as a sentence.
fn sentence(rule: WeakPassword) -> String {
    let mut text = rule.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text + "."
}
