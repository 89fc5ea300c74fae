//! One call of a protected action: chooses who signs it, sends it, and retries what can succeed without the user.

use std::{cell::Cell, rc::Rc};

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
            Level::Signed | Level::Confirmed | Level::Attested => None,
        };
        let needs_confirmation = match self.entry.level {
            Level::Signed => false,
            // Without evidence of an interaction the user must confirm.
            Level::Interaction => proof.is_none(),
            Level::Confirmed | Level::Attested => true,
        };
        if needs_confirmation {
            // Nothing was awaited since the click: later the browser may block the window.
            return self.confirm().await;
        }
        let mut may_refresh = true;
        loop {
            let reply = self.sign(proof.clone()).await?;
            match reply.rejection() {
                // Not executed: it is signed again. Signing a read again is harmless, too, if a copy was accepted.
                Some(Code::UseFreshNonce | Code::NonceUsed) if may_refresh => {
                    may_refresh = false;
                    self.tab.nonces.clear();
                }
                // The connection is too slow for the click, which is fresh for some seconds.
                Some(Code::UseFreshNonce | Code::InvalidProof) if proof.is_some() && !may_refresh => {
                    return Err(ClientError::NotDone);
                }
                // At the first try, a clock that was set makes the click's time unacceptable.
                Some(Code::StepUpRequired | Code::InvalidProof) if proof.is_some() => return self.confirm().await,
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
            let request = FrameRequest::Sign(Box::new(request));
            match self.entry.level {
                Level::Signed => self.tab.sign_and_send(session, self.entry.path, request).await,
                Level::Interaction | Level::Confirmed | Level::Attested => match self.tab.sign(request).await {
                    Ok(signed) => self.tab.send_once(session, self.entry.path, nonce, signed).await,
                    Err(error) => self.tab.apply_reply(session, Err(error)).await,
                },
            }
        };
        self.tab.session.show_progress(work).await
    }

    /// Has the user confirm in a window, and sends. Never sends twice: the user confirmed once.
    async fn confirm(&self) -> Result<Reply, ClientError> {
        let window = PendingConfirmation::open(&self.tab.confirmation).await?;
        let (session, path, body) = (self.session, self.entry.path, self.body.clone());
        let taken = Cell::new(None);
        let request = async {
            if path != RestoreBrowser::PATH {
                taken.set(Some(self.tab.nonce(session, CONFIRMATION_MAX_AGE).await?));
            }
            Ok(ToWindow { session, path: path.to_owned(), body: body.clone(), nonce: taken.get() })
        };
        let headers = match window.sign(request).await {
            Ok(headers) => headers,
            Err(error) => {
                // Without a confirmation key only signing in again helps: the page offers that.
                self.tab.apply_error(session, &error).await;
                return Err(error);
            }
        };
        let sending = async {
            let signed = SignedRequest { body: self.body.clone(), headers };
            let reply = self.tab.send_once(session, path, taken.get(), signed).await?;
            match taken.get() {
                // Too late, or the server has lost its memory meanwhile: it knows which.
                Some(nonce) if reply.rejection() == Some(Code::UseFreshNonce) => {
                    self.tab.nonces.clear();
                    self.tab.outcome(session, nonce).await
                }
                _ => Ok(reply),
            }
        };
        self.tab.session.show_progress(sending).await
    }
}
