//! The entry types of the audit log, shared by the store and the writer.

use std::{borrow::Cow, fmt};

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::token::SessionHandle;
use serde::{Deserialize, Serialize};

use crate::model::UserId;

/// Maximum number of entries in a user's activity list.
pub const MAX_OF_USER: usize = 200;

/// One of the two audit logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum AuditLog {
    /// Sign-ins, changes, confirmations, bound keys, thefts and ends of sessions.
    Security,
    /// Rejected requests, reads and push connections: what anyone can cause, and what happens by itself.
    Traffic,
}

impl AuditLog {
    /// Both logs.
    pub const ALL: [Self; 2] = [Self::Security, Self::Traffic];
}

/// How much of a log a store keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Maximum number of entries: the newest.
    pub keep: usize,
    /// Older entries may be deleted: Unix ms.
    pub since: u64,
}

/// How an event ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request was accepted, or the operation completed.
    Passed,
    /// The request was rejected.
    Refused,
    /// The server observed an event that is not a request's outcome.
    Noticed,
}

/// An event to record.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The session, if it is known to exist or to have existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionHandle>,
    /// The session's owner, or the user who signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The catalogue's name of an action, or `sign_in`, `register`, `enter`, `challenge`, `bind`, `bind_pending`,
    /// `session_ended`, `theft`, `audit`.
    pub action: Cow<'static, str>,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, as in `Rejection::name`. For a bound key, the thumbprints of both keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

impl Event {
    /// The log of this event. Reads, which have no other mark, are recorded with
    /// [`Server::record_read`](crate::Server::record_read).
    pub(crate) fn log(&self) -> AuditLog {
        let is_notable = || matches!(&*self.action, "theft" | "session_ended" | "audit");
        match self.outcome {
            Outcome::Passed => AuditLog::Security,
            Outcome::Noticed if is_notable() => AuditLog::Security,
            Outcome::Noticed | Outcome::Refused => AuditLog::Traffic,
        }
    }

    /// Whether others than the user can cause this event as often as they like: a rejected request, a stolen token, a push
    /// message that was altered on its way.
    pub(crate) fn is_by_anyone(&self) -> bool {
        self.outcome == Outcome::Refused || matches!(&*self.action, "theft" | "push_rejected")
    }
}

/// Equal events of a user that others can cause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Repeated {
    /// As [`Event::action`].
    pub action: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason.
    pub reason: Option<String>,
    /// Number of occurrences.
    pub times: u64,
    /// The first occurrence: Unix ms.
    pub first: u64,
    /// The last occurrence that is counted: Unix ms.
    pub last: u64,
}

/// What a user sees of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserActivity {
    /// What the user did, newest first; at most [`MAX_OF_USER`].
    pub entries: Vec<EntryBody>,
    /// What others may have caused, summarised so that it displaces nothing.
    pub repeated: Vec<Repeated>,
}

/// The content of an entry, without its hashes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryBody {
    /// The sequence number, from 1.
    pub n: u64,
    /// When the event first happened: Unix ms.
    pub at: u64,
    /// How many times it happened.
    pub times: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// An entry of the audit log, chained to the previous entry by its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// The content.
    pub body: EntryBody,
    /// The JSON of `body`, exactly as it was hashed.
    pub(super) text: String,
    /// The hash of the previous entry.
    pub(super) before: Hash,
    /// The HMAC over `before` and `text`.
    pub hash: Hash,
}

/// The hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub(super) [u8; 32]);

/// The last entry of a log. The default is the head of an empty log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Head {
    /// The entry's sequence number; 0 for an empty log.
    pub n: u64,
    /// The entry's hash.
    pub hash: Hash,
}

/// The error of text that is not an audit log entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an audit log entry")]
pub struct NotAnEntry;

impl AuditEntry {
    /// The head of a log that ends with this entry.
    pub fn head(&self) -> Head {
        Head { n: self.body.n, hash: self.hash }
    }

    /// Reads a line of an exported log.
    ///
    /// # Errors
    /// [`NotAnEntry`] if the line is malformed.
    pub fn parse(line: &str) -> Result<Self, NotAnEntry> {
        let (rest, hash) = line.rsplit_once(SEPARATOR).ok_or(NotAnEntry)?;
        let (text, before) = rest.rsplit_once(SEPARATOR).ok_or(NotAnEntry)?;
        let (before, hash) = (before.parse()?, hash.parse()?);
        let body = serde_json::from_str(text).map_err(|_| NotAnEntry)?;
        Ok(Self { body, text: text.to_owned(), before, hash })
    }
}

/// Separates the text and the hashes. JSON without white space contains no tab.
const SEPARATOR: char = '\t';

/// A line of an exported log: the JSON text, the previous hash and the hash, separated by tabs.
impl fmt::Display for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}{SEPARATOR}{}", self.text, self.before, self.hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Hash {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, NotAnEntry> {
        let mut hash = [0; 32];
        match Base64UrlUnpadded::decode(text, &mut hash) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(hash)),
            _ => Err(NotAnEntry),
        }
    }
}

/// The number and the hash, such as `17:…`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, NotAnEntry> {
        let (n, hash) = text.split_once(':').ok_or(NotAnEntry)?;
        Ok(Self { n: n.parse().map_err(|_| NotAnEntry)?, hash: hash.parse()? })
    }
}
