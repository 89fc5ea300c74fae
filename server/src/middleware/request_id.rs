//! The request id: correlates a response with the server's log.

use axum::extract::Request;
use http::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};

use crate::random::random;

/// The header of the id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Removes a request ID that the client sent: it could be the ID of another client's request.
pub(crate) fn remove(mut request: Request) -> std::future::Ready<Request> {
    request.headers_mut().remove(REQUEST_ID);
    std::future::ready(request)
}

/// 64 random bits in hexadecimal digits. Without randomness a request has no id.
#[derive(Clone, Copy)]
pub(crate) struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _request: &http::Request<B>) -> Option<RequestId> {
        let id = u64::from_be_bytes(random().ok()?);
        HeaderValue::from_str(&format!("{id:016x}")).ok().map(RequestId::new)
    }
}
