//! Session identifiers.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::InvalidValue;

/// The identifier of a session, unique per site: 1 to 128 letters, digits, `-` and `_`.
///
/// These characters are the same in JSON, in a cookie, and in a header with or without quotes. The browser sends the
/// identifier in every refresh request. It is not secret; a random one cannot be guessed, though, so that an attacker
/// cannot find out which sessions exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// Uses an identifier of the application.
    ///
    /// # Errors
    /// [`InvalidValue`] if it is empty, too long or has other characters.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidValue> {
        let id = id.into();
        let valid =
            (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if valid { Ok(Self(id)) } else { Err(InvalidValue("session identifier")) }
    }

    /// Generates an identifier of 128 random bits.
    ///
    /// # Panics
    /// If the operating system has no randomness.
    pub fn random() -> Self {
        Self(Base64UrlUnpadded::encode_string(&random::<16>()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Random bytes of the operating system. Panics if it has none, because nothing secure can continue then.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has no randomness");
    bytes
}
