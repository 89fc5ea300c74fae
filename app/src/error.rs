//! Everything that can go wrong between a person and what they want, as sentences that say what to do.
//!
//! It is the one error of every server function. What only an application can refuse ("not enough money") is
//! [`AppError::Declined`] with the application's own sentence, so that a new action needs nothing here.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use protocol::{
    key::KeyThumbprint,
    message::{Refusal, WindowRejection},
    problem::{Code, Ended, Problem},
};
use serde::{Deserialize, Serialize};

/// Why something did not happen. `Display` is what the person reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AppError {
    /// Nobody is signed in.
    #[error("You are not signed in. Sign in, then try again.")]
    SignedOut,
    /// The cookie names a session whose key this browser does not have.
    #[error("This browser no longer has the key of your session. Sign in again to get a new one.")]
    LostKey,
    /// The signing frame has lost its key, and has a new one that the confirmation key can let in.
    #[error("This browser has lost one of its keys. Restore it to go on: you confirm it, and need not sign in again.")]
    FrameKeyLost(KeyThumbprint),
    /// The server does not know the session any more.
    #[error("Your session has ended. Sign in again to go on.")]
    Ended,
    /// The server has ended the session before its time, and says why.
    #[error("{}", ended(*.0))]
    EndedBecause(Ended),
    /// The user rejected in the confirmation window, or closed it.
    #[error("You cancelled. Nothing was done.")]
    Cancelled,
    /// The user did not answer in the confirmation window.
    #[error("The confirmation was not answered in time, so nothing was done. Try again.")]
    ConfirmationTimedOut,
    /// Another confirmation window is open.
    #[error("Another confirmation is open. Answer it first.")]
    ConfirmationBusy,
    /// Too many confirmations were cancelled or ignored.
    #[error("Several confirmations were cancelled, so there is a pause. Try again in {seconds} seconds.")]
    ConfirmationPaused {
        /// How long it lasts.
        seconds: u32,
    },
    /// No frame, or one that never said hello.
    #[error("The signing frame did not load. Turn off what may block it for this site, then reload the page.")]
    NoFrame,
    /// The frame cannot open its key store.
    #[error(
        "This browser blocks the storage that keeps your key. Allow site data for this site, then reload the page."
    )]
    StorageBlocked,
    /// The request did not arrive, or no answer came.
    #[error("The server cannot be reached. Check your connection, then try again.")]
    ServerAway,
    /// A change was sent, and no answer came.
    #[error("No answer came from the server. It may have been done all the same: look before you try again.")]
    Unsure,
    /// The server answers that it cannot decide now.
    #[error("The service is not available at the moment. Try again in a minute.")]
    Unavailable,
    /// Too many requests.
    #[error("{}", too_many(*seconds))]
    RateLimited {
        /// How long to wait, if the server said so.
        seconds: Option<u64>,
    },
    /// Too much at once for the server.
    #[error("The server is busy. Try again in a moment.")]
    Busy,
    /// Signature or proof did not hold, or a request without verification reached a protected function.
    #[error("The server did not accept this request. Reload the page, then try again.")]
    Unverified,
    /// The request is not one that the server understands.
    #[error("The server did not understand this request. Reload the page, then try again.")]
    Malformed,
    /// The application refuses, in its own words.
    #[error("{0}")]
    Declined(String),
    /// A server function uses another encoding than JSON over POST. A mistake in the program.
    #[error("Only JSON over POST can be signed. Give the server function `input = Json`.")]
    Encoding,
}

fn ended(why: Ended) -> &'static str {
    match why {
        Ended::SignedOut => "You have signed out. Sign in again to go on.",
        Ended::Replaced => "You signed in on another device, and this session was your oldest. Sign in again to go on.",
        Ended::Revoked => "You ended this session from another device. Sign in again to go on.",
        Ended::Stolen => {
            "Somebody else tried to use this session, so it was ended. Nothing was done in it. Sign in again to go on."
        }
    }
}

fn too_many(seconds: Option<u64>) -> String {
    match seconds {
        Some(1) => "That was too often. Try again in one second.".to_owned(),
        Some(seconds) => format!("That was too often. Try again in {seconds} seconds."),
        None => "That was too often. Wait a little, then try again.".to_owned(),
    }
}

impl AppError {
    /// The HTTP status of a server function's reply with this fault.
    pub fn status(&self) -> u16 {
        match self {
            Self::SignedOut | Self::LostKey | Self::FrameKeyLost(_) | Self::Ended | Self::EndedBecause(_) => 401,
            Self::Unverified => 403,
            Self::Declined(_) => 422,
            Self::RateLimited { .. } | Self::ConfirmationPaused { .. } => 429,
            Self::Busy | Self::Unavailable | Self::ServerAway | Self::Unsure => 503,
            Self::Cancelled
            | Self::ConfirmationTimedOut
            | Self::ConfirmationBusy
            | Self::NoFrame
            | Self::StorageBlocked
            | Self::Malformed
            | Self::Encoding => 400,
        }
    }

    /// The refusal that says the same, where there is one. A server function answers with it, so that who reads replies of
    /// PAN finds one form of each refusal, whoever refused.
    pub fn problem(&self) -> Option<Problem> {
        let code = match self {
            Self::Unverified => Code::InvalidProof,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Unavailable => Code::Unavailable,
            Self::Malformed => Code::Malformed,
            _ => return None,
        };
        let retry_after = if let Self::RateLimited { seconds } = self { *seconds } else { None };
        Some(Problem { retry_after, ..Problem::from(code) })
    }

