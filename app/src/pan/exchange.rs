//! A request of the session: a nonce for it, the signature, and what the reply says of the session.

use protocol::{
    action::{Action, Level},
    catalogue::{self, Nonces},
    message::{Answer, Ask, SignedHeaders, ToSign},
    problem::Code,
    token::{Nonce, SessionHandle},
};

use super::{
    Tab, now,
    session::Standing,
    wire::{self, Reply},
};
use crate::fault::Fault;

/// What was signed, to be sent as it is.
pub(super) struct Signed {
    pub(super) body: String,
    pub(super) headers: SignedHeaders,
}

impl Tab {
    /// A nonce to spend; asks the server for more when there is none that is younger than `life` (ms).
    pub(super) async fn nonce(&self, session: SessionHandle, life: u64) -> Result<Nonce, Fault> {
        if let Some(nonce) = self.nonces.take(now(), life) {
            return Ok(nonce);
        }
        let _only_one_asks = self.nonces.refilling().await;
        if let Some(nonce) = self.nonces.take(now(), life) {
            return Ok(nonce);
        }
        self.refill(session).await?;
        self.nonces.take(now(), life).ok_or(Fault::Unavailable)
    }

    /// Asks the server for more nonces. It says when the session is over, and why.
    pub(super) async fn refill(&self, session: SessionHandle) -> Result<(), Fault> {
        let (path, body) = (Nonces::PATH.to_owned(), "{}".to_owned());
        let refill = ToSign { session, path, body, level: Level::Signed, nonce: None, proof: None };
        let reply = self.exchange(session, Nonces::PATH, Ask::Sign(Box::new(refill))).await?;
        // Refused for another reason: the sentence is the refusal's.
        reply.accepted().map(drop)
    }

    /// Has the frame sign, and sends.
    pub(super) async fn exchange(&self, session: SessionHandle, path: &str, ask: Ask) -> Result<Reply, Fault> {
        match self.sign(ask).await {
            Ok(signed) => self.send(session, path, signed).await,
            Err(fault) => self.heed(session, Err(fault)).await,
        }
    }

    /// Sends what was signed.
    pub(super) async fn send(&self, session: SessionHandle, path: &str, signed: Signed) -> Result<Reply, Fault> {
        let Signed { body, headers } = signed;
        let reply = wire::post(path, &body, &headers.each()).await;
        // It is unknown how far it got. A read can be repeated; whether a change was made must be checked first.
        self.heed(session, reply.map_err(|away| if is_change(path) { Fault::Unsure } else { away })).await
    }

    /// Has the frame sign.
    pub(super) async fn sign(&self, ask: Ask) -> Result<Signed, Fault> {
        let own = match &ask {
            Ask::Sign(order) => order.body.clone(),
            _ => String::new(),
        };
        match self.frame()?.ask(ask).await? {
            Answer::Signed(headers) => Ok(Signed { body: own, headers }),
            Answer::Written { body, headers } => Ok(Signed { body, headers }),
            Answer::Agreed { .. } | Answer::Heard { .. } | Answer::Done {} => Err(Fault::NoFrame),
        }
    }

    /// Keeps the nonces that a reply brought, and notices that the session is over.
    pub(super) async fn heed(&self, session: SessionHandle, reply: Result<Reply, Fault>) -> Result<Reply, Fault> {
        let reply = reply.and_then(|reply| match reply.problem() {
            Some(problem) if problem.code == Code::InvalidSession => Err(Fault::from(problem)),
            _ => Ok(reply),
        });
        match &reply {
            Ok(reply) => self.keep_nonces(session, reply.nonces.iter().copied()),
            Err(fault) => self.heed_fault(session, fault).await,
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
    pub(super) async fn heed_fault(&self, session: SessionHandle, fault: &Fault) {
        match fault {
            Fault::Ended => self.end(session, Standing::Ended(None)).await,
            Fault::EndedBecause(why) => self.end(session, Standing::Ended(Some(*why))).await,
            Fault::LostKey => {
                // The session may be that of a planted cookie.
                let other = self.session.take_other(session);
                self.end(session, other.map_or(Standing::KeyLost, Standing::In)).await;
                if other.is_some() {
                    self.other_tabs.tell(other);
                }
            }
            Fault::FrameKeyLost(key) if self.session.handle() == Some(session) => {
                self.nonces.clear();
                self.stand(Standing::FrameKeyLost { session, key: *key });
            }
            _ => {}
        }
    }
}

fn is_change(path: &str) -> bool {
    catalogue::at(path).is_some_and(|entry| entry.level > Level::Signed)
}
