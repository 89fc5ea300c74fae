//! The frame key of a session: generated, stored and bound on first use (docs/PROTOCOL.md §4).
//!
//! The frame exchanges these requests with the sign origin only. The page sees neither the cookie that authorises the
//! binding nor the challenge, and cannot choose the session.

use protocol::{
    message::{FrameRejection, FromFrame},
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

/// The lock held while a key is bound, so that two tabs do not generate one each.
const LOCK: &str = "pan-bind";

/// Returns the bound key of a session. Generates and binds one if there is none.
pub(super) async fn bound_key(frame: &Frame, session: &SessionHandle) -> Result<Key, FrameRejection> {
    let store = KeyStore::open().await.map_err(|_| FrameRejection::KeyStoreClosed)?;
    if let Some((_, key, true)) = store.frame_key(session).await.map_err(|_| FrameRejection::KeyStoreClosed)? {
        return Ok(key);
    }
    let _lock = locks::wait_for(LOCK).await;
    let (id, key) = match store.frame_key(session).await.map_err(|_| FrameRejection::KeyStoreClosed)? {
        // Another tab was faster.
        Some((_, key, true)) => return Ok(key),
        // The response was lost, or the key is pending. Binding the same key again is harmless.
        Some((id, key, false)) => (id, key),
        None => {
            let key = Key::generate().await.map_err(|_| FrameRejection::SigningFailed)?;
            // Stored before it is bound: a key that cannot be stored must not be bound.
            let id =
                store.keep_frame_key(None, session, &key, false).await.map_err(|_| FrameRejection::KeyStoreClosed)?;
            (id, key)
        }
    };
    let bound = bind(frame, &key).await.map_err(rejection)?;
    if bound.session != *session {
        // The user has signed in again in the meantime: the key belongs to the new session, unless that has one.
        let _ = store.keep_frame_key(Some(id), &bound.session, &key, !bound.pending).await;
        return Err(FrameRejection::NoKey);
    }
    if bound.pending {
        return Err(FrameRejection::KeyLost { key: key.public().thumbprint() });
    }
    store.keep_frame_key(Some(id), session, &key, true).await.map_err(|_| FrameRejection::KeyStoreClosed)?;
    frame.port.send(&FromFrame::Nonces { session: bound.session, nonces: bound.nonces });
    Ok(key)
}

async fn bind(frame: &Frame, key: &Key) -> Result<Bound, HttpError> {
    let exchange = http::post("/challenge", "{}", &[]).await?;
    let Challenged { challenge, now } = exchange.read()?;
    frame.clock.update(now, &exchange);

    let statement = bind_statement(&frame.sign_authority, &challenge, &key.public().thumbprint());
    let signature = key.sign(&statement).await.map_err(|_| HttpError::NoSignature)?;
    let request = Bind { jwk: key.public().to_jwk(), challenge, signature };
    let json = serde_json::to_string(&request).map_err(|_| HttpError::Unreachable)?;
    let exchange = http::post("/bind", &json, &[]).await?;
    let bound: Bound = exchange.read()?;
    frame.clock.update(bound.now, &exchange);
    Ok(bound)
}

/// Converts an error of the binding. Without the cookie of a live session the frame has no session to bind a key to.
fn rejection(error: HttpError) -> FrameRejection {
    match error {
        HttpError::Rejected(problem) if problem.code == Code::InvalidSession => FrameRejection::NoKey,
        error => error.into(),
    }
}
