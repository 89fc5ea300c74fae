//! The envelope of a proof: a compact JWS (RFC 7515) of two JSON objects.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::{
    error::Rejection,
    json::{self, Object},
    key::Algorithm,
};

/// The longest proof: bytes. One with a key of 4096 bits, a challenge and a long authorization has about 3,000.
pub(crate) const MAX_LEN: usize = 8_192;

/// A parsed proof whose signature is not verified yet.
pub(crate) struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) header: Object,
    pub(crate) payload: Object,
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

/// Parses a proof and checks `typ` and `alg`.
pub(crate) fn parse(compact: &str) -> Result<Unverified<'_>, Rejection> {
    if compact.len() > MAX_LEN {
        return Err(Rejection::MalformedProof("too long"));
    }
    let (signed, signature) = compact.rsplit_once('.').ok_or(Rejection::MalformedProof("not three parts"))?;
    let (header, payload) = signed.split_once('.').ok_or(Rejection::MalformedProof("not three parts"))?;
    let header = object(header)?;
    if json::text(&header, "typ") != Some("dbsc+jwt") {
        return Err(Rejection::Type);
    }
    // RFC 7515 section 4.1.11: critical extensions must be understood, and this crate understands none.
    if header.contains_key("crit") {
        return Err(Rejection::MalformedProof("a critical extension"));
    }
    Ok(Unverified {
        algorithm: json::text(&header, "alg").and_then(|name| name.parse().ok()).ok_or(Rejection::Algorithm)?,
        header,
        payload: object(payload)?,
        signed: signed.as_bytes(),
        signature: decode(signature)?,
    })
}

fn object(part: &str) -> Result<Object, Rejection> {
    json::parse(&decode(part)?).ok_or(Rejection::MalformedProof("not a JSON object with unique names"))
}

/// Base64url without padding. A fourth dot, whitespace and unused bits that are not zero are rejected.
fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| Rejection::MalformedProof("base64url"))
}
