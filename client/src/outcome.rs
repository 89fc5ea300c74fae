//! Sends a change, and asks the server for its outcome when the response was lost.
//!
//! A browser or proxy may send a request twice, and a response may be lost on its way. The server executes a request once and
//! remembers the response for the lifetime of a nonce.

use gloo_timers::future::TimeoutFuture;
use protocol::{
    action::{Action, Level},
    built_in::ReadOutcome,
    message::{FrameRequest, SignRequest},
    outcome::{Outcome, Recorded, State},
    problem::{self, Code},
    token::{Nonce, SessionHandle},
};

use crate::{error::ClientError, fetch::Reply, nonce_pool::MAX_AGE, signed_request::SignedRequest, tab::Tab};

/// How long to wait before each question: ms. Together they outlast a short loss of the connection.
const WAITS: [u32; 5] = [0, 500, 1_000, 2_000, 4_000];

impl Tab {
    /// Sends a signed change. If its response is lost, the result is the response that the server has recorded.
    pub(crate) async fn send_once(
        &self,
        session: SessionHandle,
        path: &str,
        nonce: Option<Nonce>,
        request: SignedRequest,
    ) -> Result<Reply, ClientError> {
        let reply = self.send(session, path, request).await;
        let is_lost = match &reply {
            Err(error) => *error == ClientError::OutcomeUnknown,
            Ok(reply) => reply.rejection() == Some(Code::NonceUsed),
        };
        match nonce {
            Some(nonce) if is_lost => self.outcome(session, nonce).await,
            _ => reply,
        }
    }

    /// The response to the change with this nonce.
    ///
    /// # Errors
    /// [`ClientError::NotDone`] if the server has not accepted it, [`ClientError::Executed`] if it has and the response is not
    /// recorded, [`ClientError::OutcomeUnknown`] if the server does not answer or does not know.
    pub(crate) async fn outcome(&self, session: SessionHandle, nonce: Nonce) -> Result<Reply, ClientError> {
        for wait in WAITS {
            TimeoutFuture::new(wait).await;
            let Outcome { state, response } = match self.ask_outcome(session, nonce).await {
                Ok(outcome) => outcome,
                Err(error) if error.requires_sign_in() => return Err(error),
                // The server cannot be reached: ask again.
                Err(_) => continue,
            };
            match (state, response) {
                (State::Answered, Some(Recorded { status, content_type, body: Some(body) })) => {
                    let is_problem = content_type.starts_with(problem::CONTENT_TYPE);
                    return Ok(Reply::recorded(status, body, is_problem));
                }
                (State::Answered, Some(Recorded { status, .. })) if status >= 400 => {
                    return Err(ClientError::from_status(status, None));
                }
                (State::Answered, _) => return Err(ClientError::Executed),
                (State::Void, _) => return Err(ClientError::NotDone),
                (State::Unknown, _) => return Err(ClientError::OutcomeUnknown),
                (State::Running, _) => {}
            }
        }
        Err(ClientError::OutcomeUnknown)
    }

    async fn ask_outcome(&self, session: SessionHandle, nonce: Nonce) -> Result<Outcome, ClientError> {
        let body = serde_json::to_string(&ReadOutcome { nonce }).map_err(|_| ClientError::Malformed)?;
        let (path, own) = (ReadOutcome::PATH.to_owned(), Some(self.nonce(session, MAX_AGE).await?));
        let request = SignRequest { session, path, body, level: Level::Signed, nonce: own, proof: None };
        let reply = self.sign_and_send(session, ReadOutcome::PATH, FrameRequest::Sign(Box::new(request))).await?;
        if matches!(reply.rejection(), Some(Code::UseFreshNonce | Code::NonceUsed)) {
            self.nonces.clear();
        }
        serde_json::from_slice(&reply.into_success()?.body).map_err(|_| ClientError::Malformed)
    }
}
