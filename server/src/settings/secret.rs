//! Secrets in the settings. They are never shown, and they are erased from memory on drop.

use base64ct::{Base64, Encoding};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::value::{TomlType, Value};

/// A 256-bit secret, written as base64 (RFC 4648 §4).
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// The public secret for development. Production rejects it for every setting.
    pub const DEVELOPMENT: &'static str = "UEFOIGRldmVsb3BtZW50IHNlY3JldCwgcHVibGljISE=";

    /// Reads 32 bytes of base64.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        let read = Base64::decode(text, bytes.as_mut()).ok()?.len();
        (read == bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// Derives a key for another purpose (HKDF-Extract, RFC 5869 §2.2). Servers with the same secret derive the same key.
    pub(crate) fn subkey(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let (key, _) = Hkdf::<Sha256>::extract(Some(purpose.as_bytes()), self.0.as_ref());
        Zeroizing::new(key.into())
    }

    /// Whether it is [`Secret::DEVELOPMENT`].
    pub fn is_development(&self) -> bool {
        self.0 == Self::default().0
    }
}

/// The secret of [`Secret::DEVELOPMENT`].
impl Default for Secret {
    fn default() -> Self {
        Self(Zeroizing::new(*b"PAN development secret, public!!"))
    }
}

impl Value for Secret {
    const TOML_TYPE: TomlType = TomlType::Text;
    const EXPECTED: &'static str = "32 random bytes as base64, such as `openssl rand -base64 32` prints";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn show(&self) -> Option<String> {
        None
    }

    fn is_development_secret(&self) -> bool {
        self.is_development()
    }
}

/// A password of another service.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Value for Password {
    const TOML_TYPE: TomlType = TomlType::Text;
    const EXPECTED: &'static str = "a password";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(Zeroizing::new(text.to_owned())))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_has_256_bits() {
        let secret = Secret::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        assert_eq!(secret.reveal().to_vec(), (0..32).collect::<Vec<u8>>());
        assert!(!secret.is_development());
        let development = Secret::parse(Secret::DEVELOPMENT).expect("32 bytes");
        assert!(development.is_development() && Secret::default().is_development());
        for bad in ["", "AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==", "not base64!"] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }
}
