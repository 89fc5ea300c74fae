//! One POST of JSON, and its reply, whole or as it comes.

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

use crate::error::AppError;

/// How long the server may take to answer: ms.
const PATIENCE: u32 = 30_000;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The nonces that it brought.
    pub nonces: Vec<Nonce>,
    /// What `Retry-After` said: seconds.
    pub retry_after: Option<u64>,
    problem: bool,
}

impl Reply {
    /// The problem document, if PAN refused.
    pub fn problem(&self) -> Option<Problem> {
        self.problem.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The code of the refusal, if PAN refused.
    pub fn refusal(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// The same, unless it is a refusal.
    ///
    /// # Errors
    /// What PAN, or something on the way, said instead.
    pub fn accepted(self) -> Result<Self, AppError> {
        match self.problem() {
            Some(problem) => Err(problem.into()),
            None if self.status >= 400 => Err(AppError::of_status(self.status, self.retry_after)),
            None => Ok(self),
        }
    }
}

/// A reply that goes on.
pub struct Streaming {
    /// Its head; and its whole body, if it does not go on because it is a refusal.
    pub reply: Reply,
    /// What comes.
    pub body: ReadableStream,
}

/// Posts `body` to `path` of the page's own origin.
///
/// # Errors
/// [`AppError::ServerAway`] when no reply came.
pub async fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Reply, AppError> {
    let patience = AbortSignal::timeout_with_u32(PATIENCE);
    let reply = async { read(&fetch(path, body, headers, &patience).await?).await };
    reply.await.map_err(unreachable)
}

/// Posts `body` to `path` of the page's own origin, for a reply that goes on. Only its head must come soon.
///
/// # Errors
/// [`AppError::ServerAway`] when no reply came; what a refusal says.
pub async fn open(path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Streaming, AppError> {
    let control = AbortController::new().map_err(unreachable)?;
    let give_up = control.clone();
    let patience = Timeout::new(PATIENCE, move || give_up.abort());
    let response = fetch(path, body, headers, &control.signal()).await.map_err(unreachable)?;
    drop(patience);
    if !response.ok() {
        let reply = read(&response).await.map_err(unreachable)?;
        return Err(reply.accepted().err().unwrap_or(AppError::Malformed));
    }
    let body = response.body().ok_or(AppError::ServerAway)?;
    Ok(Streaming { reply: head(&response), body })
}

/// The version of HTTP that this page came by, as ALPN names it (RFC 7301), if the browser tells.
pub fn http_version() -> Option<String> {
    let entries = web_sys::window()?.performance()?.get_entries_by_type("navigation");
    Reflect::get(&entries.get(0), &"nextHopProtocol".into()).ok()?.as_string()
}

async fn fetch(path: &str, body: &str, headers: &[(&str, &str)], until: &AbortSignal) -> Result<Response, JsValue> {
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
    // Nothing that PAN answers is a redirect; following one would send the signature elsewhere.
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(until));
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    JsFuture::from(window.fetch_with_str_and_init(path, &init)).await?.dyn_into()
}

/// All of a response but its body.
fn head(response: &Response) -> Reply {
    let received = response.headers();
    let text = |name| received.get(name).ok().flatten().unwrap_or_default();
    Reply {
        status: response.status(),
        body: Bytes::new(),
        nonces: text(header::NONCE).split(", ").filter_map(|nonce| Nonce::parse(nonce).ok()).collect(),
        retry_after: text("retry-after").parse().ok(),
        problem: text("content-type").starts_with(problem::CONTENT_TYPE),
    }
}

async fn read(response: &Response) -> Result<Reply, JsValue> {
    let bytes = JsFuture::from(response.array_buffer()?).await?;
    Ok(Reply { body: Uint8Array::new(&bytes).to_vec().into(), ..head(response) })
}

fn unreachable(_: JsValue) -> AppError {
    AppError::ServerAway
}
