//! Requests to the frame's own origin, and to no other.

use js_sys::Promise;
use protocol::{
    json,
    message::Refusal,
    problem::{Code, Problem},
};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestMode, RequestRedirect, Response};

use crate::clock::Moment;

/// How long a reply may take, in ms.
const PATIENCE: u32 = 10_000;

/// A reply, and when it was asked for and came.
pub(crate) struct Exchange {
    body: String,
    /// Just before the request.
    pub(crate) sent: Moment,
    /// When the reply's head had come.
    pub(crate) received: Moment,
}

impl Exchange {
    /// The reply's body.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(self.body.as_bytes()).map_err(|_| Refusal::Unreachable)
    }
}

/// Asks for a resource.
pub(crate) async fn get(path: &str) -> Result<Exchange, Refusal> {
    exchange(path, &RequestInit::new()).await
}

/// Posts JSON.
pub(crate) async fn post(path: &str, json: &str) -> Result<Exchange, Refusal> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body_opt_str(Some(json));
    let headers = Headers::new().map_err(unreachable)?;
    headers.set("content-type", "application/json").map_err(unreachable)?;
    init.set_headers_headers(&headers);
    exchange(path, &init).await
}

async fn exchange(path: &str, init: &RequestInit) -> Result<Exchange, Refusal> {
    init.set_mode(RequestMode::SameOrigin);
    init.set_redirect(RequestRedirect::Error);
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
    let window = web_sys::window().ok_or(Refusal::Unreachable)?;
    let sent = Moment::now();
    let response: Response = done(window.fetch_with_str_and_init(path, init)).await?.unchecked_into();
    let received = Moment::now();
    let body = done(response.text().map_err(unreachable)?).await?.as_string().unwrap_or_default();
    if response.ok() {
        return Ok(Exchange { body, sent, received });
    }
    let code = json::read::<Problem>(body.as_bytes()).map_or(Code::Unavailable, |problem| problem.code);
    Err(Refusal::BindRefused(code))
}

async fn done(promise: Promise) -> Result<JsValue, Refusal> {
    JsFuture::from(promise).await.map_err(unreachable)
}

fn unreachable(_error: JsValue) -> Refusal {
    Refusal::Unreachable
}
