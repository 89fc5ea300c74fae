//! The headers of a signed request, parsed and not yet verified.
//!
//! Nothing here reaches a handler: [`super::verification`] turns an [`UnverifiedRequest`] into a
//! [`VerifiedRequest`](super::verified_request::VerifiedRequest), or rejects it.

use http::HeaderMap;
use protocol::{
    Malformed,
    action::Target,
    digest::ContentDigest,
    message::header as name,
    passkey,
    proof::{self, Proof},
    recovery::{self, CodeHash},
    signature::{Signature, SignatureInput},
    token::{SessionHandle, SessionToken},
};

use crate::{
    cookies::{session_tokens, sign_cookies},
    headers::{parse, text},
    rejection::Rejection,
};

/// The headers of a signed request: each is present once and in its canonical form.
#[derive(Debug)]
pub(crate) struct UnverifiedRequest {
    /// The session that both cookie and header name.
    pub(crate) handle: SessionHandle,
    /// On the sign origin, the hashed secret of its cookie.
    pub(crate) sign_secret: Option<String>,
    /// `created`, nonce and key id of the signature.
    pub(crate) input: SignatureInput,
    /// The signature.
    pub(crate) signature: Signature,
    /// The digest of the body, as claimed.
    pub(crate) digest: ContentDigest,
    /// The interaction proof, if any.
    pub(crate) proof: Option<Proof>,
    /// The proof's header as sent, which is what was signed.
    pub(crate) proof_text: String,
    /// The JSON text of a passkey's assertion, if any.
    pub(crate) passkey: Option<String>,
    /// The JSON text of a passkey's registration, and the confirmation key's signature for it, if any.
    pub(crate) new_passkey: Option<(String, Signature)>,
    /// The hashes of new recovery codes, and the confirmation key's signature for them, if any.
    pub(crate) recovery_codes: Option<(Vec<CodeHash>, Signature)>,
}

impl UnverifiedRequest {
    /// Parses the headers of a signed request.
    ///
    /// # Errors
    /// A [`Rejection`] when one is missing, repeated, oversized or malformed, or when cookie and header name different
    /// sessions.
    pub(crate) fn read(headers: &HeaderMap, target: Target) -> Result<Self, Rejection> {
        let (named, sign_secret) = match target {
            Target::App => (session_token(headers)?.handle(), None),
            Target::Sign => {
                let handle: SessionHandle = parse(headers, name::SESSION)?;
                let mut cookies = sign_cookies(headers).into_iter();
                let cookie = cookies.find(|cookie| cookie.handle == handle).ok_or(Rejection::NoSignCookie)?;
                (cookie.handle, Some(cookie.secret))
            }
        };
        let handle = parse(headers, name::SESSION)?;
        if named != handle {
            return Err(Rejection::HandleMismatch);
        }
        let proof_text = text(headers, name::PROOF)?;
        Ok(Self {
            handle,
            sign_secret,
            input: parse(headers, name::SIGNATURE_INPUT)?,
            signature: parse(headers, name::SIGNATURE)?,
            digest: parse(headers, name::DIGEST)?,
            proof: proof::from_header(proof_text).map_err(|_| Rejection::HeaderMalformed(name::PROOF))?,
            proof_text: proof_text.to_owned(),
            passkey: optional(headers, name::PASSKEY, passkey::from_header)?,
            new_passkey: optional(headers, name::NEW_PASSKEY, passkey::from_new_passkey_header)?,
            recovery_codes: optional(headers, name::RECOVERY_CODES, recovery::from_header)?,
        })
    }
}

/// An optional header of §12 of the protocol. The request's signature does not cover it.
fn optional<T>(
    headers: &HeaderMap,
    name: &'static str,
    parse: fn(&str) -> Result<T, Malformed>,
) -> Result<Option<T>, Rejection> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    parse(text(headers, name)?).map(Some).map_err(|_| Rejection::HeaderMalformed(name))
}

/// The request's session token: the cookie that agrees with the session header; without such a header, the first cookie.
///
/// # Errors
/// [`Rejection::NoCookie`] without a well-formed one, [`Rejection::HandleMismatch`] when none agrees.
pub(crate) fn session_token(headers: &HeaderMap) -> Result<SessionToken, Rejection> {
    let mut tokens = session_tokens(headers).into_iter();
    match parse::<SessionHandle>(headers, name::SESSION) {
        Ok(handle) if tokens.len() > 0 => {
            tokens.find(|token| token.handle() == handle).ok_or(Rejection::HandleMismatch)
        }
        _ => tokens.next().ok_or(Rejection::NoCookie),
    }
}
