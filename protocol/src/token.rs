//! Random tokens and the values derived from them.
//!
//! The caller provides the random bytes: `Nonce::new(random_bytes)`.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{
    Malformed,
    encoding::{base64url, bytes_in_base64url},
    text_newtype,
};

bytes_in_base64url! {
    /// A single-use nonce that the server issues for one request: 16 random bytes, 22 characters.
    Nonce, 16, "nonce"
}

bytes_in_base64url! {
    /// A challenge that a client signs to prove possession of the key that it registers: 32 random bytes, 43
    /// characters. Valid for one request within 60 s; independent of sessions.
    Challenge, 32, "challenge"
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The length, in bytes.
            pub const BYTES: usize = 32;

            /// Wraps fresh random bytes.
            pub const fn new(random: [u8; 32]) -> Self {
                Self(random)
            }

            /// Parses the canonical encoding, 43 characters.
            ///
            /// # Errors
            /// [`Malformed`] for any other text.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                base64url(text, $what).map(Self)
            }

            /// The encoding, for the one message that carries the secret. There is no `Display`.
            pub fn reveal(&self) -> String {
                Base64UrlUnpadded::encode_string(&self.0)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret! {
    /// The value of the session cookie. It identifies a session but authorises nothing without the session's key.
    SessionToken, "session token"
}

secret! {
    /// The secret part of the sign origin's cookie `__Host-pan-sign`. It authorises the binding and the push keys of
    /// one session.
    SignSecret, "sign secret"
}

secret! {
    /// The single-use ticket with which a browser enters the app origin after signing in on the sign origin. Valid for
    /// 60 s.
    EntryTicket, "entry ticket"
}

impl EntryTicket {
    /// The token of the session that this ticket enters. The store holds only the session handle, neither ticket nor
    /// token.
    pub fn token(&self) -> SessionToken {
        SessionToken(hash(b"pan-token", &self.0))
    }
}

impl serde::Serialize for EntryTicket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> serde::Deserialize<'de> for EntryTicket {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl SessionToken {
    /// The session handle of this token.
    pub fn handle(&self) -> SessionHandle {
        let mut name = SessionHandle([0; 22]);
        name.0.copy_from_slice(&derive(b"pan-handle", &self.0).as_bytes()[..22]);
        name
    }
}

impl SignSecret {
    /// The hash that the store keeps, so that a leaked store authorises nothing.
    pub fn hashed(&self) -> String {
        derive(b"pan-sign", &self.0)
    }
}

/// base64url(SHA-256(`label` ‖ 0x00 ‖ `secret`)).
fn derive(label: &[u8], secret: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(&hash(label, secret))
}

/// SHA-256(`label` ‖ 0x00 ‖ `secret`).
fn hash(label: &[u8], secret: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update([0]).chain_update(secret).finalize().into()
}

/// The public identifier of a session: 22 base64url characters, derived one-way from the token.
///
/// It is the key in the store and the `X-Session-ID` header. It authorises nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionHandle([u8; 22]);

impl SessionHandle {
    /// Parses 22 base64url characters.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let is_base64url = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        match <[u8; 22]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes.iter().all(is_base64url) => Ok(Self(bytes)),
            _ => Err(Malformed("session handle")),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&b| fmt::Write::write_char(f, char::from(b)))
    }
}

text_newtype!(SessionHandle);
