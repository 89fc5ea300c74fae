//! [`SignedClient`]: the client of server functions.
//!
//! `#[server(client = SignedClient, input = Json, output = Json, …)]` is all that a server function says. What the catalogue
//! lists is signed at the level that the catalogue asks, and confirmed in a window that opens by itself where that is asked;
//! everything else is sent as it is, and the server refuses it unless it was declared public.

use std::rc::Rc;

use actions::CATALOGUE;
use futures::{Sink, Stream, sink, stream};
use leptos::server_fn::{
    Bytes, client::Client, error::FromServerFnError as _, request::ClientReq, response::ClientRes,
};
use protocol::{
    action::{Action, ActionEntry, Level},
    built_in::{self, RestoreBrowser},
    message::{FrameRequest, SignRequest, ToWindow},
    problem::Code,
    proof::Proof,
    token::SessionHandle,
};
use send_wrapper::SendWrapper;

use super::{
    Tab,
    confirmation::Opened,
    fetch::{self, Reply},
    nonces::{LIFE, TO_CONFIRM},
    now,
    signed_request::Signed,
};
use crate::error::AppError;

/// The client of server functions.
#[derive(Debug)]
pub struct SignedClient;

/// A request: JSON, by POST.
#[derive(Debug)]
pub struct Request {
    path: String,
    body: String,
}

/// A reply of the application.
#[derive(Debug)]
pub struct Response {
    status: u16,
    body: Bytes,
}

impl Client<AppError> for SignedClient {
    type Request = Request;
    type Response = Response;

    fn send(request: Request) -> impl Future<Output = Result<Response, AppError>> + Send {
        // The browser has one thread; on the server nothing calls this.
        SendWrapper::new(async move {
            let tab = Tab::get()?;
            let reply = match CATALOGUE.at(&request.path) {
                Some(entry) => {
                    let session = tab.session.handle().ok_or_else(|| tab.session.absence())?;
                    Call { tab: Rc::clone(&tab), session, entry, body: request.body }.make().await?
                }
                None => tab.session.busy_while(fetch::post(&request.path, &request.body, &[])).await?,
            };
            application(reply)
        })
    }

    async fn open_websocket(
        _path: &str,
    ) -> Result<(impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static, impl Sink<Bytes> + Send + 'static), AppError>
    {
        Err::<(stream::Empty<_>, sink::Drain<_>), _>(AppError::Encoding)
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        wasm_bindgen_futures::spawn_local(work);
    }
}

/// The reply of the application; what PAN or something on the way said instead is a fault.
pub(super) fn application(reply: Reply) -> Result<Response, AppError> {
    if let Some(problem) = reply.problem() {
        return Err(problem.into());
    }
    let failed = reply.status >= 400;
    if failed && serde_json::from_slice::<AppError>(&reply.body).is_err() {
        return Err(AppError::of_status(reply.status, reply.retry_after));
    }
    Ok(Response { status: reply.status, body: reply.body })
}

impl Response {
    /// Nothing, unless the application refuses.
    pub(super) fn accepted(self) -> Result<(), AppError> {
        if self.status >= 400 { Err(AppError::de(self.body)) } else { Ok(()) }
    }
}

/// One call of a protected action.
pub(super) struct Call {
    pub(super) tab: Rc<Tab>,
    pub(super) session: SessionHandle,
    pub(super) entry: &'static ActionEntry,
    pub(super) body: String,
}

impl Call {
    /// Signs and sends; answers what can be answered without the person having to try again.
    pub(super) async fn make(&self) -> Result<Reply, AppError> {
        // Taken first: an interaction is good for this call or for none.
        let proof = match self.entry.level {
            Level::Interaction => self.tab.tracker.take(self.entry.name, now()),
            Level::Signed | Level::Confirmed => None,
        };
        let is_confirmed = match self.entry.level {
            Level::Signed => false,
            // Without evidence of an interaction a person must confirm.
            Level::Interaction => proof.is_none(),
            Level::Confirmed => true,
        };
        if is_confirmed {
            // Nothing was awaited since the click: later the browser may block the window.
            return self.confirm(Opened::open(&self.tab).await?).await;
        }
        let mut may_refresh = true;
        loop {
            let reply = self.sign(proof.clone()).await?;
            match reply.refusal() {
                Some(Code::UseFreshNonce) if may_refresh => {
                    may_refresh = false;
                    self.tab.nonces.clear();
                }
                Some(Code::StepUpRequired) if proof.is_some() => {
                    return self.confirm(Opened::open(&self.tab).await?).await;
                }
                _ => return Ok(reply),
            }
        }
    }

