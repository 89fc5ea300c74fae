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

mod chain;
pub(crate) mod entry;
mod verify;
mod writer;

pub use chain::Chain;
pub use entry::{AuditEntry, EntryBody, Event, Hash, Head, MAX_OF_USER, NotAnEntry, Outcome};
pub use verify::{Finding, Report, verify};
pub(crate) use writer::Writer;
