//! Rejection reasons: precise for logs and metrics, mapped to a few public codes for the client.

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use protocol::{
    passkey::MAX_PASSKEYS,
    problem::{self, Code, Ended, Problem},
};

use crate::{
    auth::{
        credentials::{CredentialError, InvalidLogin},
        passwords::WeakPassword,
    },
    device::Absence,
    passkeys::webauthn::InvalidPasskey,
    risk::Finding,
    store::{Quota, StoreError},
};

/// `Retry-After` of a client with too many push connections, in seconds: the server closes a stalled connection after
/// this time.
const CONNECTIONS_RETRY_AFTER: u64 = 20;

/// The precise reason for a rejection. It goes to tracing, metrics and the audit log, never to the client.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    /// The Origin header is missing, duplicated or not the allowed origin.
    #[error("the Origin header is not the allowed origin")]
    WrongOrigin,
    /// Sec-Fetch-Site shows a cross-site or cross-origin request.
    #[error("Sec-Fetch-Site is not an allowed value")]
    CrossSite,
    /// The content type is not `application/json`.
    #[error("the content type is not application/json")]
    WrongContentType,
    /// There is no such server function, or not with this method.
    #[error("there is no such server function")]
    UnknownFunction,
    /// A handler got a request that was not verified as its action: a bug.
    #[error("the request was not verified as the handler's action")]
    Unverified,
    /// The body exceeds the size limit.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body could not be read.
    #[error("the body ended early")]
    BodyUnreadable,
    /// A required header is missing.
    #[error("the header {0} is missing")]
    HeaderMissing(&'static str),
    /// A header is duplicated, too long or not in its canonical form.
    #[error("the header {0} is malformed")]
    HeaderMalformed(&'static str),
    /// The session cookie is missing.
    #[error("there is no session cookie")]
    NoCookie,
    /// The session header and the cookie name different sessions.
    #[error("the session header and the cookie name different sessions")]
    HandleMismatch,
    /// The body cannot be parsed as the action's.
    #[error("the body cannot be parsed as the action's")]
    BodyMalformed,
    /// The body's digest is not the signed one.
    #[error("the body's digest is not the signed one")]
    DigestMismatch,
    /// The signature is too old or from the future; its age in ms, negative for the future.
    #[error("the signature is {0} ms old")]
    NotFresh(i64),
    /// There is no such live session; with the reason why it ended, if known.
    #[error("there is no such live session")]
    NoSession(Option<Ended>),
    /// The nonce is not one of the session's live nonces.
    #[error("the nonce is not one of the session's live nonces")]
    BadNonce,
    /// The nonce has already been used, by a request with a valid signature: a replay.
    #[error("the nonce has already been used")]
    Replayed,
    /// A rate limit is exceeded: its policy name and quota.
    #[error("rate limit {0} exceeded; resets in {reset:?}", reset = .1.reset)]
    Limited(&'static str, Quota),
    /// The user has reached the session limit.
    #[error("the user has too many sessions")]
    TooManySessions,
    /// The session, the user or the server has reached its limit of push connections.
    #[error("there are too many push connections")]
    TooManyConnections,
    /// No key was agreed for this push connection.
    #[error("no key was agreed for this push connection")]
    NoPushKey,
    /// A trusted proxy did not send the client IP.
    #[error("X-Forwarded-For has no client IP")]
    NoAddress,
    /// The session is bound to a device, and the request has no valid device cookie.
    #[error("the request does not prove the session's device: {0:?}")]
    NoDeviceProof(Absence),
    /// The session is not bound to a device, and the action or the settings require it.
    #[error("the session is not bound to a device")]
    NoDeviceBinding,
    /// A device's registration or renewal is not valid.
    #[error("the device's proof is not valid: {0}")]
    BadDeviceProof(dbsc::Rejection),
    /// The signature's key is not the session's.
    #[error("the signature's key is not the session's")]
    WrongKey,
    /// The signature is invalid.
    #[error("the signature is invalid")]
    BadSignature,
    /// The interaction proof is for another action.
    #[error("the interaction proof is for another action")]
    ProofOfAnotherAction,
    /// The interaction proof is too old or from the future; its age in ms, negative for the future.
    #[error("the interaction proof is {0} ms old")]
    ProofNotFresh(i64),
    /// The action requires a higher assurance level.
    #[error("the assurance level is too low for this action")]
    LevelTooLow,
    /// The interaction proof looks automated; with the findings and their points.
    #[error("the interaction proof looks automated: {0:?}")]
    Suspicious(Vec<(Finding, u32)>),
    /// The sign origin's cookie is missing or malformed.
    #[error("the sign cookie is missing or malformed")]
    NoSignCookie,
    /// The sign origin's cookie is not the session's.
    #[error("the sign cookie is not the session's")]
    WrongSignCookie,
    /// The challenge is used, expired or unknown.
    #[error("the challenge is not valid")]
    BadChallenge,
    /// The entry ticket is used, expired or unknown.
    #[error("the entry ticket is not valid")]
    NothingToEnter,
    /// The frame key equals the session's confirmation key.
    #[error("the frame key equals the confirmation key")]
    KeyReused,
    /// The key to restore is not the pending one.
    #[error("the key to restore is not the pending one")]
    NotPending,
    /// No account can have this login.
    #[error(transparent)]
    InvalidLogin(#[from] InvalidLogin),
    /// The user name or the password is wrong.
    #[error("the user name or the password is wrong")]
    WrongCredentials,
    /// The user name is taken.
    #[error("the user name is taken")]
    NameTaken,
    /// The password is not accepted.
    #[error(transparent)]
    WeakPassword(WeakPassword),
    /// A record of the new account was changed concurrently.
    #[error("a record of the new account was changed concurrently")]
    Conflict,
    /// The password hashing queue is full.
    #[error("the password hashing queue is full")]
    Busy,
    /// The response of the authenticator does not hold.
    #[error(transparent)]
    BadPasskey(#[from] InvalidPasskey),
    /// The user has a passkey and must sign this action with it.
    #[error("the action must be signed with a passkey")]
    PasskeyRequired,
    /// The user has as many passkeys as allowed.
    #[error("you have {MAX_PASSKEYS} passkeys, the most that are possible. Remove one first")]
    TooManyPasskeys,
    /// The passkey is already a user's.
    #[error("this passkey is already in use")]
    PasskeyTaken,
    /// The user has no passkey of this ID and name.
    #[error("you have no such passkey. Reload the page")]
    NoSuchPasskey,
    /// The session is not recent enough to add the first passkey, or from before the user's passkeys were removed with a recovery
    /// code.
    #[error("you must sign in again for this. Sign out, sign in, and do it within five minutes")]
    SignInRequired,
    /// The user has no passkey, so recovery codes would replace nothing.
    #[error("you have no passkey that recovery codes could replace. Add a passkey first")]
    NothingToRecover,
    /// The user has no such unused recovery code.
    #[error("the user has no such unused recovery code")]
    WrongCode,
    /// The key to bind is not a point on the curve.
    #[error("the key is not a point on the curve")]
    BadKey,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system's random number generator failed.
    #[error("the system's random number generator failed")]
    Randomness(#[from] getrandom::Error),
}

impl Rejection {
    /// The name in metrics and the audit log: the variant's name in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadPasskey(invalid) => invalid.name(),
            rejection => rejection.into(),
        }
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
            Self::NotFresh(_) | Self::BadNonce | Self::BadChallenge => (Code::UseFreshNonce, None),
            Self::Replayed => (Code::NonceUsed, None),
            Self::NotPending => (Code::Malformed, Some(StatusCode::CONFLICT)),
            Self::InvalidLogin(_) => (Code::InvalidLogin, None),
            Self::WrongCredentials | Self::WrongCode => (Code::WrongCredentials, None),
            Self::NameTaken => (Code::NameTaken, None),
            Self::WeakPassword(_) => (Code::WeakPassword, None),
            Self::TooManySessions => (Code::TooManySessions, None),
            Self::Limited(..) | Self::TooManyConnections => (Code::RateLimited, None),
            Self::DigestMismatch
            | Self::WrongKey
            | Self::BadDeviceProof(_)
            | Self::KeyReused
            | Self::BadSignature
            | Self::ProofOfAnotherAction
            | Self::BadPasskey(_)
            | Self::ProofNotFresh(_) => (Code::InvalidProof, None),
            Self::PasskeyRequired => (Code::PasskeyRequired, None),
            Self::TooManyPasskeys
            | Self::PasskeyTaken
            | Self::NoSuchPasskey
            | Self::SignInRequired
            | Self::NothingToRecover => (Code::PasskeyRejected, None),
            Self::LevelTooLow | Self::Suspicious(_) => (Code::StepUpRequired, None),
            Self::NoDeviceProof(_) => (Code::DeviceProofRequired, None),
            Self::NoDeviceBinding => (Code::DeviceBindingRequired, None),
            Self::Unverified => (Code::Unavailable, Some(StatusCode::INTERNAL_SERVER_ERROR)),
            Self::Store(_) | Self::Randomness(_) | Self::NoAddress | Self::Busy | Self::Conflict => {
                (Code::Unavailable, None)
            }
        }
    }
}

impl From<CredentialError> for Rejection {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::LoginTaken => Self::NameTaken,
            CredentialError::WeakPassword(weak) => Self::WeakPassword(weak),
            CredentialError::Conflict => Self::Conflict,
            CredentialError::Busy => Self::Busy,
            CredentialError::Store(error) => Self::Store(error),
        }
    }
}

/// Formats an error text as a sentence: capitalised, with a full stop.
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
            rejected if problem.code == Code::PasskeyRejected => problem.detail = Some(sentence(&rejected.to_string())),
            Self::InvalidLogin(invalid) => problem.detail = Some(sentence(&invalid.to_string())),
            Self::TooManyConnections => problem.retry_after = Some(CONNECTIONS_RETRY_AFTER),
            Self::Limited(_, quota) => {
                problem.retry_after = Some(seconds(quota));
            }
            _ => {}
        }
        let mut response = respond(&problem);
        if let Self::Limited(policy, quota) = &self {
            response.headers_mut().extend(rate_limit_headers(policy, quota));
        }
        // The verification middleware records the handlers' rejections.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Whole seconds until the rate limit window ends, at least 1.
pub fn seconds(quota: &Quota) -> u64 {
    u64::try_from(quota.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

/// The `RateLimit-Policy` and `RateLimit` headers of a quota (draft-ietf-httpapi-ratelimit-headers-10, §2).
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

/// Builds the response of a problem document (RFC 9457 §3), with its `Retry-After` if any (RFC 9110 §10.2.3).
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
