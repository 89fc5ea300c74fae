//! Receives push messages (docs/PROTOCOL.md §9): agrees push keys, writes the request that opens the connection, and
//! accepts only messages that are signed, new, next in sequence and for this connection.
//!
//! The frame agrees keys with the sign origin in its own requests. The page transports the messages and could alter
//! them; it gets no key, and no payload that the server has not signed.

use protocol::{
    action::{Action, Level},
    built_in::{PushKeys, PushStream, push},
    key::PublicKey,
    message::{Answer, FrameRejection, SignRequest, SignedHeaders},
    push::{AgreedKey, ConnectionId, Cursor, Envelope, KeyId, PushRejection, PushVerifier},
    token::{Nonce, SessionHandle},
};
use web_sys::CryptoKey;

use super::{
    Frame,
    ecdh::{EphemeralKey, is_valid},
    request::sign_for,
};
use crate::{http, keys::random};

/// The push connection that this page has, or is about to open.
pub(crate) struct PushConnection {
    session: SessionHandle,
    verifier: PushVerifier<CryptoKey>,
    /// The newest agreed key and the frame's public half of it, until the connection is requested.
    first: Option<(KeyId, PublicKey)>,
    /// Why a message was rejected, until this is reported to the server.
    rejected: Option<PushRejection>,
}

/// Whether only the frame may write requests for this path.
pub(crate) fn is_frame_only(path: &str) -> bool {
    push::ACTIONS.iter().any(|entry| entry.path == path)
}

/// Agrees a push key with the sign origin.
pub(crate) async fn agree(
    frame: &Frame,
    session: SessionHandle,
    nonce: Nonce,
    renew: bool,
) -> Result<Answer, FrameRejection> {
    let ephemeral_key = EphemeralKey::generate().await.map_err(|_| FrameRejection::NoConnection)?;
    let open = frame.push.borrow().as_ref().filter(|open| open.session == session).map(|open| open.verifier.conn());
    let conn = if renew { open } else { random().map(ConnectionId::new).ok() }.ok_or(FrameRejection::NoConnection)?;
    if !renew {
        let mut connection = frame.push.borrow_mut();
        let rejected = connection.take().and_then(|previous| previous.rejected);
        let verifier = PushVerifier::new(conn, frame.tolerance);
        *connection = Some(PushConnection { session, verifier, first: None, rejected });
    }

    let body =
        serde_json::to_string(&PushKeys { key: ephemeral_key.point, conn }).map_err(|_| FrameRejection::Malformed)?;
    let (body, headers) = sign_written(frame, session, nonce, PushKeys::PATH, body, &frame.sign_authority).await?;
    let response = http::post(PushKeys::PATH, &body, &headers.each()).await?;
    let agreed: AgreedKey = response.read()?;
    let key = ephemeral_key.derive(&session, &conn, &agreed).await.map_err(|_| FrameRejection::Malformed)?;

    let mut connection = frame.push.borrow_mut();
    let connection = connection.as_mut().filter(|connection| connection.verifier.conn() == conn);
    let connection = connection.ok_or(FrameRejection::NoConnection)?;
    connection.verifier.add_key(agreed.kid.clone(), key, agreed.expires_at);
    connection.first = Some((agreed.kid, ephemeral_key.point));
    Ok(Answer::Agreed { nonces: response.nonces })
}

/// Writes and signs the request that opens the connection.
pub(crate) async fn open(frame: &Frame, nonce: Nonce, after: Option<Cursor>) -> Result<Answer, FrameRejection> {
    let (session, request) = {
        let mut connection = frame.push.borrow_mut();
        let connection = connection.as_mut().ok_or(FrameRejection::NoConnection)?;
        // Only once: under one key, the sequence numbers start at 1 only once.
        let (kid, key) = connection
            .first
            .take()
            .filter(|_| !connection.verifier.has_accepted())
            .ok_or(FrameRejection::NoConnection)?;
        let conn = connection.verifier.conn();
        (connection.session, PushStream { conn, kid, key, after, rejected: connection.rejected })
    };
    let body = serde_json::to_string(&request).map_err(|_| FrameRejection::Malformed)?;
    let (body, headers) = sign_written(frame, session, nonce, PushStream::PATH, body, frame.app_authority()).await?;
    Ok(Answer::Written { body, headers })
}

/// Verifies the next push message.
pub(crate) async fn verify_message(frame: &Frame, text: &str) -> Result<Answer, FrameRejection> {
    let now = frame.clock.server_now().await?;
    let verified = verify(frame, text, now).await;
    verified.map(|payload| Answer::Verified { payload }).map_err(|rejected| {
        if let Some(connection) = frame.push.borrow_mut().as_mut() {
            connection.rejected.get_or_insert(rejected);
        }
        FrameRejection::Rejected
    })
}

async fn verify(frame: &Frame, text: &str, now: u64) -> Result<String, PushRejection> {
    let envelope = Envelope::parse(text).map_err(|_| PushRejection::Malformed)?;
    let key = {
        let connection = frame.push.borrow();
        let verifier = connection.as_ref().map(|connection| &connection.verifier).ok_or(PushRejection::UnknownKey)?;
        verifier.check(&envelope, now)?.clone()
    };
    if !is_valid(&key, &envelope.sig, &envelope.message()).await.unwrap_or(false) {
        return Err(PushRejection::BadMac);
    }
    let mut connection = frame.push.borrow_mut();
    let connection = connection.as_mut().ok_or(PushRejection::UnknownKey)?;
    connection.verifier.accept(&envelope, now)?;
    // The request for this connection has reported it to the server.
    connection.rejected = None;
    Ok(envelope.payload.to_owned())
}

/// Signs a request that the frame has written.
async fn sign_written(
    frame: &Frame,
    session: SessionHandle,
    nonce: Nonce,
    path: &str,
    body: String,
    authority: &str,
) -> Result<(String, SignedHeaders), FrameRejection> {
    let request =
        SignRequest { session, path: path.to_owned(), body, level: Level::Signed, nonce: Some(nonce), proof: None };
    let headers = sign_for(frame, &request, authority).await?;
    Ok((request.body, headers))
}
