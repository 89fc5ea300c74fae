//! A request of the session: a nonce for it, the signature, and what the reply says of the session.

use actions::CATALOGUE;
use protocol::{
    action::{Action, Level},
    built_in::Nonces,
    message::{Answer, FrameRequest, SignRequest, SignedHeaders},
    problem::Code,
    token::{Nonce, SessionHandle},
};

use super::{
    Tab,
    fetch::{self, Reply},
    now,
    session::SessionState,
};
use crate::error::AppError;

/// What was signed, to be sent as it is.
pub(super) struct Signed {
    pub(super) body: String,
    pub(super) headers: SignedHeaders,
}

impl Tab {
    /// A nonce to spend; asks the server for more when there is none that is younger than `life` (ms).
    pub(super) async fn nonce(&self, session: SessionHandle, life: u64) -> Result<Nonce, AppError> {
        if let Some(nonce) = self.nonces.take(now(), life) {
            return Ok(nonce);
        }
        let _only_one_asks = self.nonces.refilling().await;
        if let Some(nonce) = self.nonces.take(now(), life) {
            return Ok(nonce);
        }
        self.refill(session).await?;
        self.nonces.take(now(), life).ok_or(AppError::Unavailable)
    }

    /// Asks the server for more nonces. It says when the session is over, and why.
    pub(super) async fn refill(&self, session: SessionHandle) -> Result<(), AppError> {
        let (path, body) = (Nonces::PATH.to_owned(), "{}".to_owned());
        let refill = SignRequest { session, path, body, level: Level::Signed, nonce: None, proof: None };
        let reply = self.exchange(session, Nonces::PATH, FrameRequest::Sign(Box::new(refill))).await?;
        // Refused for another reason: the sentence is the refusal's.
        reply.accepted().map(drop)
    }

    /// Has the frame sign, and sends.
    pub(super) async fn exchange(
        &self,
        session: SessionHandle,
        path: &str,
        ask: FrameRequest,
    ) -> Result<Reply, AppError> {
        match self.sign(ask).await {
            Ok(signed) => self.send(session, path, signed).await,
            Err(error) => self.heed(session, Err(error)).await,
        }
    }

    /// Sends what was signed.
    pub(super) async fn send(&self, session: SessionHandle, path: &str, signed: Signed) -> Result<Reply, AppError> {
        let Signed { body, headers } = signed;
        let reply = fetch::post(path, &body, &headers.each()).await;
        // It is unknown how far it got. A read can be repeated; whether a change was made must be checked first.
        self.heed(session, reply.map_err(|away| if is_change(path) { AppError::Unsure } else { away })).await
    }

    /// Has the frame sign.
    pub(super) async fn sign(&self, ask: FrameRequest) -> Result<Signed, AppError> {
        let own = match &ask {
            FrameRequest::Sign(order) => order.body.clone(),
            _ => String::new(),
        };
        match self.frame()?.ask(ask).await? {
            Answer::Signed(headers) => Ok(Signed { body: own, headers }),
            Answer::Written { body, headers } => Ok(Signed { body, headers }),
            Answer::Agreed { .. } | Answer::Heard { .. } | Answer::Done {} => Err(AppError::NoFrame),
        }
    }

    /// Keeps the nonces that a reply brought, and notices that the session is over.
    pub(super) async fn heed(&self, session: SessionHandle, reply: Result<Reply, AppError>) -> Result<Reply, AppError> {
        let reply = reply.and_then(|reply| match reply.problem() {
            Some(problem) if problem.code == Code::InvalidSession => Err(AppError::from(problem)),
            _ => Ok(reply),
        });
        match &reply {
            Ok(reply) => self.keep_nonces(session, reply.nonces.iter().copied()),
            Err(error) => self.heed_fault(session, error).await,
        }
        reply
    }

    /// Keeps nonces that came for a session, unless another tab has signed in as someone else meanwhile.
    pub(super) fn keep_nonces(&self, session: SessionHandle, nonces: impl IntoIterator<Item = Nonce>) {
        if self.session.handle() == Some(session) {
            self.nonces.put(nonces, now());
        }
    }

    /// Notices that the session is over, or that its frame key is lost.
    pub(super) async fn heed_fault(&self, session: SessionHandle, error: &AppError) {
        match error {
            AppError::Ended => self.end(session, SessionState::Ended(None)).await,
            AppError::EndedBecause(why) => self.end(session, SessionState::Ended(Some(*why))).await,
            AppError::LostKey => {
                // The session may be that of a planted cookie.
                let other = self.session.take_other(session);
                self.end(session, other.map_or(SessionState::KeyLost, SessionState::In)).await;
                if other.is_some() {
                    self.other_tabs.tell(other);
                }
            }
            AppError::FrameKeyLost(key) if self.session.handle() == Some(session) => {
                self.nonces.clear();
                self.stand(SessionState::FrameKeyLost { session, key: *key });
            }
            _ => {}
        }
    }
}

fn is_change(path: &str) -> bool {
    CATALOGUE.at(path).is_some_and(|entry| entry.level > Level::Signed)
}
