//! The two ways of a frame to the page: an event stream and a WebSocket. The same bytes on both.

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

use super::connection::{CloseReason, MessageStream};
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

/// How long a frame may take to be taken away. Whoever is slower is cut off, and comes back when they can.
const SLOW: Duration = Duration::from_secs(20);

/// How long a socket may take to say hello.
const HELLO: Duration = Duration::from_secs(5);

/// The action that a hello stands for.
static STREAM: ActionEntry = ActionEntry::of::<PushStream>();

/// The longest hello, in bytes.
const MAX_HELLO: usize = 16 * 1024;

/// A connection as an event stream (WHATWG HTML §9.2). A task of its own makes the frames, so that a page that does not
/// read is noticed.
pub(super) fn stream(server: Server, mut outlet: MessageStream) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let over = loop {
            let next = tokio::select! {
                next = outlet.next() => next,
                () = sender.closed() => Err(CloseReason::Gone),
            };
            match next {
                Ok(frame) => match timeout(SLOW, sender.send(format!("data: {frame}\n\n").into())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break CloseReason::Gone,
                    Err(_) => break CloseReason::Slow,
                },
                Err(over) => break over,
            }
        };
        super::note_over(&server, &outlet, over);
    });
    let frames = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|frame| (Ok::<_, Infallible>(frame), receiver))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // A proxy that keeps frames back, or makes others of them, makes them worthless.
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

/// `GET /api/jitterbug/socket`. The upgrade itself proves nothing: the socket is silent until it has said a good hello.
pub(super) async fn socket(State(server): State<Server>, parts: Parts, upgrade: WebSocketUpgrade) -> Response {
    // Browsers let any page open a socket to any host; only the Origin says which page it was.
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
    let close = match timeout(HELLO, socket.recv()).await {
        Ok(Some(Ok(Message::Text(hello)))) => match listen(&server, parts, &hello).await {
            Ok(outlet) => return tell(server, outlet, socket).await,
            Err(close) => close,
        },
        _ => 4400,
    };
    let _ = socket.send(goodbye(close)).await;
}

/// Verifies a hello as if it were a request of its own.
///
/// # Errors
/// The socket's close code.
async fn listen(server: &Server, upgrade: Parts, hello: &Utf8Bytes) -> Result<MessageStream, u16> {
    let mut known = Known::default();
    let (parts, opened) = match as_request(&upgrade, hello) {
        Ok((parts, body)) => {
            let opened = open(server, &parts, body, &mut known).await;
            (parts, opened)
        }
        Err(reason) => (upgrade, Err(reason)),
    };
    match opened {
        Ok(outlet) => Ok(outlet),
        Err(reason) => {
            let close = close_code(&reason);
            // Looked at with its own signature: an owner's hello that comes too late is no theft.
            drop(reject(server, Target::App, &parts, PushStream::NAME, reason, known).await);
            Err(close)
        }
    }
}

async fn open(server: &Server, parts: &Parts, body: String, known: &mut Known) -> Result<MessageStream, Rejection> {
    let accepted = verify_request(server, Target::App, &STREAM, parts, Body::from(body), known).await?;
    super::open(server, &Verified::new(accepted.request)?).await
}

/// The request that a hello stands for: by its path that of a stream, with the upgrade's cookie and origin and its own
/// signature and body.
fn as_request(upgrade: &Parts, hello: &Utf8Bytes) -> Result<(Parts, String), Rejection> {
    let Hello { headers: signed, body } = json::read(hello.as_bytes()).map_err(|_| Rejection::BodyMalformed)?;
    let mut headers = HeaderMap::new();
    for name in [header::COOKIE, header::ORIGIN] {
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

async fn tell(server: Server, mut outlet: MessageStream, mut socket: WebSocket) {
    let over = loop {
        tokio::select! {
            next = outlet.next() => match next {
                Ok(frame) => match timeout(SLOW, socket.send(Message::text(frame))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break CloseReason::Gone,
                    Err(_) => break CloseReason::Slow,
                },
                Err(over) => break over,
            },
            said = socket.recv() => match said {
                // Pings are answered by the library. There is nothing else that a page has to say.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break CloseReason::Gone,
            },
        }
    };
    super::note_over(&server, &outlet, over);
    let code = match over {
        CloseReason::Session => 4401,
        CloseReason::Slow => 4408,
        CloseReason::Key => 4403,
        CloseReason::Gone | CloseReason::Stopping | CloseReason::Lost => 1001,
    };
    let _ = timeout(SLOW, socket.send(goodbye(code))).await;
}

/// Why a hello was refused, as far as the page may know (RFC 6455 §7.4.2).
fn close_code(reason: &Rejection) -> u16 {
    match reason.status() {
        StatusCode::UNAUTHORIZED => 4401,
        StatusCode::TOO_MANY_REQUESTS => 4429,
        StatusCode::SERVICE_UNAVAILABLE => 1013,
        _ => 4400,
    }
}

fn goodbye(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }))
}
