//! [`AppError`]: the error of every server function.

use client::ClientError;
use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use protocol::problem::{Code, Problem};
use serde::{Deserialize, Serialize};

/// Why a server function did not do what the user wanted. `Display` is the sentence that the user reads.
///
/// A reason that only the application knows ("not enough money") is [`AppError::Declined`] with a sentence of its own, so a
/// new action needs no new variant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AppError {
    /// The application declines, with a sentence of its own.
    #[error("{0}")]
    Declined(String),
    /// Too many changes at once.
    #[error("The server is busy. Try again in a moment.")]
    Busy,
    /// The call was not made, or not verified.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl AppError {
    /// The HTTP status of a response with this error.
    pub fn status(&self) -> u16 {
        use ClientError as Client;
        match self {
            Self::Declined(_) => 422,
            Self::Busy => 503,
            Self::Client(error) => match error {
                Client::SignedOut
                | Client::LostKey
                | Client::FrameKeyLost(_)
                | Client::Ended
                | Client::EndedBecause(_) => 401,
                Client::Unverified | Client::NoDeviceProof | Client::NoDeviceBinding | Client::NoPasskey => 403,
                Client::Rejected(_) => 422,
                Client::RateLimited { .. } | Client::ConfirmationPaused { .. } => 429,
                Client::Unavailable
                | Client::Unreachable
                | Client::OutcomeUnknown
                | Client::NotDone
                | Client::Executed => 503,
                Client::Cancelled
                | Client::ConfirmationTimedOut
                | Client::ConfirmationBusy
                | Client::NoFrame
                | Client::StorageBlocked
                | Client::SigningFailed
                | Client::Malformed
                | Client::Encoding => 400,
            },
        }
    }

    /// The problem document for the same reason, if there is one. A server function answers with it, so that a rejection has
    /// one form, whether the middleware or the function rejects.
    pub fn problem(&self) -> Option<Problem> {
        let Self::Client(error) = self else { return None };
        let code = match error {
            ClientError::Unverified => Code::InvalidProof,
            ClientError::RateLimited { .. } => Code::RateLimited,
            ClientError::Unavailable => Code::Unavailable,
            ClientError::Malformed => Code::Malformed,
            _ => return None,
        };
        Some(Problem { retry_after: self.retry_after(), ..Problem::from(code) })
    }

    /// How long to wait before the next attempt, in seconds, if that is known.
    pub fn retry_after(&self) -> Option<u64> {
        if let Self::Client(ClientError::RateLimited { seconds }) = self { *seconds } else { None }
    }

    /// Whether signing in again helps.
    pub fn requires_sign_in(&self) -> bool {
        matches!(self, Self::Client(error) if error.requires_sign_in())
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let error = match error {
            ServerFnErrorErr::Request(_) => ClientError::Unreachable,
            ServerFnErrorErr::UnsupportedRequestMethod(_) => ClientError::Encoding,
            ServerFnErrorErr::Deserialization(_)
            | ServerFnErrorErr::Serialization(_)
            | ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_) => ClientError::Malformed,
            ServerFnErrorErr::Registration(_)
            | ServerFnErrorErr::ServerError(_)
            | ServerFnErrorErr::MiddlewareError(_)
            | ServerFnErrorErr::Response(_) => ClientError::Unavailable,
        };
        Self::Client(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_survives_encoding() {
        for error in [
            AppError::Client(ClientError::LostKey),
            AppError::Client(ClientError::RateLimited { seconds: Some(30) }),
            AppError::Declined("Not enough money.".into()),
            AppError::Client(ClientError::ConfirmationPaused { seconds: 9 }),
        ] {
            assert_eq!(AppError::de(error.ser()), error);
        }
    }

    #[test]
    fn encoding_names_the_reason() {
        assert_eq!(AppError::Declined("No.".into()).ser(), r#"{"declined":"No."}"#);
        assert_eq!(AppError::Busy.ser(), r#""busy""#);
    }

    #[test]
    fn problem_document_becomes_the_same_error() {
        for error in [
            ClientError::Unverified,
            ClientError::RateLimited { seconds: Some(30) },
            ClientError::RateLimited { seconds: None },
            ClientError::Unavailable,
            ClientError::Malformed,
        ] {
            let app_error = AppError::from(error.clone());
            let problem = app_error.problem().expect("a problem document");
            assert_eq!(problem.status, app_error.status());
            assert_eq!(ClientError::from(problem), error);
        }
        assert_eq!(AppError::Declined("No.".into()).problem(), None, "the application's own reason");
    }
}
