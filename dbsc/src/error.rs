//! Why a request was rejected.

use crate::store::StoreError;

/// Why a registration or refresh was rejected.
///
/// [`crate::Dbsc`] puts it into the extensions of the response, for logs and metrics. The browser gets only a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A header that the request needs is missing.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// A header occurs twice, is too long, or is not of its syntax.
    #[error("the header {0} is malformed")]
    MalformedHeader(&'static str),
    /// `Sec-Fetch-*` says that a script or a page made the request, not the browser itself.
    #[error("the request was not made by the browser itself")]
    FetchMetadata,
    /// `Origin` is missing, or is not one of the configured origins.
    #[error("the origin is not allowed")]
    Origin,
    /// The proof is not a compact JWS of JSON objects with unique member names, or has a critical extension.
    #[error("the proof is malformed: {0}")]
    MalformedProof(&'static str),
    /// The proof's `typ` is not `dbsc+jwt`.
    #[error("the proof has the wrong type")]
    Type,
    /// The proof's `alg` was not offered, or is not that of the session's key.
    #[error("the proof has the wrong algorithm")]
    Algorithm,
    /// A registration without a key, or with a malformed or weak one.
    #[error("the public key is not acceptable: {0}")]
    Key(&'static str),
    /// A refresh that contains a key.
    #[error("a refresh must not contain a key")]
    UnexpectedKey,
    /// The key did not make the signature.
    #[error("the signature is invalid")]
    Signature,
    /// The challenge was not issued by this server for this purpose and session.
    #[error("the challenge is not of this server, purpose and session")]
    Challenge,
    /// The challenge is too old.
    #[error("the challenge has expired")]
    ExpiredChallenge,
    /// The challenge was used before.
    #[error("the challenge was used before")]
    SpentChallenge,
    /// The store did not accept the registration's authorization.
    #[error("the authorization was refused")]
    Authorization,
    /// The session does not exist, or has ended.
    #[error("the session does not exist")]
    UnknownSession,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is at fault.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store failed.
    #[error("the session store failed: {0}")]
    Store(StoreError),
}

/// A value that a header, cookie or configuration cannot contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid {0}")]
pub struct InvalidValue(pub(crate) &'static str);
