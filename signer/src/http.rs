//! HTTP requests to the sign origin.

use js_sys::Promise;
use protocol::{
    json,
    message::{FrameRejection, WindowRejection, header},
    problem::{Code, Problem},
    token::Nonce,
};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestMode, RequestRedirect, Response};

use crate::{moment::Moment, wait::within};

/// The request timeout, in ms.
const TIMEOUT: u16 = 20_000;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// No response arrived, or one that is not from this server.
    Unreachable,
    /// The browser did not sign what the request needs.
    NoSignature,
    /// The server rejected the request.
    Rejected(Box<Problem>),
}

impl From<HttpError> for FrameRejection {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable => Self::Unreachable,
            HttpError::NoSignature => Self::SigningFailed,
            HttpError::Rejected(problem) => Self::OriginRejected(problem.code),
        }
    }
}

impl From<HttpError> for WindowRejection {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Rejected(problem) if problem.code == Code::InvalidSession => Self::NoKey,
            _ => Self::Unreachable,
        }
    }
}

/// A response and its timing.
pub(crate) struct Exchange {
    body: String,
    /// The nonces in the response's headers.
    pub(crate) nonces: Vec<Nonce>,
    /// When the request was sent.
    pub(crate) sent: Moment,
    /// When the response's headers arrived.
    pub(crate) received: Moment,
}

impl Exchange {
    /// Parses the response's body.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        json::read(self.body.as_bytes()).map_err(|_| HttpError::Unreachable)
    }
}

/// Sends a GET request.
pub(crate) async fn get(path: &str) -> Result<Exchange, HttpError> {
    exchange(path, &RequestInit::new()).await
}

/// Sends a POST request with a JSON body and additional headers.
pub(crate) async fn post(path: &str, json: &str, more: &[(&str, &str)]) -> Result<Exchange, HttpError> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body_opt_str(Some(json));
    let headers = Headers::new().map_err(unreachable)?;
    for (name, value) in [&[("content-type", "application/json")], more].concat() {
        headers.set(name, value).map_err(unreachable)?;
    }
    init.set_headers_headers(&headers);
    exchange(path, &init).await
}

async fn exchange(path: &str, init: &RequestInit) -> Result<Exchange, HttpError> {
    init.set_mode(RequestMode::SameOrigin);
    init.set_redirect(RequestRedirect::Error);
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT.into())));
    let window = web_sys::window().ok_or(HttpError::Unreachable)?;
    let sent = Moment::now();
    let response: Response = done(window.fetch_with_str_and_init(path, init)).await?.unchecked_into();
    let received = Moment::now();
    let body = done(response.text().map_err(unreachable)?).await?.as_string().unwrap_or_default();
    if response.ok() {
        let nonces = response.headers().get(header::NONCE).ok().flatten().unwrap_or_default();
        // Splitting at ", " would add 3 KB to the frame.
        let nonces = nonces.split(',').filter_map(|nonce| Nonce::parse(nonce.trim_start_matches(' ')).ok()).collect();
        return Ok(Exchange { body, nonces, sent, received });
    }
    let problem = json::read::<Problem>(body.as_bytes());
    Err(HttpError::Rejected(Box::new(problem.unwrap_or_else(|_| Code::Unavailable.into()))))
}

async fn done(promise: Promise) -> Result<JsValue, HttpError> {
    // Also without the signal: extensions replace `fetch`.
    within(TIMEOUT.into(), &promise).await.map_err(unreachable)
}

fn unreachable(_error: JsValue) -> HttpError {
    HttpError::Unreachable
}
