//! Why a request is refused: precisely for the log, and in one of few public codes for the client.

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use protocol::problem::{self, Code, Ended, Problem};

use crate::{
    auth::accounts::{AccountError, WeakPassword},
    risk::Finding,
    store::{Quota, StoreError},
};

/// How long whoever has too many push connections is asked to wait, in seconds. Nobody knows when one closes, but one whose
/// page does not read any more is cut off after this time.
const CONNECTIONS_AGAIN: u64 = 20;

/// The precise reason of a refusal. It goes to tracing, metrics and the audit log, never to the client.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    /// The Origin header is missing, doubled or another origin.
    #[error("the Origin header is not the one that may ask this")]
    WrongOrigin,
    /// Sec-Fetch-Site says that another site or origin asks.
    #[error("Sec-Fetch-Site says that the request comes from elsewhere")]
    CrossSite,
    /// Not `application/json`.
    #[error("the content type is not application/json")]
    WrongContentType,
    /// No such function, or not with this method.
    #[error("there is no such function")]
    UnknownFunction,
    /// A handler got a request that was not verified as its action: an error of the program.
    #[error("not verified as the handler's action")]
    Unverified,
    /// The body is over the limit.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body could not be read.
    #[error("the body ended early")]
    BodyUnreadable,
    /// A header that must be there is not.
    #[error("the header {0} is missing")]
    HeaderMissing(&'static str),
    /// A header that may be there once is there twice, is oversized, or is not spelled as it must be.
    #[error("the header {0} is malformed")]
    HeaderMalformed(&'static str),
    /// No session cookie.
    #[error("there is no session cookie")]
    NoCookie,
    /// The session header names another session than the cookie.
    #[error("the session header and the cookie disagree")]
    HandleMismatch,
    /// The body is not what the action takes.
    #[error("the body is not the action's")]
    BodyMalformed,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    DigestMismatch,
    /// Signed too long ago, or in the future.
    #[error("signed {0} ms from now")]
    NotFresh(i64),
    /// No such living session, and why it was ended if that is known.
    #[error("there is no such session")]
    NoSession(Option<Ended>),
    /// The nonce is not one of the session's live ones.
    #[error("the nonce is not one of the session's")]
    BadNonce,
    /// The nonce was the session's, and has been spent.
    #[error("the nonce has been spent")]
    Replayed,
    /// Too many requests of this kind.
    #[error("too many {0}; {reset:?} to wait", reset = .1.reset)]
    Limited(&'static str, Quota),
    /// The user has as many sessions as the settings allow.
    #[error("the user has too many sessions")]
    TooManySessions,
    /// As many push connections as a session, or this server, may have.
    #[error("there are too many push connections")]
    TooManyConnections,
    /// No key was agreed for that push connection.
    #[error("no key was agreed for this push connection")]
    NoPushKey,
    /// A proxy did not say where the request comes from.
    #[error("X-Forwarded-For does not say where the request comes from")]
    NoAddress,
    /// The signature names another key than the session's.
    #[error("signed by another key than the session's")]
    WrongKey,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// The proof is of another action.
    #[error("the interaction proof is of another action")]
    ProofOfAnotherAction,
    /// The proof is too old, or of the future.
    #[error("the interaction proof is {0} ms old")]
    ProofNotFresh(i64),
    /// The action needs a higher level.
    #[error("the level is too low for this action")]
    LevelTooLow,
    /// The proof looks like a machine's: what counted, with its points.
    #[error("the interaction proof looks like a machine's: {0:?}")]
    Suspicious(Vec<(Finding, u32)>),
    /// The sign origin's cookie is missing or malformed.
    #[error("there is no sign cookie")]
    NoSignCookie,
    /// The sign origin's cookie is not the session's.
    #[error("the sign cookie is not the session's")]
    WrongSignCookie,
    /// The challenge was used, expired, or was never given out.
    #[error("the challenge is not valid")]
    BadChallenge,
    /// The ticket was used, expired, or was never given out.
    #[error("there is no session to enter")]
    NothingToEnter,
    /// The frame key is the session's confirmation key.
    #[error("the frame key is the confirmation key")]
    KeyReused,
    /// The key to restore is not the pending one.
    #[error("the key to restore is not the pending one")]
    NotPending,
    /// No such user, or another password.
    #[error("the user name or the password is wrong")]
    WrongCredentials,
    /// The user name is taken.
    #[error("the user name is taken")]
    NameTaken,
    /// The password is not accepted.
    #[error(transparent)]
    WeakPassword(WeakPassword),
    /// A record of the new account was changed meanwhile.
    #[error("a record of the new account was changed meanwhile")]
    Conflict,
    /// Too many passwords wait to be hashed.
    #[error("too many are signing in")]
    Busy,
    /// The key to bind is not a point on the curve.
    #[error("the key is not a point on the curve")]
    BadKey,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness.
    #[error("no randomness")]
    Randomness(#[from] getrandom::Error),
}

impl Rejection {
    /// Its name for metrics and the audit log: the variant's, in snake case.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The HTTP status that the client gets.
    pub(crate) fn status(&self) -> StatusCode {
        let (code, status) = self.public();
        let of_code = || StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        status.unwrap_or_else(of_code)
    }

    /// The public code, and the HTTP status where it is more exact than the code's own.
    fn public(&self) -> (Code, Option<StatusCode>) {
        match self {
            Self::WrongOrigin | Self::CrossSite => (Code::ForbiddenOrigin, None),
            Self::WrongContentType => (Code::Malformed, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
            Self::UnknownFunction => (Code::Malformed, Some(StatusCode::NOT_FOUND)),
            Self::BodyTooLarge => (Code::Malformed, Some(StatusCode::PAYLOAD_TOO_LARGE)),
            Self::BodyUnreadable | Self::BodyMalformed | Self::HeaderMalformed(_) | Self::BadKey | Self::NoPushKey => {
                (Code::Malformed, None)
            }
            Self::HeaderMissing(_)
            | Self::NoCookie
            | Self::HandleMismatch
            | Self::NoSession(_)
            | Self::NoSignCookie
            | Self::WrongSignCookie
            | Self::NothingToEnter => (Code::InvalidSession, None),
            Self::NotFresh(_) | Self::BadNonce | Self::Replayed | Self::BadChallenge => (Code::UseFreshNonce, None),
            Self::NotPending => (Code::Malformed, Some(StatusCode::CONFLICT)),
            Self::WrongCredentials => (Code::WrongCredentials, None),
            Self::NameTaken => (Code::NameTaken, None),
            Self::WeakPassword(_) => (Code::WeakPassword, None),
            Self::TooManySessions => (Code::TooManySessions, None),
            Self::Limited(..) | Self::TooManyConnections => (Code::RateLimited, None),
            Self::DigestMismatch
            | Self::WrongKey
            | Self::KeyReused
            | Self::BadSignature
            | Self::ProofOfAnotherAction
            | Self::ProofNotFresh(_) => (Code::InvalidProof, None),
            Self::LevelTooLow | Self::Suspicious(_) => (Code::StepUpRequired, None),
            Self::Unverified => (Code::Unavailable, Some(StatusCode::INTERNAL_SERVER_ERROR)),
            Self::Store(_) | Self::Randomness(_) | Self::NoAddress | Self::Busy | Self::Conflict => {
                (Code::Unavailable, None)
            }
        }
    }
}

impl From<AccountError> for Rejection {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NameTaken => Self::NameTaken,
            AccountError::WeakPassword(weak) => Self::WeakPassword(weak),
            AccountError::WrongCredentials => Self::WrongCredentials,
            AccountError::Conflict => Self::Conflict,
            AccountError::Busy => Self::Busy,
            AccountError::Store(error) => Self::Store(error),
        }
    }
}

/// An error's text as a sentence: a capital, and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    let mut sentence: String = first.chain(chars).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (code, status) = self.public();
        let mut problem = Problem::from(code);
        if let Some(status) = status {
            problem.status = status.as_u16();
        }
        match &self {
            Self::NoSession(ended) => problem.ended = *ended,
            Self::WeakPassword(weak) => problem.detail = Some(sentence(&weak.to_string())),
            Self::TooManyConnections => problem.retry_after = Some(CONNECTIONS_AGAIN),
            Self::Limited(_, quota) => {
                problem.retry_after = Some(seconds(quota));
            }
            _ => {}
        }
        let mut response = respond(&problem);
        if let Self::Limited(policy, quota) = &self {
            response.headers_mut().extend(rate_limit_headers(policy, quota));
        }
        // For the verification middleware, which records what a handler rejects.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// How long to wait until the window ends: whole seconds, at least 1.
pub fn seconds(quota: &Quota) -> u64 {
    u64::try_from(quota.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

/// What a limit is and what it still lets through: `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers-10, §2).
pub fn rate_limit_headers(policy: &str, quota: &Quota) -> [(HeaderName, HeaderValue); 2] {
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let Quota { limit, left, .. } = quota;
    [
        (
            HeaderName::from_static("ratelimit-policy"),
            value(format!("\"{policy}\";q={};w={}", limit.max, limit.window.as_secs())),
        ),
        (HeaderName::from_static("ratelimit"), value(format!("\"{policy}\";r={left};t={}", seconds(quota)))),
    ]
}

/// A problem document as a response (RFC 9457 §3), with `Retry-After` where it says one (RFC 9110 §10.2.3).
fn respond(problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).map_or_else(|_| Body::empty(), Body::from);
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
