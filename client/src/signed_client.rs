//! [`SignedClient`]: the client of server functions.
//!
//! `#[server(client = SignedClient, input = Json, output = Json, …)]` is all that a server function needs. What the catalogue
//! lists is signed at the catalogue's level, and confirmed in a window that opens by itself where the level requires it.
//! Everything else is sent unsigned, and the server rejects it unless it was declared public.

use std::rc::Rc;

use futures::{Sink, Stream, future::LocalBoxFuture, sink, stream};
use leptos::server_fn::{Bytes, client::Client, error::FromServerFnError, request::ClientReq, response::ClientRes};
use send_wrapper::SendWrapper;

use crate::{
    call::Call,
    error::ClientError,
    fetch::{self, Reply},
    response::Response,
    tab::Tab,
};

/// The client of server functions.
#[derive(Debug)]
pub struct SignedClient;

/// A request: JSON, by POST.
#[derive(Debug)]
pub struct Request {
    path: String,
    body: String,
}

impl<E: FromServerFnError + From<ClientError>> Client<E> for SignedClient {
    type Request = Request;
    type Response = Response;

    fn send(request: Request) -> impl Future<Output = Result<Response, E>> + Send {
        // The browser has one thread, and the server never calls this.
        SendWrapper::new(async move {
            let reply = send(request).await?;
            Ok(Response::from_reply::<E>(reply)?)
        })
    }

    async fn open_websocket(
        _path: &str,
    ) -> Result<(impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static, impl Sink<Bytes> + Send + 'static), E> {
        Err::<(stream::Empty<_>, sink::Drain<_>), _>(ClientError::Encoding.into())
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        wasm_bindgen_futures::spawn_local(work);
    }
}

/// Sends a request, signed if the catalogue protects its path. Boxed here, so that it is compiled in this crate only.
#[inline(never)]
fn send(request: Request) -> LocalBoxFuture<'static, Result<Reply, ClientError>> {
    Box::pin(send_request(request))
}

async fn send_request(Request { path, body }: Request) -> Result<Reply, ClientError> {
    let tab = Tab::current()?;
    match tab.protected(&path) {
        Some(entry) => {
            let session = tab.session.handle().ok_or_else(|| tab.session.absence_reason())?;
            Call { tab: Rc::clone(&tab), session, entry, body }.send().await
        }
        None => tab.session.show_progress(fetch::post(&path, &body, &[])).await,
    }
}

impl Request {
    fn new(path: &str, content_type: &str, body: String, method: &http::Method) -> Result<Self, ClientError> {
        let is_json_post = method == http::Method::POST && content_type == "application/json";
        is_json_post.then(|| Self { path: path.to_owned(), body }).ok_or(ClientError::Encoding)
    }
}

impl<E: From<ClientError>> ClientReq<E> for Request {
    type FormData = ();

    fn try_new_req_text(
        path: &str,
        content_type: &str,
        _: &str,
        body: String,
        method: http::Method,
    ) -> Result<Self, E> {
        Ok(Self::new(path, content_type, body, &method)?)
    }

    fn try_new_req_bytes(
        path: &str,
        content_type: &str,
        _: &str,
        body: Bytes,
        method: http::Method,
    ) -> Result<Self, E> {
        let text = String::from_utf8(body.into()).map_err(|_| ClientError::Encoding)?;
        Ok(Self::new(path, content_type, text, &method)?)
    }

    fn try_new_req_query(_: &str, _: &str, _: &str, _: &str, _: http::Method) -> Result<Self, E> {
        Err(ClientError::Encoding.into())
    }

    fn try_new_req_form_data(_: &str, _: &str, _: &str, (): (), _: http::Method) -> Result<Self, E> {
        Err(ClientError::Encoding.into())
    }

    fn try_new_req_multipart(_: &str, _: &str, (): (), _: http::Method) -> Result<Self, E> {
        Err(ClientError::Encoding.into())
    }

    fn try_new_req_streaming(
        _: &str,
        _: &str,
        _: &str,
        _: impl Stream<Item = Bytes> + Send + 'static,
        _: http::Method,
    ) -> Result<Self, E> {
        Err(ClientError::Encoding.into())
    }
}

impl<E: From<ClientError>> ClientRes<E> for Response {
    async fn try_into_string(self) -> Result<String, E> {
        Ok(String::from_utf8(self.body.into()).map_err(|_| ClientError::Malformed)?)
    }

    async fn try_into_bytes(self) -> Result<Bytes, E> {
        Ok(self.body)
    }

    fn try_into_stream(self) -> Result<impl Stream<Item = Result<Bytes, Bytes>> + Send + Sync + 'static, E> {
        Err::<stream::Empty<_>, _>(ClientError::Encoding.into())
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
    fn request_other_than_json_post_is_an_error() {
        let new = |kind, method| -> Result<_, ClientError> {
            Request::try_new_req_text("/api/x", kind, "", "{}".into(), method)
        };
        assert!(new("application/json", http::Method::POST).is_ok());
        assert_eq!(new("application/json", http::Method::PUT).err(), Some(ClientError::Encoding));
        assert_eq!(new("application/x-www-form-urlencoded", http::Method::POST).err(), Some(ClientError::Encoding));
        let query: Result<Request, ClientError> = Request::try_new_req_query("/api/x", "", "", "", http::Method::GET);
        assert_eq!(query.err(), Some(ClientError::Encoding));
    }
}
