//! What a request claims, read but not believed.
//!
//! Nothing here reaches a handler: [`crate::authority`] turns an [`UnverifiedRequest`] into a
//! [`crate::VerifiedRequest`], or refuses it.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use protocol::{
    digest::ContentDigest,
    message::{cookie, header as name},
    proof::{self, Proof},
    signature::{Signature, SignatureInput},
    token::{SessionHandle, SessionToken},
};

use crate::refusal::Reason;

/// The headers of a signed request, each there once and spelled as it must be.
#[derive(Debug)]
pub(crate) struct UnverifiedRequest {
    /// The session that cookie and header agree on.
    pub(crate) handle: SessionHandle,
    /// When, with which nonce, by which key.
    pub(crate) input: SignatureInput,
    /// The signature itself.
    pub(crate) signature: Signature,
    /// What the body should hash to.
    pub(crate) digest: ContentDigest,
    /// The interaction proof, if any.
    pub(crate) proof: Option<Proof>,
    /// The proof's header as sent, which is what was signed.
    pub(crate) proof_text: String,
}

impl UnverifiedRequest {
    /// Reads the headers of a signed request.
    ///
    /// # Errors
    /// A [`Reason`] when one is missing, doubled, oversized or malformed, or when cookie and header disagree.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Reason> {
        let token = session_cookie(headers)?;
        let handle = parse(headers, name::SESSION)?;
        if token.handle() != handle {
            return Err(Reason::HandleMismatch);
        }
        let proof_text = text(headers, name::PROOF)?;
        Ok(Self {
            handle,
            input: parse(headers, name::SIGNATURE_INPUT)?,
            signature: parse(headers, name::SIGNATURE)?,
            digest: parse(headers, name::DIGEST)?,
            proof: proof::from_header(proof_text).map_err(|_| Reason::HeaderMalformed(name::PROOF))?,
            proof_text: proof_text.to_owned(),
        })
    }
}

/// The session token of the cookie.
///
/// # Errors
/// [`Reason::NoCookie`] without one, [`Reason::HeaderMalformed`] when it is there twice or misspelled.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Result<SessionToken, Reason> {
    let value = cookie(headers, cookie::SESSION)?.ok_or(Reason::NoCookie)?;
    SessionToken::parse(value).map_err(|_| Reason::HeaderMalformed("cookie"))
}

/// The value of a cookie (RFC 6265 §4.2.1), however many `Cookie` headers there are (RFC 9113 §8.2.3).
///
/// # Errors
/// [`Reason::HeaderMalformed`] when it is there twice: one of the two was planted.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Reason> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim_ascii().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let value = values.next();
    if values.next().is_some() {
        return Err(Reason::HeaderMalformed("cookie"));
    }
    Ok(value)
}

/// The only value of a header.
///
/// # Errors
/// [`Reason::HeaderMissing`] without one, [`Reason::HeaderMalformed`] for several.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Reason> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Reason::HeaderMissing(name)),
        (Some(_), Some(_)) => Err(Reason::HeaderMalformed(name)),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Reason> {
    single(headers, name)?.to_str().map_err(|_| Reason::HeaderMalformed(name))
}

fn parse<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Reason> {
    text(headers, name)?.parse().map_err(|_| Reason::HeaderMalformed(name))
}
