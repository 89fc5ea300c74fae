//! The signed envelope of a payload.

use core::fmt;

use base64ct::{Base64, Encoding};

use super::{ConnectionId, Cursor, KeyId, MAX_MESSAGE};
use crate::{Malformed, text_newtype};

macro_rules! bytes_in_base64 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Parses the canonical encoding: 44 characters of padded base64.
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

        text_newtype!($name);
    };
}

bytes_in_base64! {
    /// 32 random bytes that make every message unique.
    PushNonce, "push nonce"
}

bytes_in_base64! {
    /// HMAC-SHA256 of [`Envelope::message`].
    Mac, "push signature"
}

/// A push message, parsed but not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope<'a> {
    /// The id of the key that claims to have signed the message.
    pub kid: KeyId,
    /// Makes the message unique.
    pub nonce: PushNonce,
    /// The payload's text.
    pub payload: &'a str,
    /// The signature.
    pub sig: Mac,
    /// When it was signed: Unix ms, the server's time.
    pub ts: u64,
}

impl<'a> Envelope<'a> {
    /// Parses a message that is exactly as [`Envelope`] displays it. The payload is only checked to be between braces.
    ///
    /// # Errors
    /// [`Malformed`] for any other text, and for one over [`MAX_MESSAGE`].
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let malformed = Malformed("push message");
        if text.len() > MAX_MESSAGE {
            return Err(malformed);
        }
        // Splits at quotation marks, from the front and from the end; the comparison below checks the rest. Searching
        // for whole names would add 8 KB to the frame.
        let mut front = text.splitn(11, '"');
        let (kid, nonce, rest) = (front.nth(3), front.nth(3), front.nth(2));
        let mut back = rest.ok_or(malformed)?.rsplitn(7, '"');
        let (ts, sig, payload) = (back.next(), back.nth(2), back.nth(2));
        let between = |text: Option<&'a str>, end| text?.strip_prefix(':')?.strip_suffix(end);
        let payload = between(payload, ',').ok_or(malformed)?;
        let envelope = Self {
            kid: kid.ok_or(malformed)?.parse()?,
            nonce: nonce.ok_or(malformed)?.parse()?,
            payload,
            sig: sig.ok_or(malformed)?.parse()?,
            ts: between(ts, '}').and_then(|ts| ts.parse().ok()).ok_or(malformed)?,
        };
        let is_object = payload.starts_with('{') && payload.ends_with('}');
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

/// The recipient connection and the sequence number of a payload, which are checked before it is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadHeader {
    /// The connection.
    pub conn: ConnectionId,
    /// [`super::Payload::id`].
    pub id: Cursor,
    /// [`super::Payload::seq`].
    pub seq: u64,
}

impl PayloadHeader {
    /// Parses the first and the last members of a payload. Their positions in the canonical form do not depend on
    /// `data`.
    ///
    /// # Errors
    /// [`Malformed`] when they are not at these positions.
    pub fn parse(payload: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("payload");
        let conn = payload.split('"').nth(3).ok_or(malformed)?;
        let mut back = payload.rsplit('"');
        let (kind, seq, id) = (back.nth(1), back.nth(2), back.nth(2));
        let (kind, seq, id) = (kind.ok_or(malformed)?, seq.ok_or(malformed)?, id.ok_or(malformed)?);
        let seq = seq.strip_prefix(':').and_then(|seq| seq.strip_suffix(',')?.parse().ok()).ok_or(malformed)?;
        let header = Self { conn: conn.parse()?, id: id.parse()?, seq };
        let is_name = !kind.is_empty() && kind.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        let Self { conn, id, seq } = header;
        let first = format!(r#"{{"conn":"{conn}","data":{{"#);
        let last = format!(r#"}},"id":"{id}","seq":{seq},"type":"{kind}"}}"#);
        let data = payload.strip_prefix(&*first).and_then(|rest| rest.strip_suffix(&*last));
        data.filter(|_| is_name).map(|_| header).ok_or(malformed)
    }
}
