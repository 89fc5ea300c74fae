//! The two transports of push messages: event stream and WebSocket. Both carry the same bytes.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use protocol::{
    action::{Action, ActionEntry, Target},
    built_in::PushStream,
    json,
    message::Hello,
};
use tokio::{sync::mpsc, time::timeout};

use super::{connection::CloseReason, message_stream::MessageStream};
use crate::{
    Server,
    extract::Verified,
    headers::single,
    middleware::{
        theft::Known,
        verification::{reject, verify_request},
    },
    rejection::Rejection,
};

/// Send timeout of a message. The server closes a connection that is slower.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the server waits for the hello of a WebSocket.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The action of a hello.
static STREAM: ActionEntry = ActionEntry::of::<PushStream>();

/// Maximum size of a hello, in bytes.
const MAX_HELLO: usize = 16 * 1024;

/// The response with a connection as an event stream (WHATWG HTML §9.2).
///
/// A separate task produces the messages, so that it can detect a page that does not read.
pub(super) fn stream(server: Server, mut messages: MessageStream) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let reason = loop {
            let next = tokio::select! {
                next = messages.next() => next,
                () = sender.closed() => Err(CloseReason::Disconnected),
            };
            match next {
                Ok(message) => match timeout(SEND_TIMEOUT, sender.send(format!("data: {message}\n\n").into())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break CloseReason::Disconnected,
                    Err(_) => break CloseReason::TooSlow,
                },
                Err(reason) => break reason,
            }
        };
        super::record_close(&server, &messages, reason);
    });
    let events = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|event| (Ok::<_, Infallible>(event), receiver))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Proxies must not buffer, cache or change messages.
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// `GET /api/jitterbug/socket`. The upgrade proves nothing: the server sends messages only after verifying the hello.
pub(super) async fn socket(State(server): State<Server>, parts: Parts, upgrade: WebSocketUpgrade) -> Response {
    // Browsers let any page open a WebSocket to any host; only the Origin header names the page's origin.
    match single(&parts.headers, "origin") {
        Ok(origin) if origin == server.settings().origins.app.as_str() => {}
        _ => return server.reject(PushStream::NAME, Rejection::WrongOrigin),
    }
    upgrade
        .max_message_size(MAX_HELLO)
        .max_frame_size(MAX_HELLO)
        .on_upgrade(async move |socket| converse(server, parts, socket).await)
}

async fn converse(server: Server, parts: Parts, mut socket: WebSocket) {
    let close = match timeout(HELLO_TIMEOUT, socket.recv()).await {
        Ok(Some(Ok(Message::Text(hello)))) => match verify_hello(&server, parts, &hello).await {
            Ok(messages) => return send_messages(server, messages, socket).await,
            Err(close) => close,
        },
        _ => 4400,
    };
    let _ = socket.send(close_message(close)).await;
}

/// Verifies a hello as if it were a request, and opens its connection.
///
/// # Errors
/// The WebSocket's close code.
async fn verify_hello(server: &Server, upgrade: Parts, hello: &Utf8Bytes) -> Result<MessageStream, u16> {
    let mut known = Known::default();
    let (parts, opened) = match as_request(&upgrade, hello) {
        Ok((parts, body)) => {
            let opened = open(server, &parts, body, &mut known).await;
            (parts, opened)
        }
        Err(reason) => (upgrade, Err(reason)),
    };
    match opened {
        Ok(messages) => Ok(messages),
        Err(reason) => {
            let close = close_code(&reason);
            // The theft check uses the hello's signature: a late hello of the session's owner is not a theft.
            drop(reject(server, Target::App, &parts, PushStream::NAME, reason, known).await);
            Err(close)
        }
    }
}

async fn open(server: &Server, parts: &Parts, body: String, known: &mut Known) -> Result<MessageStream, Rejection> {
    let accepted = verify_request(server, Target::App, &STREAM, parts, Body::from(body), known).await?;
    super::open(server, &Verified::new(accepted.request)?).await
}

/// The stream request equivalent to a hello: the upgrade's cookie and origin with the hello's signature and body.
fn as_request(upgrade: &Parts, hello: &Utf8Bytes) -> Result<(Parts, String), Rejection> {
    let Hello { headers: signed, body } = json::read(hello.as_bytes()).map_err(|_| Rejection::BodyMalformed)?;
    let mut headers = HeaderMap::new();
    for name in [header::COOKIE, header::ORIGIN, dbsc::header::SKIPPED] {
        for value in upgrade.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in signed.each() {
        let value = HeaderValue::from_str(value).map_err(|_| Rejection::HeaderMalformed(name))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(PushStream::PATH);
    *request.headers_mut() = headers;
    *request.extensions_mut() = upgrade.extensions.clone();
    Ok((request.into_parts().0, body))
}

async fn send_messages(server: Server, mut messages: MessageStream, mut socket: WebSocket) {
    let reason = loop {
        tokio::select! {
            next = messages.next() => match next {
                Ok(message) => match timeout(SEND_TIMEOUT, socket.send(Message::text(message))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break CloseReason::Disconnected,
                    Err(_) => break CloseReason::TooSlow,
                },
                Err(reason) => break reason,
            },
            received = socket.recv() => match received {
                // The library answers pings. A page sends nothing else.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break CloseReason::Disconnected,
            },
        }
    };
    super::record_close(&server, &messages, reason);
    let code = match reason {
        CloseReason::SessionEnded => 4401,
        CloseReason::TooSlow => 4408,
        CloseReason::KeyExpired => 4403,
        CloseReason::Disconnected | CloseReason::ShuttingDown | CloseReason::EventLogLost => 1001,
    };
    let _ = timeout(SEND_TIMEOUT, socket.send(close_message(code))).await;
}

/// The close code of a rejected hello (RFC 6455 §7.4.2).
fn close_code(reason: &Rejection) -> u16 {
    match reason.status() {
        StatusCode::UNAUTHORIZED => 4401,
        StatusCode::TOO_MANY_REQUESTS => 4429,
        StatusCode::SERVICE_UNAVAILABLE => 1013,
        _ => 4400,
    }
}

fn close_message(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }))
}
