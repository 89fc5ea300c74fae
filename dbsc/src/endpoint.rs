//! The responses of the endpoints.
//!
//! The status decides what the browser does with its session (measured with Chromium 156): it keeps it after 5xx, asks
//! again after 403 with a challenge, and deletes it after any other 4xx, 429 included.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::{
    dbsc::{Dbsc, Refresh},
    error::{Error, Rejection},
    header as dbsc_header,
    instructions::Instructions,
    session_id::SessionId,
    store::SessionStore,
};

/// The path of the well-known document.
pub(crate) const WELL_KNOWN: &str = "/.well-known/device-bound-sessions";

/// One of the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Registration,
    Refresh,
    WellKnown,
}

impl<S: SessionStore> Dbsc<S> {
    /// The endpoint at a path.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if path == self.config.registration_path {
            Some(Endpoint::Registration)
        } else if path == self.config.refresh_path {
            Some(Endpoint::Refresh)
        } else if path == WELL_KNOWN && self.config.well_known.is_some() {
            Some(Endpoint::WellKnown)
        } else {
            None
        }
    }

    /// Answers a request to an endpoint.
    pub(crate) async fn respond(&self, endpoint: Endpoint, method: &Method, headers: &HeaderMap) -> Response<String> {
        let allowed = if endpoint == Endpoint::WellKnown { Method::GET } else { Method::POST };
        if method != allowed {
            let mut response = response(StatusCode::METHOD_NOT_ALLOWED, String::new());
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(if allowed == Method::GET { "GET" } else { "POST" }));
            return response;
        }
        match endpoint {
            Endpoint::Registration => self.respond_to_registration(headers).await,
            Endpoint::Refresh => self.respond_to_refresh(headers).await,
            Endpoint::WellKnown => json(&self.config.well_known),
        }
    }

    /// Answers a registration request: 200 with session instructions and the cookie, 400, or 503 if the store fails.
    ///
    /// The [`Rejection`] or the text of the [`crate::StoreError`] is in the extensions of the response.
    pub async fn respond_to_registration(&self, headers: &HeaderMap) -> Response<String> {
        match self.register(headers).await {
            Ok(session) => self.continued(&session),
            Err(error) => failed(error),
        }
    }

    /// Answers a refresh request: 200 with session instructions and a new cookie, or without if the session has ended;
    /// 403 with a challenge; 400; or 503 if the store fails.
    ///
    /// The [`Rejection`] or the text of the [`crate::StoreError`] is in the extensions of the response.
    pub async fn respond_to_refresh(&self, headers: &HeaderMap) -> Response<String> {
        match self.refresh(headers).await {
            Ok(Refresh::Renewed(session)) => self.continued(&session),
            Ok(Refresh::Challenged(session, rejection)) => {
                let mut response = response(StatusCode::FORBIDDEN, String::new());
                response.headers_mut().insert(dbsc_header::CHALLENGE, self.challenge(&session));
                rejection.map(|rejection| response.extensions_mut().insert(rejection));
                response
            }
            Ok(Refresh::Ended(session)) => {
                let mut response = json(&Instructions::end(&session));
                response.extensions_mut().insert(Rejection::UnknownSession);
                response
            }
            Err(error) => failed(error),
        }
    }

    fn continued(&self, session: &SessionId) -> Response<String> {
        let mut response = json(&self.config.instructions(session));
        response.headers_mut().insert(header::SET_COOKIE, self.set_cookie(session));
        response.headers_mut().insert(dbsc_header::CHALLENGE, self.challenge(session));
        response
    }
}

/// The text of a store's error, in the extensions of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFailure(pub String);

fn failed(error: Error) -> Response<String> {
    match error {
        Error::Rejected(rejection) => {
            let mut response = response(StatusCode::BAD_REQUEST, String::new());
            response.extensions_mut().insert(rejection);
            response
        }
        Error::Store(error) => {
            let mut response = response(StatusCode::SERVICE_UNAVAILABLE, String::new());
            response.extensions_mut().insert(StoreFailure(error.to_string()));
            response
        }
    }
}

fn json(content: &impl serde::Serialize) -> Response<String> {
    let mut response = response(StatusCode::OK, serde_json::to_string(content).unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response that is not cached, and not embedded by other sites, which could otherwise measure who is signed in.
fn response(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("same-site"));
    response
}