    /// Has the frame sign, and sends.
    async fn sign(&self, proof: Option<Proof>) -> Result<Reply, AppError> {
        let (session, path, body) = (self.session, self.entry.path.to_owned(), self.body.clone());
        let work = async {
            let nonce = match self.entry.path {
                built_in::Nonces::PATH => None,
                _ => Some(self.tab.nonce(session, LIFE).await?),
            };
            let order = SignRequest { session, path, body, level: self.entry.level, nonce, proof };
            self.tab.exchange(session, self.entry.path, FrameRequest::Sign(Box::new(order))).await
        };
        self.tab.session.busy_while(work).await
    }

    /// Has the user confirm, and sends. Never twice: the user confirmed once.
    async fn confirm(&self, opened: Opened) -> Result<Reply, AppError> {
        let (session, path, body) = (self.session, self.entry.path, self.body.clone());
        let order = async {
            let nonce = match path {
                RestoreBrowser::PATH => None,
                _ => Some(self.tab.nonce(session, TO_CONFIRM).await?),
            };
            Ok(ToWindow { session, path: path.to_owned(), body: body.clone(), nonce })
        };
        let headers = match opened.sign(order).await {
            Ok(headers) => headers,
            Err(error) => {
                // Without a confirmation key only signing in again helps: the page offers it.
                self.tab.heed_fault(session, &error).await;
                return Err(error);
            }
        };
        let sending = self.tab.send(session, path, Signed { body: self.body.clone(), headers });
        let reply = self.tab.session.busy_while(sending).await?;
        if reply.refusal() == Some(Code::UseFreshNonce) {
            // The browser may have sent it twice, and this is the reply to the second one.
            self.tab.nonces.clear();
            return Err(AppError::Unsure);
        }
        Ok(reply)
    }
}

impl ClientReq<AppError> for Request {
    type FormData = ();

    fn try_new_req_text(path: &str, kind: &str, _: &str, body: String, method: http::Method) -> Result<Self, AppError> {
        let is_json_post = method == http::Method::POST && kind == "application/json";
        is_json_post.then(|| Self { path: path.to_owned(), body }).ok_or(AppError::Encoding)
    }

    fn try_new_req_bytes(
        path: &str,
        kind: &str,
        accepts: &str,
        body: Bytes,
        method: http::Method,
    ) -> Result<Self, AppError> {
        let text = String::from_utf8(body.into()).map_err(|_| AppError::Encoding)?;
        Self::try_new_req_text(path, kind, accepts, text, method)
    }

    fn try_new_req_query(_: &str, _: &str, _: &str, _: &str, _: http::Method) -> Result<Self, AppError> {
        Err(AppError::Encoding)
    }

    fn try_new_req_form_data(_: &str, _: &str, _: &str, (): (), _: http::Method) -> Result<Self, AppError> {
        Err(AppError::Encoding)
    }

    fn try_new_req_multipart(_: &str, _: &str, (): (), _: http::Method) -> Result<Self, AppError> {
        Err(AppError::Encoding)
    }

    fn try_new_req_streaming(
        _: &str,
        _: &str,
        _: &str,
        _: impl Stream<Item = Bytes> + Send + 'static,
        _: http::Method,
    ) -> Result<Self, AppError> {
        Err(AppError::Encoding)
    }
}

impl ClientRes<AppError> for Response {
    async fn try_into_string(self) -> Result<String, AppError> {
        String::from_utf8(self.body.into()).map_err(|_| AppError::Malformed)
    }

    async fn try_into_bytes(self) -> Result<Bytes, AppError> {
        Ok(self.body)
    }

    fn try_into_stream(self) -> Result<impl Stream<Item = Result<Bytes, Bytes>> + Send + Sync + 'static, AppError> {
        Err::<stream::Empty<_>, _>(AppError::Encoding)
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn status_text(&self) -> String {
        String::new()
    }

    fn location(&self) -> String {
        String::new()
    }

    fn has_redirect(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_over_post_is_a_request() {
        let new = |kind, method| Request::try_new_req_text("/api/x", kind, "", "{}".into(), method);
        assert!(new("application/json", http::Method::POST).is_ok());
        assert_eq!(new("application/json", http::Method::PUT).err(), Some(AppError::Encoding));
        assert_eq!(new("application/x-www-form-urlencoded", http::Method::POST).err(), Some(AppError::Encoding));
        assert_eq!(Request::try_new_req_query("/api/x", "", "", "", http::Method::GET).err(), Some(AppError::Encoding));
    }
}
