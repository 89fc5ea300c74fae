//! The frame key of a session: made, stored and bound the first time that it is needed (docs/PROTOCOL.md §4).
//!
//! The frame does this with its own origin alone. The page sees neither the cookie that authorises it nor the challenge,
//! and cannot name the session that is bound.

use protocol::{
    message::{FromFrame, Refusal},
    problem::Code,
    sign_origin::{Bind, Bound, Challenged, bind_statement},
    token::SessionHandle,
};

use super::Frame;
use crate::{
    http::{self, HttpError},
    key_store::KeyStore,
    keys::Key,
    locks,
};

/// Held while a key is bound, so that two tabs do not make one each.
const LOCK: &str = "pan-bind";

/// The bound key of a session.
pub(super) async fn bound_key(frame: &Frame, session: &SessionHandle) -> Result<Key, Refusal> {
    let store = KeyStore::open().await.map_err(|_| Refusal::VaultClosed)?;
    if let Some((_, key, true)) = store.frame_key(session).await.map_err(|_| Refusal::VaultClosed)? {
        return Ok(key);
    }
    let _lock = locks::wait_for(LOCK).await;
    let (id, key) = match store.frame_key(session).await.map_err(|_| Refusal::VaultClosed)? {
        // Another tab was faster.
        Some((_, key, true)) => return Ok(key),
        // A reply was lost, or the key waits for the confirmation key. Asking again does no harm.
        Some((id, key, false)) => (id, key),
        None => {
            let key = Key::generate().await.map_err(|_| Refusal::VaultClosed)?;
            // Stored first: a key that cannot be kept must not be bound.
            let id = store.keep_frame_key(None, session, &key, false).await.map_err(|_| Refusal::VaultClosed)?;
            (id, key)
        }
    };
    let bound = bind(frame, &key).await.map_err(refusal)?;
    if bound.session != *session {
        // The user has signed in again meanwhile: the key belongs to that session, unless it has one already.
        let _ = store.keep_frame_key(Some(id), &bound.session, &key, !bound.pending).await;
        return Err(Refusal::NoKey);
    }
    if bound.pending {
        return Err(Refusal::KeyLost { key: key.public().thumbprint() });
    }
    store.keep_frame_key(Some(id), session, &key, true).await.map_err(|_| Refusal::VaultClosed)?;
    frame.port.say(&FromFrame::Nonces { session: bound.session, nonces: bound.nonces });
    Ok(key)
}

async fn bind(frame: &Frame, key: &Key) -> Result<Bound, HttpError> {
    let exchange = http::post("/challenge", "{}", &[]).await?;
    let Challenged { challenge, now } = exchange.read()?;
    frame.clock.learn(now, &exchange);

    let statement = bind_statement(&frame.sign_authority, &challenge, &key.public().thumbprint());
    let signature = key.sign(&statement).await.map_err(|_| HttpError::Unreachable)?;
    let request = Bind { jwk: key.public().to_jwk(), challenge, signature };
    let json = serde_json::to_string(&request).map_err(|_| HttpError::Unreachable)?;
    let exchange = http::post("/bind", &json, &[]).await?;
    let bound: Bound = exchange.read()?;
    frame.clock.learn(bound.now, &exchange);
    Ok(bound)
}

/// Without the cookie of a live session there is nothing that the frame could bind a key to.
fn refusal(error: HttpError) -> Refusal {
    match error {
        HttpError::Rejected(problem) if problem.code == Code::InvalidSession => Refusal::NoKey,
        error => error.into(),
    }
}
