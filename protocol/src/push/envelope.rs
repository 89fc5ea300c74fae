//! The signed envelope of a payload.

use core::fmt;

use base64ct::{Base64, Encoding};

use super::{ConnectionId, Cursor, KeyId, MAX_FRAME};
use crate::{Malformed, text::spelled};

macro_rules! bytes_in_base64 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads the one accepted spelling: 44 characters of padded base64.
            ///
            /// # Errors
            /// [`Malformed`] for any other text.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                let mut bytes = [0; 32];
                match Base64::decode(text, &mut bytes) {
                    Ok(read) if read.len() == 32 => Ok(Self(bytes)),
                    _ => Err(Malformed($what)),
                }
            }

            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&Base64::encode_string(&self.0))
            }
        }

        spelled!($name);
    };
}

bytes_in_base64! {
    /// 32 random bytes that make every frame another one.
    PushNonce, "push nonce"
}

bytes_in_base64! {
    /// HMAC-SHA256 of [`Envelope::message`].
    Mac, "push signature"
}

/// A frame, read but not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope<'a> {
    /// The key that it claims to be signed by.
    pub kid: KeyId,
    /// Makes it another one than every other.
    pub nonce: PushNonce,
    /// The payload's text.
    pub payload: &'a str,
    /// The signature.
    pub sig: Mac,
    /// When it was signed: Unix ms, the server's time.
    pub ts: u64,
}

impl<'a> Envelope<'a> {
    /// Reads a frame that is spelled exactly as [`Envelope`] prints it. The payload is only known to stand between
    /// braces.
    ///
    /// # Errors
    /// [`Malformed`] for any other text, and for one over [`MAX_FRAME`].
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let malformed = Malformed("push frame");
        if text.len() > MAX_FRAME {
            return Err(malformed);
        }
        let rest = text.strip_prefix(r#"{"kid":""#).ok_or(malformed)?;
        let (kid, rest) = rest.split_once(r#"","nonce":""#).ok_or(malformed)?;
        let (nonce, rest) = rest.split_once(r#"","payload":"#).ok_or(malformed)?;
        let (rest, ts) = rest.strip_suffix('}').ok_or(malformed)?.rsplit_once(r#"","ts":"#).ok_or(malformed)?;
        let (payload, sig) = rest.rsplit_once(r#","sig":""#).ok_or(malformed)?;
        let envelope = Self {
            kid: kid.parse()?,
            nonce: nonce.parse()?,
            payload,
            sig: sig.parse()?,
            ts: ts.parse().map_err(|_| malformed)?,
        };
        let is_object = payload.starts_with('{') && payload.ends_with('}');
        // A number has other spellings that are read as well.
        (is_object && envelope.to_string() == text).then_some(envelope).ok_or(malformed)
    }

    /// The bytes that are signed: `kid:ts:nonce:` and the payload's canonical text.
    pub fn message(&self) -> Vec<u8> {
        let Self { kid, ts, nonce, payload, .. } = self;
        format!("{kid}:{ts}:{nonce}:{payload}").into_bytes()
    }
}

impl fmt::Display for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, nonce, payload, sig, ts } = self;
        write!(f, r#"{{"kid":"{kid}","nonce":"{nonce}","payload":{payload},"sig":"{sig}","ts":{ts}}}"#)
    }
}

/// Whom a payload is for and where it comes in order: what must be known of it before it is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// The connection.
    pub conn: ConnectionId,
    /// [`super::Payload::id`].
    pub id: Cursor,
    /// [`super::Payload::seq`].
    pub seq: u64,
}

impl Order {
    /// Reads the first and the last members of a payload, which stand there in its canonical form whatever its `data` is.
    ///
    /// # Errors
    /// [`Malformed`] when they do not stand there.
    pub fn parse(payload: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("payload");
        let rest = payload.strip_prefix(r#"{"conn":""#).ok_or(malformed)?;
        let (conn, rest) = rest.split_once(r#"","data":{"#).ok_or(malformed)?;
        let (rest, kind) = rest.strip_suffix(r#""}"#).ok_or(malformed)?.rsplit_once(r#","type":""#).ok_or(malformed)?;
        let (rest, seq) = rest.rsplit_once(r#"","seq":"#).ok_or(malformed)?;
        let (_data, id) = rest.rsplit_once(r#"},"id":""#).ok_or(malformed)?;
        let order = Self { conn: conn.parse()?, id: id.parse()?, seq: seq.parse().map_err(|_| malformed)? };
        let is_name = !kind.is_empty() && kind.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        (is_name && order.seq.to_string() == seq).then_some(order).ok_or(malformed)
    }
}
