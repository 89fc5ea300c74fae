//! A secret of the settings.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use zeroize::Zeroizing;

/// 256 secret bits, written as base64. It prints nothing of itself.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(Zeroizing<[u8; 32]>);

/// What is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a secret is 32 random bytes as base64, such as `openssl rand -base64 32` makes")]
pub struct NotASecret;

impl Secret {
    /// Everybody's, for development: no secret at all.
    pub const DEVELOPMENT: &'static str = "UEFOIGRldmVsb3BtZW50IHNlY3JldCwgcHVibGljISE=";

    /// Reads 32 bytes of base64.
    ///
    /// # Errors
    /// [`NotASecret`].
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let mut bytes = Zeroizing::new([0; 32]);
        match Base64::decode(text, bytes.as_mut()) {
            Ok(read) if read.len() == 32 => Ok(Self(bytes)),
            _ => Err(NotASecret),
        }
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is [`Secret::DEVELOPMENT`].
    pub fn is_development(&self) -> bool {
        Self::parse(Self::DEVELOPMENT).is_ok_and(|development| development.0 == self.0)
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::parse(Self::DEVELOPMENT).unwrap_or(Self(Zeroizing::new([0; 32])))
    }
}

impl TryFrom<String> for Secret {
    type Error = NotASecret;

    fn try_from(text: String) -> Result<Self, NotASecret> {
        Self::parse(&Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_development() { "Secret(development)" } else { "Secret" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_says_nothing() {
        let secret = Secret::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(!secret.is_development() && Secret::default().is_development());
        for bad in ["", "AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==", "not base64!"] {
            assert_eq!(Secret::parse(bad).err(), Some(NotASecret), "{bad}");
        }
    }
}
