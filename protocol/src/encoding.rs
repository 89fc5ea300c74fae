//! Canonical text encodings of values, the same in headers, JSON and logs.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::Malformed;

/// Decodes exactly `N` bytes of unpadded base64url (RFC 4648 §5). `base64ct` rejects padding, other characters and
/// non-zero trailing bits, so every value has one encoding.
pub(crate) fn base64url<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], Malformed> {
    let mut bytes = [0; N];
    match Base64UrlUnpadded::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == N => Ok(bytes),
        _ => Err(Malformed(what)),
    }
}

/// Implements `Display`, `FromStr`, and serde as text for a newtype that has `parse(&str) -> Result<Self, Malformed>`
/// and `write(&self, f) -> fmt::Result`.
#[doc(hidden)]
#[macro_export]
macro_rules! text_newtype {
    ($name:ident) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.write(f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::Malformed;
            fn from_str(text: &str) -> Result<Self, $crate::Malformed> {
                Self::parse(text)
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_string())
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as $crate::serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err($crate::serde::de::Error::custom)
            }
        }
    };
}

/// Defines a newtype over text with a length limit and a rule. It has `parse`, `as_str`, `Display`, `FromStr`, and
/// serde as text.
///
/// ```
/// protocol::bounded_text! {
///     /// A colour in lower case.
///     Colour, "colour", 20, |text| text.bytes().all(|byte| byte.is_ascii_lowercase())
/// }
/// assert!(Colour::parse("green").is_ok());
/// assert!(Colour::parse("Green").is_err());
/// ```
#[macro_export]
macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, |$text:ident| $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// The maximum length, in characters.
            pub const MAX_CHARS: usize = $max;

            /// Checks a text. Nothing is trimmed or changed.
            ///
            /// # Errors
            /// [`Malformed`]($crate::Malformed) when the text breaks the rule of this type.
            pub fn parse($text: &str) -> Result<Self, $crate::Malformed> {
                let fits = $text.chars().count() <= $max;
                (fits && $valid).then(|| Self($text.to_owned())).ok_or($crate::Malformed($what))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::text_newtype!($name);
    };
}

/// Defines a public newtype over a fixed number of bytes, encoded in unpadded base64url.
macro_rules! bytes_in_base64url {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The length, in bytes.
            pub const BYTES: usize = $bytes;

            /// Wraps the bytes.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Parses the canonical encoding.
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

        crate::text_newtype!($name);
    };
}
pub(crate) use bytes_in_base64url;
