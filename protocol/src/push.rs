//! Jitterbug: what the server pushes, and how it is signed (docs/PROTOCOL.md §9).
//!
//! A frame is one JSON text in its canonical form (JCS, RFC 8785), of at most [`MAX_FRAME`] bytes as sent:
//!
//! ```text
//! {"kid":…,"nonce":…,"payload":{"conn":…,"data":…,"id":…,"seq":…,"type":…},"sig":…,"ts":…}
//! ```
//!
//! `sig` is HMAC-SHA256 under the connection's key of `kid:ts:nonce:` and the payload's canonical text. Who it is for
//! (`conn`) and where it comes in order (`seq`) are inside the payload, so they are signed too. The server sends the
//! payload in the very bytes that it signed, so nobody who verifies has to make a canonical form of anything; a frame
//! that was spelled anew on its way is refused.

use serde::{Deserialize, Serialize};

use crate::{
    Malformed, encoding::bytes_in_base64url, key::PublicKey, problem::Ended, text_newtype, token::SessionHandle,
};

mod envelope;
mod verifier;

pub use envelope::{Envelope, Mac, Order, PushNonce};
pub use verifier::{PushVerifier, Rejected, Tolerance};

/// The longest frame, in bytes as sent.
pub const MAX_FRAME: usize = 1024;

/// The path of the WebSocket. Its first message is a [`crate::message::Hello`].
pub const SOCKET: &str = "/api/jitterbug/socket";

/// What a key is derived for: HKDF's `info` (RFC 5869 §3.2). Nothing else can be made to derive the same one: it names the
/// session, the connection, the key and both points of the agreement.
pub fn key_info(
    session: &SessionHandle,
    conn: &ConnectionId,
    kid: &KeyId,
    frame: &PublicKey,
    server: &PublicKey,
) -> Vec<u8> {
    let mut info = format!("pan-jitterbug/1\0{session}\0{conn}\0{kid}\0").into_bytes();
    info.extend_from_slice(frame.as_sec1());
    info.extend_from_slice(server.as_sec1());
    info
}

bytes_in_base64url! {
    /// Names a connection: 16 random bytes of the signing frame, so that nobody can give a page another's frames.
    ConnectionId, 16, "connection id"
}

/// Names a key: the name of the server's root, a dot, and 16 bytes that the server chooses and reads again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyId(String);

impl KeyId {
    /// The longest name of a root, in characters.
    pub const MAX_ROOT: usize = 32;

    /// Reads `<root>.<22 base64url characters>`.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("key id");
        let (root, random) = text.split_once('.').ok_or(malformed)?;
        let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        ConnectionId::parse(random).map_err(|_| malformed)?;
        let is_good = (1..=Self::MAX_ROOT).contains(&root.len()) && root.bytes().all(is_name);
        is_good.then(|| Self(text.to_owned())).ok_or(malformed)
    }

    /// The name of the root, and the server's bytes.
    pub fn parts(&self) -> (&str, [u8; 16]) {
        let (root, bytes) = self.0.split_once('.').unwrap_or_default();
        // It was read before.
        (root, ConnectionId::parse(bytes).map(|bytes| bytes.0).unwrap_or_default())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

text_newtype!(KeyId);

/// A place in the log of events: `<ms>-<n>`, as Redis names the entries of a stream. Ordered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Cursor {
    /// Unix ms.
    pub ms: u64,
    /// Counts the events of one ms.
    pub n: u64,
}

impl Cursor {
    /// Reads `<ms>-<n>`, both without leading zeros.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("cursor");
        let number = |text: &str| {
            let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
            text.parse().ok().filter(|_| is_plain).ok_or(malformed)
        };
        let (ms, n) = text.split_once('-').ok_or(malformed)?;
        Ok(Self { ms: number(ms)?, n: number(n)? })
    }

    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

text_newtype!(Cursor);

/// What a frame says, and to whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// The connection that it is for.
    pub conn: ConnectionId,
    /// The place in the log up to which the connection has now been told: where to go on after it breaks.
    pub id: Cursor,
    /// 1 for the connection's first frame, one more for each later one.
    pub seq: u64,
    /// What happened: `type` and `data`.
    #[serde(flatten)]
    pub push: Push,
}

/// What can be pushed. Numbers are integers, so that no two JSON writers spell them differently.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Push {
    /// Heartbeat: the connection lives, and so many frames were sent before.
    Hb {
        /// The `seq` of the frame before.
        latest: u64,
    },
    /// Telemetry of the server's process.
    Tm {
        /// Processor use in thousandths of one core.
        cpu: u32,
        /// Memory in bytes.
        memory: u64,
        /// Open push connections.
        connections: u32,
    },
    /// Activity of everybody together.
    Ua {
        /// Users with an open connection.
        users: u32,
        /// Requests verified in the last minute.
        verified: u32,
    },
    /// Something about one's own sessions.
    Security(Security),
    /// Something was done in one's own account.
    Activity {
        /// The catalogue's name of the action.
        action: String,
        /// One's own session that did it; none when somebody else did.
        session: Option<SessionHandle>,
        /// What the application says of it.
        note: String,
    },
    /// The next key must be agreed: this one ends at that time (Unix ms).
    Rekey {
        /// When the key that signs this ends.
        expires: u64,
    },
    /// The place to go on from is too long ago: everything that is shown must be asked for anew.
    Reset {},
    /// So many frames of that type were given up because this connection is too slow.
    Dropped {
        /// Of which type.
        of: Topic,
        /// How many.
        count: u32,
    },
}

/// What is told of one's own sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Security {
    /// A session was opened and has its key.
    SignedIn {
        /// Which.
        session: SessionHandle,
        /// Browser and system, in words.
        device: String,
        /// The network that it was opened from.
        network: String,
    },
    /// A session's token was presented without its key.
    Theft {
        /// Whose token.
        session: SessionHandle,
        /// How often by now.
        times: u64,
    },
    /// A session was ended.
    Ended {
        /// Which.
        session: SessionHandle,
        /// Why.
        why: Ended,
    },
}

/// The types of frames, as limits and policies know them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// [`Push::Hb`].
    Hb,
    /// [`Push::Tm`].
    Tm,
    /// [`Push::Ua`].
    Ua,
    /// [`Push::Security`].
    Security,
    /// [`Push::Activity`].
    Activity,
    /// [`Push::Rekey`], [`Push::Reset`] and [`Push::Dropped`]: about the connection itself.
    Control,
}

impl Push {
    /// Its type.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Hb { .. } => Topic::Hb,
            Self::Tm { .. } => Topic::Tm,
            Self::Ua { .. } => Topic::Ua,
            Self::Security(_) => Topic::Security,
            Self::Activity { .. } => Topic::Activity,
            Self::Rekey { .. } | Self::Reset {} | Self::Dropped { .. } => Topic::Control,
        }
    }
}

/// Reply of [`crate::built_in::PushKeys`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreedKey {
    /// Names the key.
    pub kid: KeyId,
    /// Always `sha256`.
    pub algorithm: String,
    /// When it ends: Unix ms, the server's time.
    pub expires_at: u64,
    /// The server's public point of the agreement.
    pub server_key: PublicKey,
}
