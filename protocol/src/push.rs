//! Jitterbug: push messages and their signatures (docs/PROTOCOL.md §9).
//!
//! A push message is one JSON text in its canonical form (JCS, RFC 8785), of at most [`MAX_MESSAGE`] bytes as sent:
//!
//! ```text
//! {"kid":…,"nonce":…,"payload":{"conn":…,"data":…,"id":…,"seq":…,"type":…},"sig":…,"ts":…}
//! ```
//!
//! `sig` is HMAC-SHA256 under the connection's key over `kid:ts:nonce:` and the payload's canonical text. The recipient
//! (`conn`) and the sequence number (`seq`) are inside the payload, so they are signed too. The server sends the
//! payload in the same bytes that it signed, so a verifier never canonicalises JSON; a message that was re-encoded on
//! its way is rejected.

use serde::{Deserialize, Serialize};

use crate::{
    Malformed, encoding::bytes_in_base64url, key::PublicKey, problem::Ended, text_newtype, token::SessionHandle,
};

mod envelope;
mod verifier;

pub use envelope::{Envelope, Mac, PayloadHeader, PushNonce};
pub use verifier::{PushRejection, PushVerifier, Tolerance};

/// The longest push message, in bytes as sent.
pub const MAX_MESSAGE: usize = 1024;

/// The path of the WebSocket. Its first message is a [`crate::message::Hello`].
pub const SOCKET: &str = "/api/jitterbug/socket";

/// The HKDF `info` of a push key (RFC 5869 §3.2). It contains the session, the connection, the key id and both public
/// keys of the agreement, so every agreement derives another key.
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
    /// Identifies a connection: 16 random bytes of the signing frame, so that an attacker cannot redirect messages of
    /// another connection to a page.
    ConnectionId, 16, "connection id"
}

/// Identifies a push key: the name of the server's root key, a dot, and 16 bytes that the server chooses.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyId(String);

impl KeyId {
    /// The longest name of a root key, in characters.
    pub const MAX_ROOT: usize = 32;

    /// Parses `<root>.<22 base64url characters>`.
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

    /// The name of the root key, and the server's bytes.
    pub fn parts(&self) -> (&str, [u8; 16]) {
        let (root, bytes) = self.0.split_once('.').unwrap_or_default();
        // `parse` has checked the format.
        (root, ConnectionId::parse(bytes).map(|bytes| bytes.0).unwrap_or_default())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

text_newtype!(KeyId);

/// A position in the event log: `<ms>-<n>`, like the entry IDs of a Redis stream. Ordered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Cursor {
    /// Unix ms.
    pub ms: u64,
    /// The number of the event within its millisecond.
    pub n: u64,
}

impl Cursor {
    /// Parses `<ms>-<n>`, both without leading zeros.
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

/// The payload of a push message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// The recipient connection.
    pub conn: ConnectionId,
    /// The cursor up to which the connection has received events: where to resume after an interruption.
    pub id: Cursor,
    /// The sequence number: 1 for the connection's first message, then increasing by 1.
    pub seq: u64,
    /// The event: `type` and `data`.
    #[serde(flatten)]
    pub push: Push,
}

/// The event of a push message. Numbers are integers, which all JSON writers encode alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Push {
    /// Shows that the connection is alive.
    #[serde(rename = "hb")]
    Heartbeat {
        /// The `seq` of the previous message.
        latest: u64,
    },
    /// Load of the server's process.
    #[serde(rename = "tm")]
    Telemetry {
        /// CPU usage in thousandths of one core.
        cpu: u32,
        /// Memory in bytes.
        memory: u64,
        /// Open push connections.
        connections: u32,
    },
    /// Activity of all users.
    #[serde(rename = "ua")]
    UserActivity {
        /// Users with an open connection.
        users: u32,
        /// Requests verified in the last minute.
        verified: u32,
    },
    /// A security event of the user's sessions.
    Security(Security),
    /// An action in the user's account.
    Activity {
        /// The catalogue's name of the action.
        action: String,
        /// The user's session that did it; `None` if another user did.
        session: Option<SessionHandle>,
        /// A note of the application.
        note: String,
    },
    /// The frame must agree the next key, because the current one expires soon.
    Rekey {
        /// When the current key expires: Unix ms.
        expires: u64,
    },
    /// The cursor is too old to resume from: the page must reload its data.
    Reset {},
    /// Messages were dropped because this connection is too slow.
    Dropped {
        /// The type of the messages.
        of: Topic,
        /// The number of messages.
        count: u32,
    },
}

/// A security event of the user's sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Security {
    /// A session was opened and has its key.
    SignedIn {
        /// The session.
        session: SessionHandle,
        /// Browser and operating system, for display.
        device: String,
        /// The network that it was opened from.
        network: String,
    },
    /// A session's token was used without its key.
    Theft {
        /// The session of the token.
        session: SessionHandle,
        /// The number of times so far.
        times: u64,
    },
    /// A session was ended.
    Ended {
        /// The session.
        session: SessionHandle,
        /// The reason.
        why: Ended,
    },
    /// The user's passkeys or recovery codes have changed, or were misused.
    Passkey {
        /// What happened.
        change: PasskeyChange,
        /// The name of the passkey, if it concerns one.
        name: String,
        /// The session that did it; `None` for a sign-in.
        session: Option<SessionHandle>,
    },
}

/// What happened to the user's passkeys or recovery codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyChange {
    /// A passkey was added.
    Added,
    /// A passkey was removed.
    Removed,
    /// A passkey signed with a counter that had not increased: the authenticator may have been copied.
    Copied,
    /// New recovery codes replaced the earlier ones.
    CodesCreated,
    /// A recovery code was used: all passkeys and recovery codes were removed.
    Recovered,
}

/// The types of push messages that limits and policies distinguish.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// [`Push::Heartbeat`].
    #[serde(rename = "hb")]
    Heartbeat,
    /// [`Push::Telemetry`].
    #[serde(rename = "tm")]
    Telemetry,
    /// [`Push::UserActivity`].
    #[serde(rename = "ua")]
    UserActivity,
    /// [`Push::Security`].
    Security,
    /// [`Push::Activity`].
    Activity,
    /// [`Push::Rekey`], [`Push::Reset`] and [`Push::Dropped`]: about the connection itself.
    Control,
}

impl Push {
    /// The type of the message.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Heartbeat { .. } => Topic::Heartbeat,
            Self::Telemetry { .. } => Topic::Telemetry,
            Self::UserActivity { .. } => Topic::UserActivity,
            Self::Security(_) => Topic::Security,
            Self::Activity { .. } => Topic::Activity,
            Self::Rekey { .. } | Self::Reset {} | Self::Dropped { .. } => Topic::Control,
        }
    }
}

/// Response of [`crate::built_in::PushKeys`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreedKey {
    /// The key id.
    pub kid: KeyId,
    /// Always `sha256`.
    pub algorithm: String,
    /// When the key expires: Unix ms, the server's time.
    pub expires_at: u64,
    /// The server's ephemeral public key.
    pub server_key: PublicKey,
}
