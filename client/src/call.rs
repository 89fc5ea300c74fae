//! One call of a protected action: chooses who signs it, sends it, and retries what can succeed without the user.

use std::rc::Rc;

use protocol::{
    action::{Action, ActionEntry, Level},
    built_in::{self, RestoreBrowser},
    message::{FrameRequest, SignRequest, ToWindow},
    problem::Code,
    proof::Proof,
    token::SessionHandle,
};

use crate::{
    clock::now,
    confirmation::PendingConfirmation,
    error::ClientError,
    fetch::Reply,
    nonce_pool::{CONFIRMATION_MAX_AGE, MAX_AGE},
    signed_request::SignedRequest,
    tab::Tab,
};

/// One call of a protected action.
pub(crate) struct Call {
    pub(crate) tab: Rc<Tab>,
    pub(crate) session: SessionHandle,
    pub(crate) entry: &'static ActionEntry,
    pub(crate) body: String,
}

impl Call {
    /// Signs and sends. Retries once with a fresh nonce, and opens a confirmation when the server requires it.
    pub(crate) async fn send(&self) -> Result<Reply, ClientError> {
        // Taken first: an interaction counts for this call or for none.
        let proof = match self.entry.level {
            Level::Interaction => self.tab.recorder.take(self.entry.name, now()),
            Level::Signed | Level::Confirmed => None,
        };
        let needs_confirmation = match self.entry.level {
            Level::Signed => false,
            // Without evidence of an interaction the user must confirm.
            Level::Interaction => proof.is_none(),
            Level::Confirmed => true,
        };
        if needs_confirmation {
            // Nothing was awaited since the click: later the browser may block the window.
            return self.confirm().await;
        }
        let mut may_refresh = true;
        loop {
            let reply = self.sign(proof.clone()).await?;
            match reply.rejection() {
                Some(Code::UseFreshNonce) if may_refresh => {
                    may_refresh = false;
                    self.tab.nonces.clear();
                }
                Some(Code::StepUpRequired) if proof.is_some() => return self.confirm().await,
                _ => return Ok(reply),
            }
        }
    }

    /// Has the frame sign, and sends.
    async fn sign(&self, proof: Option<Proof>) -> Result<Reply, ClientError> {
        let (session, path, body) = (self.session, self.entry.path.to_owned(), self.body.clone());
        let work = async {
            let nonce = match self.entry.path {
                built_in::Nonces::PATH => None,
                _ => Some(self.tab.nonce(session, MAX_AGE).await?),
            };
            let request = SignRequest { session, path, body, level: self.entry.level, nonce, proof };
            self.tab.sign_and_send(session, self.entry.path, FrameRequest::Sign(Box::new(request))).await
        };
        self.tab.session.show_progress(work).await
    }

    /// Has the user confirm in a window, and sends. Never sends twice: the user confirmed once.
    async fn confirm(&self) -> Result<Reply, ClientError> {
        let window = PendingConfirmation::open(&self.tab.confirmation).await?;
        let (session, path, body) = (self.session, self.entry.path, self.body.clone());
        let request = async {
            let nonce = match path {
                RestoreBrowser::PATH => None,
                _ => Some(self.tab.nonce(session, CONFIRMATION_MAX_AGE).await?),
            };
            Ok(ToWindow { session, path: path.to_owned(), body: body.clone(), nonce })
        };
        let headers = match window.sign(request).await {
            Ok(headers) => headers,
            Err(error) => {
                // Without a confirmation key only signing in again helps: the page offers that.
                self.tab.apply_error(session, &error).await;
                return Err(error);
            }
        };
        let sending = self.tab.send(session, path, SignedRequest { body: self.body.clone(), headers });
        let reply = self.tab.session.show_progress(sending).await?;
        if reply.rejection() == Some(Code::UseFreshNonce) {
            // The browser may have sent the request twice, and this is the response to the second one.
            self.tab.nonces.clear();
            return Err(ClientError::OutcomeUnknown);
        }
        Ok(reply)
    }
}
