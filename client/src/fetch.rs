//! One POST of JSON, and its response: whole, or as a stream.

use gloo_timers::callback::Timeout;
use js_sys::{Reflect, Uint8Array};
use leptos::server_fn::Bytes;
use protocol::{
    message::header,
    problem::{self, Code, Problem},
    token::Nonce,
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Headers, ReadableStream, RequestCache, RequestInit, RequestRedirect, Response,
};

use crate::error::ClientError;

/// How long the server may take to answer: ms.
const TIMEOUT: u32 = 30_000;

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// The nonces in its header.
    pub(crate) nonces: Vec<Nonce>,
    /// `Retry-After` in seconds.
    pub(crate) retry_after: Option<u64>,
    is_problem: bool,
}

impl Reply {
    /// A response that the server has recorded.
    pub(crate) fn recorded(status: u16, body: String, is_problem: bool) -> Self {
        Self { status, body: body.into_bytes().into(), nonces: Vec::new(), retry_after: None, is_problem }
    }

    /// The problem document, if PAN rejected the request.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.is_problem.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The code of the problem document, if PAN rejected the request.
    pub(crate) fn rejection(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// Whether the request lacked the device's proof. A session may also get its device a moment after signing in.
    pub(crate) fn lacks_device_proof(&self) -> bool {
        matches!(self.rejection(), Some(Code::DeviceProofRequired | Code::DeviceBindingRequired))
    }

    /// Checks that the request succeeded.
    ///
    /// # Errors
    /// The rejection of PAN, or the error of a proxy.
    pub(crate) fn into_success(self) -> Result<Self, ClientError> {
        match self.problem() {
            Some(problem) => Err(problem.into()),
            None if self.status >= 400 => Err(ClientError::from_status(self.status, self.retry_after)),
            None => Ok(self),
        }
    }
}

/// A response whose body is a stream.
pub(crate) struct StreamingReply {
    /// The response without its body.
    pub(crate) reply: Reply,
    pub(crate) body: ReadableStream,
}

/// Posts `body` to `path` of the page's own origin.
///
/// # Errors
/// [`ClientError::Unreachable`] when no response came.
pub(crate) async fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Reply, ClientError> {
    let timeout = AbortSignal::timeout_with_u32(TIMEOUT);
    let reply = async { read(&fetch(path, body, headers, &timeout).await?).await };
    reply.await.map_err(unreachable)
}

/// Posts `body` to `path` of the page's own origin, for a response that streams. The timeout ends with its headers.
///
/// # Errors
/// [`ClientError::Unreachable`] when no response came; otherwise the rejection.
pub(crate) async fn post_for_stream(
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> Result<StreamingReply, ClientError> {
    let control = AbortController::new().map_err(unreachable)?;
    let aborted = control.clone();
    let timeout = Timeout::new(TIMEOUT, move || aborted.abort());
    let response = fetch(path, body, headers, &control.signal()).await.map_err(unreachable)?;
    drop(timeout);
    if !response.ok() {
        let reply = read(&response).await.map_err(unreachable)?;
        return Err(reply.into_success().err().unwrap_or(ClientError::Malformed));
    }
    let body = response.body().ok_or(ClientError::Unreachable)?;
    Ok(StreamingReply { reply: head(&response), body })
}

/// Gets the text of a page of the page's own origin.
///
/// # Errors
/// When no response came.
pub(crate) async fn get(url: &str) -> Result<String, JsValue> {
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response = JsFuture::from(window.fetch_with_str_and_init(url, &RequestInit::new())).await?.unchecked_into();
    Ok(String::from_utf8_lossy(&read(&response).await?.body).into_owned())
}

/// The version of HTTP that this page was loaded by, as ALPN names it (RFC 7301), if the browser exposes it.
pub(crate) fn http_version() -> Option<String> {
    let entries = web_sys::window()?.performance()?.get_entries_by_type("navigation");
    Reflect::get(&entries.get(0), &"nextHopProtocol".into()).ok()?.as_string()
}

async fn fetch(path: &str, body: &str, headers: &[(&str, &str)], signal: &AbortSignal) -> Result<Response, JsValue> {
    let sent = Headers::new()?;
    sent.set("content-type", "application/json")?;
    sent.set("accept", "application/json")?;
    for (name, value) in headers {
        sent.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&JsValue::from_str(body));
    init.set_headers(&sent);
    init.set_cache(RequestCache::NoStore);
    // PAN never redirects; following a redirect would send the signature elsewhere.
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(signal));
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    JsFuture::from(window.fetch_with_str_and_init(path, &init)).await?.dyn_into()
}

/// A response without its body.
fn head(response: &Response) -> Reply {
    let received = response.headers();
    let text = |name| received.get(name).ok().flatten().unwrap_or_default();
    Reply {
        status: response.status(),
        body: Bytes::new(),
        nonces: text(header::NONCE).split(", ").filter_map(|nonce| Nonce::parse(nonce).ok()).collect(),
        retry_after: text("retry-after").parse().ok(),
        is_problem: text("content-type").starts_with(problem::CONTENT_TYPE),
    }
}

async fn read(response: &Response) -> Result<Reply, JsValue> {
    let bytes = JsFuture::from(response.array_buffer()?).await?;
    Ok(Reply { body: Uint8Array::new(&bytes).to_vec().into(), ..head(response) })
}

fn unreachable(_: JsValue) -> ClientError {
    ClientError::Unreachable
}
