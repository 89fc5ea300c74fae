//! Rebuilds the signature base of a request and verifies its signature.

use http::request::Parts;
use protocol::{action::Target, proof::Recorder, signature::Covered};

use super::unverified::UnverifiedRequest;
use crate::{Server, ecdsa::verify, rejection::Rejection, store::Session};

/// Verifies the signature of a request: with the confirmation key if the confirmation window recorded its proof, with
/// the frame key otherwise. Returns the signature base.
///
/// # Errors
/// [`Rejection::WrongSignCookie`], [`Rejection::WrongKey`], [`Rejection::BadSignature`].
pub(crate) fn check_signature(
    server: &Server,
    parts: &Parts,
    target: Target,
    unverified: &UnverifiedRequest,
    session: &Session,
) -> Result<String, Rejection> {
    if unverified.sign_secret.as_ref().is_some_and(|secret| *secret != session.sign_secret) {
        return Err(Rejection::WrongSignCookie);
    }
    let is_confirmed = unverified.proof.as_ref().is_some_and(|proof| proof.by == Recorder::Signer);
    let key = if is_confirmed { Some(session.confirmation_key) } else { session.frame_key };
    let key = key.filter(|key| *unverified.input.keyid() == key.thumbprint()).ok_or(Rejection::WrongKey)?;
    let base = Covered {
        method: parts.method.as_str(),
        // Host routing has let only this authority through.
        authority: server.settings().origins.of(target).authority(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        digest: &unverified.digest,
        session: &unverified.handle,
        proof: &unverified.proof_text,
    }
    .base(&unverified.input);
    verify(key.as_sec1(), base.as_bytes(), unverified.signature.as_p1363()).map_err(|_| Rejection::BadSignature)?;
    Ok(base)
}
