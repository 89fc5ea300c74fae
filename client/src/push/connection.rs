//! One push connection: an event stream that is the response to a signed request, or a WebSocket whose first message is such
//! a request. Both carry the same signed messages.

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

use super::sse::Parser;
use crate::{
    connection_state::Transport,
    error::ClientError,
    fetch::{self, StreamingReply},
    nonce_pool::MAX_AGE,
    signed_request::SignedRequest,
    tab::Tab,
};

/// The messages of a connection, as they arrive. It ends when the connection does; dropping it closes the connection.
pub(super) type Messages = Pin<Box<dyn Stream<Item = String>>>;

/// Opens a connection whose key is agreed.
pub(super) async fn open(tab: &Tab, session: SessionHandle, transport: Transport) -> Result<Messages, ClientError> {
    let nonce = tab.nonce(session, MAX_AGE).await?;
    let signed = tab.sign(FrameRequest::Open { nonce, after: tab.subscribers.resume_after(session) }).await?;
    match transport {
        Transport::Stream => event_stream(tab, session, &signed).await,
        Transport::Socket => socket(signed).await,
    }
}

async fn event_stream(tab: &Tab, session: SessionHandle, signed: &SignedRequest) -> Result<Messages, ClientError> {
    let opened = fetch::post_for_stream(PushStream::PATH, &signed.body, &signed.headers.each()).await;
    let (reply, body) = match opened {
        Ok(StreamingReply { reply, body }) => (Ok(reply), Some(body)),
        Err(error) => (Err(error), None),
    };
    tab.apply_reply(session, reply).await?;
    let bytes = ReadableStream::from_raw(body.ok_or(ClientError::Unreachable)?)
        .try_into_stream()
        .map_err(|_| ClientError::Unreachable)?;
    let messages = bytes
        .map(|chunk| chunk.unwrap_or(JsValue::NULL))
        // A read error ends the stream, as does anything that is not an event stream.
        .scan(Parser::default(), |parser, chunk| {
            let bytes = js_sys::Uint8Array::new(&chunk).to_vec();
            let complete = if chunk.is_null() { None } else { parser.push(&bytes).ok() };
            std::future::ready(complete.map(stream::iter))
        })
        .flatten();
    Ok(Box::pin(messages))
}

async fn socket(SignedRequest { body, headers }: SignedRequest) -> Result<Messages, ClientError> {
    let hello = serde_json::to_string(&Hello { headers: headers.signed, body }).map_err(|_| ClientError::Malformed)?;
    let origin = window().location().origin().map_err(|_| ClientError::Unreachable)?;
    // http becomes ws, https becomes wss.
    let url = format!("{}{SOCKET}", origin.replacen("http", "ws", 1));
    let mut socket = WebSocket::open(&url).map_err(|_| ClientError::Unreachable)?;
    socket.send(Message::Text(hello)).await.map_err(|_| ClientError::Unreachable)?;
    let messages = socket
        .map(|message| match message {
            Ok(Message::Text(text)) => Some(text),
            Ok(Message::Bytes(_)) | Err(_) => None,
        })
        .take_while(|text| std::future::ready(text.is_some()))
        .filter_map(std::future::ready);
    Ok(Box::pin(messages))
}
