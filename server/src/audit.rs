//! The audit log: what was decided, by whom it was asked, and why; append-only, and chained so that nobody can change it
//! unseen.
//!
//! Each entry carries the hash of the one before, and `HMAC-SHA256(secret, hash of the entry before ‖ its own text)`. So
//! each can be verified by itself, also the first of those that are kept; and whoever removes or moves one breaks the
//! chain there, and without the secret cannot mend it. `server audit verify` says where. Only the two ends can be cut off
//! unseen. For the later one the store remembers its last entry apart, and the server writes it to its own log; for the
//! earlier one it is known how many entries a store keeps.
//!
//! An entry names session, user, action, outcome and reason, and nothing else of a person. It is written beside the
//! request, in the order of the events and many at a time: a store that is slow slows no request. Equal events that wait
//! together become one entry with a count, so a flood of refusals is not a flood of entries.

use std::{borrow::Cow, fmt};

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::{token::SessionHandle, user::UserName};
use ring::hmac;
use serde::{Deserialize, Serialize};

mod verify;
mod writer;

pub use verify::{Finding, Report, verify};
pub(crate) use writer::Writer;

use crate::settings::Secret;

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
    /// Why, in the words of [`crate::rejection::Rejection::name`]; of a key that was bound, the thumbprints of both keys.
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
    /// The JSON of what it says, exactly as it was hashed.
    text: String,
    /// The hash of the entry before.
    before: Hash,
    /// Over `text` and `before`.
    pub hash: Hash,
}

/// The hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash([u8; 32]);

/// The last entry of a log; the default is that of an empty one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Head {
    /// Its number.
    pub n: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What [`crate::store::Store::append`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Appended {
    /// The entries are the last ones.
    Done,
    /// Another server has appended meanwhile: this is the last entry.
    Moved(Head),
}

/// What cannot be read as an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an entry of an audit log")]
pub struct NotAnEntry;

/// The key of the chain.
#[derive(Clone)]
pub struct Chain(hmac::Key);

impl Chain {
    /// With the secret of the settings.
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.reveal()))
    }

    fn hash(&self, before: &Hash, text: &str) -> Hash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&before.0);
        context.update(text.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        Hash(hash)
    }

    /// Whether the entry is as it was written by somebody who has the secret.
    fn wrote(&self, entry: &AuditEntry) -> bool {
        self.hash(&entry.before, &entry.text) == entry.hash
    }

    /// The entry that comes after `head`: what happened first at `at` (Unix ms), so many times.
    ///
    /// # Errors
    /// None in practice: an event is always JSON.
    pub fn entry(&self, head: &Head, at: u64, times: u64, event: Event) -> Result<AuditEntry, serde_json::Error> {
        let body = EntryBody { n: head.n + 1, at, times, event };
        let text = serde_json::to_string(&body)?;
        let (before, hash) = (head.hash, self.hash(&head.hash, &text));
        Ok(AuditEntry { body, text, before, hash })
    }
}

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
