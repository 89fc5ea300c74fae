//! Hearing pushed frames (PROTOCOL.md §9): agrees their keys, writes the request for their connection, and lets through
//! what is signed, new, next and for this connection.
//!
//! Keys are agreed with the frame's own origin, by the frame's own requests. The page carries what is pushed, and could alter
//! it all; it gets no key, and no text that the server has not signed.

use protocol::{
    action::{Action, Level},
    built_in::{PushKeys, PushStream, push},
    key::PublicKey,
    message::{Answer, Refusal, SignRequest, SignedHeaders},
    push::{AgreedKey, ConnectionId, Cursor, Envelope, KeyId, PushVerifier, Rejected},
    token::{Nonce, SessionHandle},
};
use web_sys::CryptoKey;

use super::{
    Frame,
    ecdh::{EphemeralKey, holds},
    request::sign_for,
};
use crate::{http, keys::random};

/// The one connection that this page has, or is about to have.
pub(crate) struct Listening {
    session: SessionHandle,
    inbox: PushVerifier<CryptoKey>,
    /// The first key that was agreed, and our point of it, until the connection is asked for: once.
    first: Option<(KeyId, PublicKey)>,
    /// Why a frame was not believed, until the server has heard of it.
    rejected: Option<Rejected>,
}

/// Whether a page's request is one that only the frame writes.
pub(crate) fn is_ours(path: &str) -> bool {
    push::ACTIONS.iter().any(|entry| entry.path == path)
}

/// Agrees a key with the frame's own origin.
pub(crate) async fn agree(frame: &Frame, session: SessionHandle, nonce: Nonce, renew: bool) -> Result<Answer, Refusal> {
    let ephemeral_key = EphemeralKey::generate().await.map_err(|_| Refusal::NoConnection)?;
    let open = frame.listening.borrow().as_ref().filter(|open| open.session == session).map(|open| open.inbox.conn());
    let conn = if renew { open } else { random().map(ConnectionId::new).ok() }.ok_or(Refusal::NoConnection)?;
    if !renew {
        let mut listening = frame.listening.borrow_mut();
        let rejected = listening.take().and_then(|before| before.rejected);
        let inbox = PushVerifier::new(conn, frame.tolerance);
        *listening = Some(Listening { session, inbox, first: None, rejected });
    }

    let body = serde_json::to_string(&PushKeys { key: ephemeral_key.point, conn }).map_err(|_| Refusal::Malformed)?;
    let (body, headers) = write(frame, session, nonce, PushKeys::PATH, body, &frame.sign_authority).await?;
    let reply = http::post(PushKeys::PATH, &body, &headers.each()).await?;
    let agreed: AgreedKey = reply.read()?;
    let key = ephemeral_key.derive(&session, &conn, &agreed).await.map_err(|_| Refusal::Malformed)?;

    let mut listening = frame.listening.borrow_mut();
    let listening = listening.as_mut().filter(|listening| listening.inbox.conn() == conn);
    let listening = listening.ok_or(Refusal::NoConnection)?;
    listening.inbox.add_key(agreed.kid.clone(), key, agreed.expires_at);
    listening.first = Some((agreed.kid, ephemeral_key.point));
    Ok(Answer::Agreed { nonces: reply.nonces })
}

/// Writes and signs the request for the connection that has a key.
pub(crate) async fn open(frame: &Frame, nonce: Nonce, after: Option<Cursor>) -> Result<Answer, Refusal> {
    let (session, request) = {
        let mut listening = frame.listening.borrow_mut();
        let listening = listening.as_mut().ok_or(Refusal::NoConnection)?;
        // Never twice: frames are numbered from 1 under one key only once.
        let (kid, key) =
            listening.first.take().filter(|_| !listening.inbox.has_heard()).ok_or(Refusal::NoConnection)?;
        let conn = listening.inbox.conn();
        (listening.session, PushStream { conn, kid, key, after, rejected: listening.rejected })
    };
    let body = serde_json::to_string(&request).map_err(|_| Refusal::Malformed)?;
    let (body, headers) = write(frame, session, nonce, PushStream::PATH, body, frame.app_authority()).await?;
    Ok(Answer::Written { body, headers })
}

/// Verifies the next frame.
pub(crate) async fn hear(frame: &Frame, text: &str) -> Result<Answer, Refusal> {
    let now = frame.clock.server_now().await?;
    let verdict = verify(frame, text, now).await;
    verdict.map(|payload| Answer::Heard { payload }).map_err(|rejected| {
        if let Some(listening) = frame.listening.borrow_mut().as_mut() {
            listening.rejected.get_or_insert(rejected);
        }
        Refusal::Rejected
    })
}

async fn verify(frame: &Frame, text: &str, now: u64) -> Result<String, Rejected> {
    let envelope = Envelope::parse(text).map_err(|_| Rejected::Malformed)?;
    let key = {
        let listening = frame.listening.borrow();
        let inbox = listening.as_ref().map(|listening| &listening.inbox).ok_or(Rejected::UnknownKey)?;
        inbox.judge(&envelope, now)?.clone()
    };
    if !holds(&key, &envelope.sig, &envelope.message()).await.unwrap_or(false) {
        return Err(Rejected::BadMac);
    }
    let mut listening = frame.listening.borrow_mut();
    let listening = listening.as_mut().ok_or(Rejected::UnknownKey)?;
    listening.inbox.accept(&envelope, now)?;
    // The server has heard of it: this connection was asked for with it.
    listening.rejected = None;
    Ok(envelope.payload.to_owned())
}

/// Signs a request that the frame has written itself.
async fn write(
    frame: &Frame,
    session: SessionHandle,
    nonce: Nonce,
    path: &str,
    body: String,
    authority: &str,
) -> Result<(String, SignedHeaders), Refusal> {
    let request =
        SignRequest { session, path: path.to_owned(), body, level: Level::Signed, nonce: Some(nonce), proof: None };
    let headers = sign_for(frame, &request, authority).await?;
    Ok((request.body, headers))
}
