//! `Content-Digest` (RFC 9530) with SHA-256, the only supported algorithm.

use core::fmt;

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::{Malformed, text_newtype};

const PREFIX: &str = "sha-256=:";

/// The digest of a request's body bytes, as sent: `sha-256=:<base64>:` (RFC 9530 §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// The digest of these bytes.
    ///
    /// ```
    /// use protocol::digest::ContentDigest;
    /// assert_eq!(ContentDigest::of(b"").to_string(), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    /// ```
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// Parses the canonical encoding: a dictionary of this one member, padded base64.
    ///
    /// # Errors
    /// [`Malformed`] for any other text, including other algorithms and several members.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut bytes = [0; 32];
        text.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_suffix(':'))
            .and_then(|base64| Base64::decode(base64, &mut bytes).ok())
            .filter(|decoded| decoded.len() == 32)
            .ok_or(Malformed("Content-Digest"))?;
        Ok(Self(bytes))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:", Base64::encode_string(&self.0))
    }
}

text_newtype!(ContentDigest);
