//! One signed request: a nonce, the signature, and the session's state from the response.

use gloo_timers::future::TimeoutFuture;
use protocol::{
    action::{Action, Level},
    built_in::Nonces,
    message::{Answer, AttestedHeaders, FrameRequest, SignRequest},
    problem::Code,
    token::{Nonce, SessionHandle},
};

use crate::{
    clock::now,
    error::ClientError,
    fetch::{self, Reply},
    session::{Progress, SessionState},
    tab::Tab,
    timeout::SLOW,
};

/// How long to wait before a request that lacked the device's proof is sent again: ms. In all less than its freshness.
const WAITS: [u32; 3] = [300, 700, 1_500];

/// A request that is ready to be sent.
pub(crate) struct SignedRequest {
    pub(crate) body: String,
    pub(crate) headers: AttestedHeaders,
}

impl Tab {
    /// Takes a nonce younger than `max_age` (ms). Requests more from the server when there is none.
    pub(crate) async fn nonce(&self, session: SessionHandle, max_age: u64) -> Result<Nonce, ClientError> {
        if let Some(nonce) = self.nonces.take(now(), max_age) {
            return Ok(nonce);
        }
        let _single_request = self.nonces.lock_refill().await;
        if let Some(nonce) = self.nonces.take(now(), max_age) {
            return Ok(nonce);
        }
        self.request_nonces(session).await?;
        self.nonces.take(now(), max_age).ok_or(ClientError::Unavailable)
    }

    /// Requests more nonces from the server. The response also shows whether the session has ended, and why.
    pub(crate) async fn request_nonces(&self, session: SessionHandle) -> Result<(), ClientError> {
        let (path, body) = (Nonces::PATH.to_owned(), "{}".to_owned());
        let request = SignRequest { session, path, body, level: Level::Signed, nonce: None, proof: None };
        let request = FrameRequest::Sign(Box::new(request));
        let mut reply = self.sign_and_send(session, Nonces::PATH, request.clone()).await?;
        if reply.rejection() == Some(Code::NonceUsed) {
            // The response was lost, and the browser has sent the request again. The frame signs with another nonce.
            reply = self.sign_and_send(session, Nonces::PATH, request).await?;
        }
        // Rejected for another reason: the sentence is the rejection's.
        reply.into_success().map(drop)
    }

    /// Has the frame sign, and sends.
    pub(crate) async fn sign_and_send(
        &self,
        session: SessionHandle,
        path: &str,
        request: FrameRequest,
    ) -> Result<Reply, ClientError> {
        match self.sign(request).await {
            Ok(signed) => self.send(session, path, signed).await,
            Err(error) => self.apply_reply(session, Err(error)).await,
        }
    }

    /// Sends a signed request.
    pub(crate) async fn send(
        &self,
        session: SessionHandle,
        path: &str,
        SignedRequest { body, headers }: SignedRequest,
    ) -> Result<Reply, ClientError> {
        let mut reply = fetch::post(path, &body, &headers.each()).await;
        for wait in WAITS {
            if !reply.as_ref().is_ok_and(Reply::lacks_device_proof) {
                break;
            }
            // Not executed, and the nonce is not spent. The browser renews the device's cookie before it sends this again.
            TimeoutFuture::new(wait).await;
            reply = fetch::post(path, &body, &headers.each()).await;
        }
        // The request may have arrived. A read can be repeated; the user must check whether a change was made.
        let is_change = self.protected(path).is_some_and(|entry| entry.level > Level::Signed);
        self.apply_reply(session, reply.map_err(|away| if is_change { ClientError::OutcomeUnknown } else { away }))
            .await
    }

    /// Has the frame sign.
    pub(crate) async fn sign(&self, request: FrameRequest) -> Result<SignedRequest, ClientError> {
        let own_body = match &request {
            FrameRequest::Sign(request) => request.body.clone(),
            _ => String::new(),
        };
        let frame = self.frame()?;
        self.session.show_after(SLOW, Progress::NoFrame, Box::pin(frame.connected())).await?;
        match frame.request(request).await? {
            Answer::Signed(headers) => Ok(SignedRequest { body: own_body, headers: headers.into() }),
            Answer::Written { body, headers } => Ok(SignedRequest { body, headers: headers.into() }),
            Answer::Agreed { .. } | Answer::Verified { .. } | Answer::Done {} => Err(ClientError::NoFrame),
        }
    }

    /// Keeps the nonces of a response, and ends the session if the response requires it.
    pub(crate) async fn apply_reply(
        &self,
        session: SessionHandle,
        reply: Result<Reply, ClientError>,
    ) -> Result<Reply, ClientError> {
        let reply = reply.and_then(|reply| match reply.problem() {
            Some(problem) if problem.code == Code::InvalidSession => Err(ClientError::from(problem)),
            _ => Ok(reply),
        });
        match &reply {
            Ok(reply) => self.keep_nonces(session, reply.nonces.iter().copied()),
            Err(error) => self.apply_error(session, error).await,
        }
        reply
    }

    /// Ends the session, or notes that its frame key is lost, if the error requires it.
    pub(crate) async fn apply_error(&self, session: SessionHandle, error: &ClientError) {
        match error {
            ClientError::Ended => self.end_session(session, SessionState::Ended(None)).await,
            ClientError::EndedBecause(reason) => self.end_session(session, SessionState::Ended(Some(*reason))).await,
            ClientError::LostKey => {
                // The session may be that of a planted cookie: try the next one.
                let other = self.session.take_other(session);
                self.end_session(session, other.map_or(SessionState::KeyLost, SessionState::SignedIn)).await;
                if other.is_some() {
                    self.other_tabs.announce(other);
                }
            }
            ClientError::FrameKeyLost(key) if self.session.handle() == Some(session) => {
                self.nonces.clear();
                self.set_session(SessionState::FrameKeyLost { session, key: *key });
            }
            _ => {}
        }
    }
}
