//! How values become text and text becomes values: one accepted spelling each, for headers, JSON and logs alike.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::Malformed;

/// Decodes exactly `N` bytes of unpadded base64url (RFC 4648 §5). `base64ct` refuses padding, foreign characters and
/// non-zero trailing bits, so every value has one spelling.
pub(crate) fn base64url<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], Malformed> {
    let mut bytes = [0; N];
    match Base64UrlUnpadded::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == N => Ok(bytes),
        _ => Err(Malformed(what)),
    }
}

/// Implements `Display`, `FromStr`, and serde as text for a newtype that has `parse(&str) -> Result<Self, Malformed>`
/// and `write(&self, f) -> fmt::Result`.
macro_rules! text_newtype {
    ($name:ident) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.write(f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = crate::Malformed;
            fn from_str(text: &str) -> Result<Self, crate::Malformed> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_string())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_newtype;

/// Defines a public newtype over a fixed number of bytes, spelled in unpadded base64url.
macro_rules! bytes_in_base64url {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Its length in bytes.
            pub const BYTES: usize = $bytes;

            /// Takes the bytes.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Reads the one accepted spelling.
            ///
            /// # Errors
            /// [`Malformed`](crate::Malformed) for any other text.
            pub fn parse(text: &str) -> Result<Self, crate::Malformed> {
                crate::encoding::base64url(text, $what).map(Self)
            }

            fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&<base64ct::Base64UrlUnpadded as base64ct::Encoding>::encode_string(&self.0))
            }
        }

        crate::encoding::text_newtype!($name);
    };
}
pub(crate) use bytes_in_base64url;
