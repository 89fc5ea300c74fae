//! The outcome of a change whose response was lost (docs/PROTOCOL.md §8.3).

use serde::{Deserialize, Serialize};

/// The longest response body that the server keeps, in bytes.
pub const MAX_BODY: usize = 4_096;

/// What the server knows about a request of a session. The response of [`ReadOutcome`](crate::built_in::ReadOutcome).
///
/// One struct, not an enum with fields: the page then needs 4 KB less code to read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What became of the request.
    pub state: State,
    /// The response, with [`State::Answered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Recorded>,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The request was accepted and answered.
    Answered,
    /// The request was accepted, and has no response yet. After a crash of the server it never gets one.
    Running,
    /// The request was not accepted and never will be: its nonce is void now.
    Void,
    /// The nonce is unknown or no longer remembered.
    Unknown,
}

/// A recorded response.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body, if it is text of at most [`MAX_BODY`] bytes.
    pub body: Option<String>,
}

impl From<State> for Outcome {
    fn from(state: State) -> Self {
        Self { state, response: None }
    }
}

impl From<Recorded> for Outcome {
    fn from(response: Recorded) -> Self {
        Self { state: State::Answered, response: Some(response) }
    }
}
