//! The audit log: an append-only, tamper-evident record of the server's decisions.
//!
//! Each entry carries the hash of the previous entry and its own hash,
//! `HMAC-SHA256(secret, previous hash ‖ entry text)`. So each entry can be verified by itself, also the oldest one that
//! is kept. An attacker who removes or moves an entry breaks the chain and cannot repair it without the secret.
//! `server audit verify` shows where. The chain alone cannot show that entries are missing at its ends. For the newest
//! entries, the store keeps the head separately and the server writes it to its own log. For the oldest entries, the
//! store's retention is known.
//!
//! An entry has session, user, action, outcome and reason, and no other personal data. A background task writes the
//! entries in order and in batches, so a slow store does not delay requests.
//!
//! There are two logs, each with its own chain and retention ([`AuditLog`]), so that a flood of what anyone can cause does
//! not displace what matters. Equal events that others can cause, and reads, become one entry per minute with a count.

mod aggregate;
mod chain;
pub(crate) mod entry;
mod verify;
mod writer;

pub use chain::Chain;
pub use entry::{
    AuditEntry, AuditLog, EntryBody, Event, Hash, Head, MAX_OF_USER, NotAnEntry, Outcome, Repeated, Retention,
    UserActivity,
};
pub use verify::{Finding, Report, verify};
pub(crate) use writer::Writer;
