//! The outcome of a change whose response was lost (docs/PROTOCOL.md §8.3).

use serde::{Deserialize, Serialize};

/// The longest response body that the server keeps, in bytes.
pub const MAX_BODY: usize = 4_096;

/// What the server knows about a request of a session. The response of [`ReadOutcome`](crate::built_in::ReadOutcome).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// The request was accepted, and this was the response.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The body, if it is text of at most [`MAX_BODY`] bytes.
        body: Option<String>,
    },
    /// The request was accepted, and has no response yet. After a crash of the server it never gets one.
    Running {},
    /// The request was not accepted and never will be: its nonce is void now.
    Void {},
    /// The nonce is unknown or no longer remembered.
    Unknown {},
}
