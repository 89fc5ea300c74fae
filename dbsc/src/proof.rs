//! Verification of proofs, the JWTs in `Secure-Session-Response`.
//!
//! These functions verify what the proof says by itself. Whether its challenge is one of the server, and unused, is for
//! the caller to check; [`crate::Dbsc`] does both.

use crate::{
    error::Rejection,
    json::{self, Value},
    jwt::{self, Unverified},
    key::{Algorithm, PublicKey},
};

/// The verified content of a registration's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationProof {
    /// The key that the proof contains and is signed with.
    pub key: PublicKey,
    /// The challenge that was signed.
    pub challenge: String,
    /// The `authorization` of the offer.
    pub authorization: Option<String>,
}

impl RegistrationProof {
    /// Verifies the proof of a registration.
    ///
    /// # Errors
    /// [`Rejection`], if the proof is malformed, its algorithm is not in `algorithms`, or the key that it contains did not
    /// make the signature.
    pub fn verify(proof: &str, algorithms: &[Algorithm]) -> Result<Self, Rejection> {
        let proof = jwt::parse(proof)?;
        if !algorithms.contains(&proof.algorithm) {
            return Err(Rejection::Algorithm);
        }
        let Some(Value::Object(jwk)) = proof.header.get("jwk") else { return Err(Rejection::Key("missing")) };
        let key = PublicKey::from_object(jwk)?;
        let challenge = verified_challenge(&proof, &key)?;
        let authorization = match proof.payload.get("authorization") {
            Some(Value::Text(authorization)) => Some(authorization.clone()),
            Some(_) => return Err(Rejection::MalformedProof("authorization")),
            None => None,
        };
        Ok(Self { key, challenge, authorization })
    }
}

/// The verified content of a refresh's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshProof {
    /// The challenge that was signed.
    pub challenge: String,
}

impl RefreshProof {
    /// Verifies the proof of a refresh by the key that the session was registered with.
    ///
    /// # Errors
    /// [`Rejection`], if the proof is malformed or contains a key, if its algorithm is not that of `key`, or if `key` did
    /// not make the signature.
    pub fn verify(proof: &str, key: &PublicKey) -> Result<Self, Rejection> {
        let proof = jwt::parse(proof)?;
        if proof.header.contains_key("jwk") {
            return Err(Rejection::UnexpectedKey);
        }
        Ok(Self { challenge: verified_challenge(&proof, key)? })
    }
}

/// Verifies the signature, and returns the challenge.
fn verified_challenge(proof: &Unverified<'_>, key: &PublicKey) -> Result<String, Rejection> {
    // The key determines the algorithm, not the proof: otherwise the sender could choose how its bytes are read.
    if proof.algorithm != key.algorithm() {
        return Err(Rejection::Algorithm);
    }
    key.verify(proof.signed, &proof.signature)?;
    Ok(json::text(&proof.payload, "jti").ok_or(Rejection::MalformedProof("jti"))?.to_owned())
}
