//! What a request claims, read but not believed.
//!
//! Nothing here reaches a handler: [`crate::middleware::verification`] turns an [`UnverifiedRequest`] into a
//! [`crate::VerifiedRequest`], or refuses it.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use protocol::{
    digest::ContentDigest,
    message::header as name,
    proof::{self, Proof},
    signature::{Signature, SignatureInput},
    token::{SessionHandle, SessionToken},
};

use crate::{
    cookies::{session_tokens, sign_cookies},
    origin::Origin,
    rejection::Rejection,
    settings::Settings,
};

/// The origin that a signed request is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// The app origin: the session cookie names the session.
    App,
    /// The sign origin: its own cookie does.
    Sign,
}

impl Target {
    pub(crate) fn origin(self, settings: &Settings) -> &Origin {
        match self {
            Self::App => &settings.origins.app,
            Self::Sign => &settings.origins.sign,
        }
    }
}

/// The headers of a signed request, each there once and spelled as it must be.
#[derive(Debug)]
pub(crate) struct UnverifiedRequest {
    /// The session that cookie and header agree on.
    pub(crate) handle: SessionHandle,
    /// On the sign origin, the hashed secret of its cookie.
    pub(crate) sign_secret: Option<String>,
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
    /// A [`Rejection`] when one is missing, doubled, oversized or malformed, or when cookie and header disagree.
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
        })
    }
}

/// The session token of the cookie that the request means: the one that agrees with the session header, and without such a
/// header the first one.
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

/// The only value of a header.
///
/// # Errors
/// [`Rejection::HeaderMissing`] without one, [`Rejection::HeaderMalformed`] for several.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Rejection> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Rejection::HeaderMissing(name)),
        (Some(_), Some(_)) => Err(Rejection::HeaderMalformed(name)),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Rejection> {
    single(headers, name)?.to_str().map_err(|_| Rejection::HeaderMalformed(name))
}

fn parse<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Rejection> {
    text(headers, name)?.parse().map_err(|_| Rejection::HeaderMalformed(name))
}
