//! Public keys of sessions: ECDSA P-256 points, their JWK (RFC 7517, RFC 7518 §6.2) and thumbprint (RFC 7638).

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Malformed, encoding::bytes_in_base64url, text_newtype};

/// A P-256 public key as a JWK, as `WebCrypto` exports it. A private member `d`, another curve or a missing coordinate
/// is rejected during parsing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    kty: Kty,
    crv: Crv,
    x: Coordinate,
    y: Coordinate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Kty {
    #[serde(rename = "EC")]
    Ec,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Crv {
    #[serde(rename = "P-256")]
    P256,
}

bytes_in_base64url! {
    /// One coordinate of a point: 32 bytes, big-endian.
    Coordinate, 32, "key coordinate"
}

/// A public key: an uncompressed SEC 1 point (0x04 ‖ x ‖ y, 65 bytes, SEC 1 §2.3.3).
///
/// The point may be off the curve. The server checks this before it binds the key; this crate does no curve arithmetic,
/// which keeps the frame small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey([u8; 65]);

impl PublicKey {
    /// Wraps an uncompressed point.
    ///
    /// # Errors
    /// [`Malformed`] unless the input is 65 bytes that begin with 0x04.
    pub fn from_sec1(point: &[u8]) -> Result<Self, Malformed> {
        match <[u8; 65]>::try_from(point) {
            Ok(bytes) if bytes[0] == 4 => Ok(Self(bytes)),
            _ => Err(Malformed("public key")),
        }
    }

    /// The uncompressed point, 65 bytes.
    pub fn as_sec1(&self) -> &[u8; 65] {
        &self.0
    }

    /// The key as a JWK.
    pub fn to_jwk(&self) -> Jwk {
        let coordinate = |at: usize| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&self.0[at..at + 32]);
            Coordinate(bytes)
        };
        Jwk { kty: Kty::Ec, crv: Crv::P256, x: coordinate(1), y: coordinate(33) }
    }

    /// The thumbprint that `keyid` carries: SHA-256 over the required members in lexical order, without white space
    /// (RFC 7638 §3).
    pub fn thumbprint(&self) -> KeyThumbprint {
        let Jwk { x, y, .. } = self.to_jwk();
        KeyThumbprint(thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)))
    }

    fn parse(text: &str) -> Result<Self, Malformed> {
        Base64UrlUnpadded::decode_vec(text)
            .map_err(|_| Malformed("public key"))
            .and_then(|point| Self::from_sec1(&point))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

text_newtype!(PublicKey);

impl From<&Jwk> for PublicKey {
    fn from(jwk: &Jwk) -> Self {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&jwk.x.0);
        point[33..].copy_from_slice(&jwk.y.0);
        Self(point)
    }
}

/// SHA-256 of a canonical JWK (RFC 7638 §3.1).
fn thumbprint(canonical_jwk: &str) -> [u8; 32] {
    Sha256::digest(canonical_jwk.as_bytes()).into()
}

bytes_in_base64url! {
    /// The RFC 7638 thumbprint of a key, which identifies it.
    KeyThumbprint, 32, "key thumbprint"
}

#[cfg(test)]
mod tests {
    use super::thumbprint;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// RFC 7638 §3.1. The example's key is an RSA key, which PAN does not use; the method is the same.
    #[test]
    fn rfc_7638_thumbprint() {
        let canonical = concat!(
            r#"{"e":"AQAB","kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR"#,
            "1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMi",
            "cAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBn",
            r#"iIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#,
        );
        let expected = super::KeyThumbprint::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(Ok(super::KeyThumbprint(thumbprint(canonical))), expected);
    }
}
