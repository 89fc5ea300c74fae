//! [`ClientError`]: why a call did not succeed, as sentences for users.

use protocol::{
    key::KeyThumbprint,
    message::{FrameRejection, WindowRejection},
    problem::{Code, Ended, Problem},
};
use serde::{Deserialize, Serialize};

/// Why a signed call did not succeed. `Display` is the sentence that the user reads.
///
/// An application wraps it in the error type of its server functions, beside the application's reasons.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ClientError {
    /// No session.
    #[error("You are not signed in. Sign in, then try again.")]
    SignedOut,
    /// The cookie names a session whose keys this browser does not have.
    #[error("This browser no longer has the key of your session. Sign in again to get a new one.")]
    LostKey,
    /// The signing frame has lost its key and made a new one, which the confirmation key can authorize.
    #[error("This browser has lost one of its keys. Restore it to continue. You do not need to sign in again.")]
    FrameKeyLost(KeyThumbprint),
    /// The session has ended.
    #[error("Your session has ended. Sign in again to continue.")]
    Ended,
    /// The server ended the session before its expiry, for this reason.
    #[error("{}", ended(*.0))]
    EndedBecause(Ended),
    /// The user cancelled in the confirmation window, or closed it.
    #[error("You cancelled. Nothing was changed.")]
    Cancelled,
    /// The user did not answer in the confirmation window.
    #[error("You did not confirm in time, so nothing was changed. Try again.")]
    ConfirmationTimedOut,
    /// Another confirmation window is open.
    #[error("Another confirmation is open. Finish it first.")]
    ConfirmationBusy,
    /// Too many confirmations were cancelled or ignored.
    #[error("Several confirmations were cancelled, so confirmations are paused. Try again in {seconds} seconds.")]
    ConfirmationPaused {
        /// How long the pause lasts.
        seconds: u32,
    },
    /// The page has no signing frame, or the frame does not answer.
    #[error("Part of this page did not load. Turn off content blockers for this site, then reload the page.")]
    NoFrame,
    /// The browser could not sign. The key is kept.
    #[error("Your browser could not sign this request. Nothing was changed. Reload the page, then try again.")]
    SigningFailed,
    /// The frame cannot open its key store.
    #[error(
        "This browser blocks the storage that keeps your key. Allow site data for this site, then reload the page."
    )]
    StorageBlocked,
    /// The session is bound to a device, which the browser could not prove.
    #[error(
        "This browser could not prove that it is on the device on which you signed in. Nothing was changed. Reload the page; if that does not help, sign in again."
    )]
    NoDeviceProof,
    /// The session is not bound to a device, and must be.
    #[error(
        "This needs a browser that can bind your session to your device. Yours cannot, or did not. Sign in again with such a browser."
    )]
    NoDeviceBinding,
    /// The request did not arrive, or no response came. Nothing was changed.
    #[error("The server cannot be reached. Check your connection, then try again.")]
    #[serde(rename = "server_away")]
    Unreachable,
    /// A change was sent, and no response came.
    #[error("No response from the server. The change may have gone through. Check before you try again.")]
    #[serde(rename = "unsure")]
    OutcomeUnknown,
    /// A change was sent and not executed. It never will be.
    #[error("The request did not reach the server in time. Nothing was changed. Try again.")]
    NotDone,
    /// A change was executed, and its response was lost.
    #[error("The change was made. Reload the page to see it.")]
    Executed,
    /// The server cannot decide now.
    #[error("The service is temporarily unavailable. Try again in a minute.")]
    Unavailable,
    /// Too many requests.
    #[error("{}", too_many(*seconds))]
    RateLimited {
        /// `Retry-After`, if the server sent it.
        seconds: Option<u64>,
    },
    /// The user must sign with a passkey, and has none that works.
    #[error("This needs your passkey. Nothing was changed. Try again with the passkey of your account.")]
    NoPasskey,
    /// The signature or the interaction proof was not accepted, or the request was not verified at all.
    #[error("The server did not accept this request. Reload the page, then try again.")]
    Unverified,
    /// The server did not understand the request.
    #[error("The server did not understand this request. Reload the page, then try again.")]
    Malformed,
    /// The server rejected the request. The text is the server's.
    #[error("{0}")]
    Rejected(String),
    /// A server function uses another encoding than JSON over POST: a bug in the application.
    #[error("Only JSON over POST can be signed. Give the server function `input = Json`.")]
    Encoding,
}

fn ended(reason: Ended) -> &'static str {
    match reason {
        Ended::SignedOut => "You have signed out. Sign in again to continue.",
        Ended::Replaced => {
            "You signed in on another device, and this session was your oldest, so it was ended. Sign in again to continue."
        }
        Ended::Revoked => "You ended this session from another device. Sign in again to continue.",
        Ended::Stolen => {
            "Someone else tried to use this session, so it was ended. Nothing was read or changed. Sign in again to continue."
        }
    }
}

fn too_many(seconds: Option<u64>) -> String {
    match seconds {
        Some(1) => "Too many attempts. Try again in 1 second.".to_owned(),
        Some(seconds) => format!("Too many attempts. Try again in {seconds} seconds."),
        None => "Too many attempts. Wait a moment, then try again.".to_owned(),
    }
}

