//! The hash chain of the audit log: each entry's hash covers its text and the previous hash.

use ring::hmac;

use super::entry::{AuditEntry, AuditLog, EntryBody, Event, Hash, Head};
use crate::settings::Secret;

/// Derives the key of the traffic log, so that its entries are invalid in the security log.
const TRAFFIC: &[u8] = b"pan-audit-traffic";

/// The key of the chain: HMAC-SHA256.
#[derive(Clone)]
pub struct Chain(hmac::Key);

impl Chain {
    /// The chain of a log, whose key is derived from the settings' secret.
    pub fn new(secret: &Secret, log: AuditLog) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal());
        match log {
            AuditLog::Security => Self(key),
            AuditLog::Traffic => Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, TRAFFIC).as_ref())),
        }
    }

    fn hash(&self, before: &Hash, text: &str) -> Hash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&before.0);
        context.update(text.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        Hash(hash)
    }

    /// Whether the entry's hash is valid for this key.
    pub(super) fn is_valid(&self, entry: &AuditEntry) -> bool {
        self.hash(&entry.before, &entry.text) == entry.hash
    }

    /// Creates the entry after `head` for an event that happened `times` times, first at `at` (Unix ms).
    ///
    /// # Errors
    /// None in practice: an event can always be serialized.
    pub fn entry(&self, head: &Head, at: u64, times: u64, event: Event) -> Result<AuditEntry, serde_json::Error> {
        let body = EntryBody { n: head.n + 1, at, times, event };
        let text = serde_json::to_string(&body)?;
        let (before, hash) = (head.hash, self.hash(&head.hash, &text));
        Ok(AuditEntry { body, text, before, hash })
    }
}
