//! A connection to the server, by either of two ways: an event stream that is the reply to a signed request, or a
//! WebSocket whose first message is such a request. The same frames come on both, and on neither an unsigned one.

use std::pin::Pin;

use futures::{SinkExt, Stream, StreamExt, stream};
use gloo_net::websocket::{Message, futures::WebSocket};
use leptos::prelude::window;
use protocol::{
    action::Action,
    built_in::PushStream,
    message::{FrameRequest, Hello},
    push::SOCKET,
    token::SessionHandle,
};
use wasm_bindgen::JsValue;
use wasm_streams::ReadableStream;

use super::{super::nonces::LIFE, sse::Events};
use crate::{
    error::AppError,
    pan::{
        Tab,
        fetch::{self, Streaming},
        signed_request::Signed,
    },
};

/// How frames come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// An event stream.
    Stream,
    /// A WebSocket.
    Socket,
}

impl Transport {
    /// The one to try first. HTTP/1.1 gives a browser six connections to a server; streams in six tabs would take them
    /// all, so there it is a socket. Later versions carry any number of streams in one connection.
    pub fn first() -> Self {
        if fetch::http_version().is_some_and(|version| version.starts_with("h2") || version.starts_with("h3")) {
            Self::Stream
        } else {
            Self::Socket
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Stream => Self::Socket,
            Self::Socket => Self::Stream,
        }
    }
}

/// The frames of a connection, as they come. It ends when the connection does; dropping it ends the connection.
pub(crate) type Line = Pin<Box<dyn Stream<Item = String>>>;

/// Opens the connection that a key was agreed for.
pub(crate) async fn open(tab: &Tab, session: SessionHandle, transport: Transport) -> Result<Line, AppError> {
    let ask = FrameRequest::Open { nonce: tab.nonce(session, LIFE).await?, after: tab.push.after(session) };
    let signed = tab.sign(ask).await?;
    match transport {
        Transport::Stream => event_stream(tab, session, &signed).await,
        Transport::Socket => socket(signed).await,
    }
}

async fn event_stream(tab: &Tab, session: SessionHandle, signed: &Signed) -> Result<Line, AppError> {
    let opened = fetch::open(PushStream::PATH, &signed.body, &signed.headers.each()).await;
    let (reply, body) = match opened {
        Ok(Streaming { reply, body }) => (Ok(reply), Some(body)),
        Err(error) => (Err(error), None),
    };
    tab.heed(session, reply).await?;
    let bytes = ReadableStream::from_raw(body.ok_or(AppError::ServerAway)?)
        .try_into_stream()
        .map_err(|_| AppError::ServerAway)?;
    let frames = bytes
        .map(|portion| portion.unwrap_or(JsValue::NULL))
        // An error ends the stream, as does what is no event stream.
        .scan(Events::default(), |events, portion| {
            let bytes = js_sys::Uint8Array::new(&portion).to_vec();
            let complete = if portion.is_null() { None } else { events.take(&bytes).ok() };
            std::future::ready(complete.map(stream::iter))
        })
        .flatten();
    Ok(Box::pin(frames))
}

async fn socket(Signed { body, headers }: Signed) -> Result<Line, AppError> {
    let hello = serde_json::to_string(&Hello { headers, body }).map_err(|_| AppError::Malformed)?;
    let origin = window().location().origin().map_err(|_| AppError::ServerAway)?;
    // http becomes ws, https becomes wss.
    let address = format!("{}{SOCKET}", origin.replacen("http", "ws", 1));
    let mut socket = WebSocket::open(&address).map_err(|_| AppError::ServerAway)?;
    socket.send(Message::Text(hello)).await.map_err(|_| AppError::ServerAway)?;
    let texts = socket
        .map(|message| match message {
            Ok(Message::Text(text)) => Some(text),
            Ok(Message::Bytes(_)) | Err(_) => None,
        })
        .take_while(|text| std::future::ready(text.is_some()))
        .filter_map(std::future::ready);
    Ok(Box::pin(texts))
}