    /// What a reply means that no server function wrote: from a proxy, or a server that is starting.
    pub fn of_status(status: u16, retry_after: Option<u64>) -> Self {
        match status {
            429 => Self::RateLimited { seconds: retry_after },
            500..=599 => Self::Unavailable,
            _ => Self::Malformed,
        }
    }

    /// Whether signing in again is what helps.
    pub fn wants_sign_in(&self) -> bool {
        matches!(self, Self::SignedOut | Self::LostKey | Self::Ended | Self::EndedBecause(_))
    }
}

impl From<Problem> for AppError {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::InvalidSession => problem.ended.map_or(Self::Ended, Self::EndedBecause),
            Code::InvalidProof | Code::UseFreshNonce | Code::StepUpRequired | Code::ForbiddenOrigin => Self::Unverified,
            Code::RateLimited => Self::RateLimited { seconds: problem.retry_after },
            Code::Unavailable => Self::Unavailable,
            Code::Malformed => Self::Malformed,
            // The sign origin's own pages answer these.
            Code::WrongCredentials | Code::NameTaken | Code::WeakPassword | Code::TooManySessions => {
                Self::Declined(problem.detail.unwrap_or(problem.title))
            }
        }
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoKey => Self::LostKey,
            Refusal::VaultClosed => Self::StorageBlocked,
            Refusal::Unreachable => Self::ServerAway,
            Refusal::KeyLost { key } => Self::FrameKeyLost(key),
            Refusal::TooMany => Self::RateLimited { seconds: None },
            Refusal::OriginRejected(code) => Self::from(Problem::from(code)),
            Refusal::Rejected => Self::Unverified,
            Refusal::Malformed
            | Refusal::NotHere
            | Refusal::NoConnection
            | Refusal::UnknownAction
            | Refusal::UnknownArguments
            | Refusal::LevelTooLow
            | Refusal::BadNonce
            | Refusal::BadProof => Self::Malformed,
        }
    }
}

impl From<WindowRejection> for AppError {
    fn from(rejection: WindowRejection) -> Self {
        match rejection {
            WindowRejection::Cancelled => Self::Cancelled,
            WindowRejection::TimedOut => Self::ConfirmationTimedOut,
            WindowRejection::Busy => Self::ConfirmationBusy,
            WindowRejection::Paused { seconds } => Self::ConfirmationPaused { seconds },
            WindowRejection::NoKey => Self::LostKey,
            WindowRejection::Malformed => Self::Malformed,
            WindowRejection::StorageClosed => Self::StorageBlocked,
            WindowRejection::Unreachable => Self::ServerAway,
        }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self::ServerAway,
            ServerFnErrorErr::UnsupportedRequestMethod(_) => Self::Encoding,
            ServerFnErrorErr::Deserialization(_)
            | ServerFnErrorErr::Serialization(_)
            | ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_) => Self::Malformed,
            ServerFnErrorErr::Registration(_)
            | ServerFnErrorErr::ServerError(_)
            | ServerFnErrorErr::MiddlewareError(_)
            | ServerFnErrorErr::Response(_) => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_wire() {
        for error in [
            AppError::LostKey,
            AppError::RateLimited { seconds: Some(30) },
            AppError::Declined("Not enough money.".into()),
            AppError::ConfirmationPaused { seconds: 9 },
        ] {
            assert_eq!(AppError::de(error.ser()), error);
        }
    }

    #[test]
    fn lost_key_ended_session_refused_confirmation_and_server_away_have_their_own_sentences() {
        let sentences: std::collections::BTreeSet<_> = [
            AppError::LostKey,
            AppError::Ended,
            AppError::Cancelled,
            AppError::ServerAway,
            AppError::Unsure,
            AppError::Unavailable,
            AppError::NoFrame,
            AppError::StorageBlocked,
            AppError::ConfirmationBusy,
            AppError::ConfirmationPaused { seconds: 9 },
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        assert_eq!(sentences.len(), 10);
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }

    #[test]
    fn the_seconds_to_wait_are_said() {
        assert!(AppError::RateLimited { seconds: Some(12) }.to_string().contains("12 seconds"));
        let problem = Problem { retry_after: Some(7), ..Problem::from(Code::RateLimited) };
        assert_eq!(AppError::from(problem), AppError::RateLimited { seconds: Some(7) });
    }

    #[test]
    fn a_refusal_says_what_the_fault_said() {
        for error in [
            AppError::Unverified,
            AppError::RateLimited { seconds: Some(30) },
            AppError::RateLimited { seconds: None },
            AppError::Unavailable,
            AppError::Malformed,
        ] {
            let problem = error.problem().expect("a refusal of PAN's");
            assert_eq!(problem.status, error.status());
            assert_eq!(AppError::from(problem), error);
        }
        assert_eq!(AppError::Declined("No.".into()).problem(), None, "the application's own");
    }

    #[test]
    fn a_reply_of_a_proxy_is_no_riddle() {
        assert_eq!(AppError::of_status(502, None), AppError::Unavailable);
        assert_eq!(AppError::of_status(429, Some(3)), AppError::RateLimited { seconds: Some(3) });
        assert_eq!(AppError::of_status(404, None), AppError::Malformed);
    }

    #[test]
    fn every_refusal_on_the_wire_is_a_fault() {
        for &code in Code::ALL {
            assert!(!AppError::from(Problem::from(code)).to_string().is_empty());
        }
    }
}
