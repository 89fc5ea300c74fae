//! The entries of the audit log. No I/O: the store and the writer share these types.

use std::{borrow::Cow, fmt};

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::{token::SessionHandle, user::UserName};
use serde::{Deserialize, Serialize};

/// How many entries a user's own list keeps.
pub const MAX_OF_USER: usize = 200;

/// How an event ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was let through, or done.
    Passed,
    /// It was refused.
    Refused,
    /// It was neither asked nor refused: it was noticed.
    Noticed,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The session, when it is known to exist or to have existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionHandle>,
    /// Whose session it is, or who signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The catalogue's name of an action, or `sign_in`, `register`, `enter`, `challenge`, `bind`, `bind_pending`, `session_ended`,
    /// `theft`, `audit`.
    pub action: Cow<'static, str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in the words of `Rejection::name`; of a key that was bound, the thumbprints of both keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// What an entry says, before it is chained.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryBody {
    /// Its number: 1 for the first, one more for each later one.
    pub n: u64,
    /// When it happened first: Unix ms.
    pub at: u64,
    /// How many times.
    pub times: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// An entry of the log: its text, and the hash that chains it to the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// What it says.
    pub body: EntryBody,
    /// The JSON of `body`, exactly as it was hashed.
    pub(super) text: String,
    /// The hash of the entry before.
    pub(super) before: Hash,
    /// Over `text` and `before`.
    pub hash: Hash,
}

/// The hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub(super) [u8; 32]);

/// The last entry of a log; the default is that of an empty one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Head {
    /// Its number.
    pub n: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What cannot be read as an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an entry of an audit log")]
pub struct NotAnEntry;

impl AuditEntry {
    /// What the next entry is chained to.
    pub fn head(&self) -> Head {
        Head { n: self.body.n, hash: self.hash }
    }

    /// Reads a line of an exported log.
    ///
    /// # Errors
    /// [`NotAnEntry`].
    pub fn parse(line: &str) -> Result<Self, NotAnEntry> {
        let (rest, hash) = line.rsplit_once(SEPARATOR).ok_or(NotAnEntry)?;
        let (text, before) = rest.rsplit_once(SEPARATOR).ok_or(NotAnEntry)?;
        let (before, hash) = (before.parse()?, hash.parse()?);
        let body = serde_json::from_str(text).map_err(|_| NotAnEntry)?;
        Ok(Self { body, text: text.to_owned(), before, hash })
    }
}

/// Between an entry's text and the hashes: a tab is not in JSON that was written without white space.
const SEPARATOR: char = '\t';

/// A line of an exported log: the JSON, a tab, the hash of the entry before, a tab, the hash.
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

/// `17:` and the hash.
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
