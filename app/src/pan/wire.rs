//! One POST of JSON, and its reply.

use leptos::server_fn::Bytes;
use protocol::{
    message::header,
    problem::{self, Code, Problem},
    token::Nonce,
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestRedirect};

use crate::fault::Fault;

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
}

/// Posts `body` to `path` of the page's own origin.
///
/// # Errors
/// [`Fault::ServerAway`] when no reply came.
pub async fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Reply, Fault> {
    fetch(path, body, headers).await.map_err(|_unreachable| Fault::ServerAway)
}

async fn fetch(path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Reply, JsValue> {
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
    init.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let reply: web_sys::Response = JsFuture::from(window.fetch_with_str_and_init(path, &init)).await?.dyn_into()?;
    let bytes = JsFuture::from(reply.array_buffer()?).await?;
    let received = reply.headers();
    let text = |name| received.get(name).ok().flatten().unwrap_or_default();
    Ok(Reply {
        status: reply.status(),
        body: js_sys::Uint8Array::new(&bytes).to_vec().into(),
        nonces: text(header::NONCE).split(", ").filter_map(|nonce| Nonce::parse(nonce).ok()).collect(),
        retry_after: text("retry-after").parse().ok(),
        problem: text("content-type").starts_with(problem::CONTENT_TYPE),
    })
}