impl ClientError {
    /// The error of a response that neither PAN nor a server function wrote: from a proxy, or a server that is starting.
    pub fn from_status(status: u16, retry_after: Option<u64>) -> Self {
        match status {
            429 => Self::RateLimited { seconds: retry_after },
            500..=599 => Self::Unavailable,
            _ => Self::Malformed,
        }
    }

    /// Whether signing in again helps.
    pub fn requires_sign_in(&self) -> bool {
        matches!(
            self,
            Self::SignedOut
                | Self::LostKey
                | Self::Ended
                | Self::EndedBecause(_)
                | Self::NoDeviceProof
                | Self::NoDeviceBinding
        )
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::InvalidSession => problem.ended.map_or(Self::Ended, Self::EndedBecause),
            Code::NonceUsed => Self::OutcomeUnknown,
            Code::InvalidProof | Code::UseFreshNonce | Code::StepUpRequired | Code::ForbiddenOrigin => Self::Unverified,
            Code::DeviceProofRequired => Self::NoDeviceProof,
            Code::DeviceBindingRequired => Self::NoDeviceBinding,
            Code::PasskeyRequired => Self::NoPasskey,
            Code::RateLimited => Self::RateLimited { seconds: problem.retry_after },
            Code::Unavailable => Self::Unavailable,
            Code::Malformed => Self::Malformed,
            Code::PasskeyRejected
            // Only the sign origin answers these, and only to its own pages.
            | Code::InvalidLogin
            | Code::WrongCredentials
            | Code::NameTaken
            | Code::WeakPassword
            | Code::TooManySessions => Self::Rejected(problem.detail.unwrap_or(problem.title)),
        }
    }
}

impl From<FrameRejection> for ClientError {
    fn from(rejection: FrameRejection) -> Self {
        match rejection {
            FrameRejection::NoKey => Self::LostKey,
            FrameRejection::SigningFailed => Self::SigningFailed,
            FrameRejection::KeyStoreClosed => Self::StorageBlocked,
            FrameRejection::Unreachable => Self::Unreachable,
            FrameRejection::KeyLost { key } => Self::FrameKeyLost(key),
            FrameRejection::TooMany => Self::RateLimited { seconds: None },
            FrameRejection::OriginRejected(code) => Self::from(Problem::from(code)),
            FrameRejection::Rejected => Self::Unverified,
            FrameRejection::Malformed
            | FrameRejection::WindowOnly
            | FrameRejection::NoConnection
            | FrameRejection::UnknownAction
            | FrameRejection::UnknownArguments
            | FrameRejection::LevelTooLow
            | FrameRejection::BadNonce
            | FrameRejection::BadProof => Self::Malformed,
        }
    }
}

impl From<WindowRejection> for ClientError {
    fn from(rejection: WindowRejection) -> Self {
        match rejection {
            WindowRejection::Cancelled => Self::Cancelled,
            WindowRejection::TimedOut => Self::ConfirmationTimedOut,
            WindowRejection::Busy => Self::ConfirmationBusy,
            WindowRejection::Paused { seconds } => Self::ConfirmationPaused { seconds },
            WindowRejection::NoKey => Self::LostKey,
            WindowRejection::SigningFailed => Self::SigningFailed,
            WindowRejection::NoPasskey => Self::NoPasskey,
            WindowRejection::SignInRequired => Self::Rejected(
                "You must sign in again to add your first passkey. Sign out, sign in, and add it within five minutes."
                    .to_owned(),
            ),
            WindowRejection::NothingToRecover => {
                Self::Rejected("You have no passkey that recovery codes could replace. Add a passkey first.".to_owned())
            }
            WindowRejection::Malformed => Self::Malformed,
            WindowRejection::KeyStoreClosed => Self::StorageBlocked,
            WindowRejection::Unreachable => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_sentence() {
        let sentences: std::collections::BTreeSet<_> = [
            ClientError::LostKey,
            ClientError::Ended,
            ClientError::Cancelled,
            ClientError::Unreachable,
            ClientError::OutcomeUnknown,
            ClientError::Unavailable,
            ClientError::NoFrame,
            ClientError::StorageBlocked,
            ClientError::ConfirmationBusy,
            ClientError::ConfirmationPaused { seconds: 9 },
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        assert_eq!(sentences.len(), 10);
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }

    #[test]
    fn rate_limit_sentence_names_the_seconds() {
        assert!(ClientError::RateLimited { seconds: Some(12) }.to_string().contains("12 seconds"));
        let problem = Problem { retry_after: Some(7), ..Problem::from(Code::RateLimited) };
        assert_eq!(ClientError::from(problem), ClientError::RateLimited { seconds: Some(7) });
    }

    #[test]
    fn proxy_response_maps_by_status() {
        assert_eq!(ClientError::from_status(502, None), ClientError::Unavailable);
        assert_eq!(ClientError::from_status(429, Some(3)), ClientError::RateLimited { seconds: Some(3) });
        assert_eq!(ClientError::from_status(404, None), ClientError::Malformed);
    }

    #[test]
    fn every_problem_code_has_a_sentence() {
        for &code in Code::ALL {
            assert!(!ClientError::from(Problem::from(code)).to_string().is_empty());
        }
    }
}
