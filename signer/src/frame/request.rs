//! Signs the requests of the page and of the frame itself.

use protocol::{
    message::{FrameRejection, SignRequest, SignedHeaders},
    proof,
    token::Nonce,
};

use super::{Frame, bind::bound_key};
use crate::{clock::server_time, keys, moment::steady, sign::UnsignedRequest};

/// Signs a request that the page will send to the app origin.
pub(super) async fn sign(frame: &Frame, request: &SignRequest) -> Result<SignedHeaders, FrameRejection> {
    sign_for(frame, request, frame.app_authority()).await
}

/// Signs a request to the origin with this `@authority`.
pub(super) async fn sign_for(
    frame: &Frame,
    request: &SignRequest,
    authority: &str,
) -> Result<SignedHeaders, FrameRejection> {
    let entry = frame.policy.borrow().check(request, steady())?;
    let key = bound_key(frame, &request.session).await?;

    // A page requests nonces when the server has rejected its last requests. A wrong clock may be the reason.
    let offset = frame.clock.offset(request.nonce.is_none()).await?;
    let mut recorded = request.proof.clone();
    if let Some(proof) = &mut recorded {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let device = proof.at as f64;
        proof.at = server_time(device, offset);
    }
    let proof = proof::header(recorded.as_ref()).map_err(|_| FrameRejection::BadProof)?;
    let nonce = match request.nonce {
        Some(nonce) => nonce,
        None => keys::random().map(Nonce::new).map_err(|_| FrameRejection::SigningFailed)?,
    };
    let unsigned =
        UnsignedRequest { authority, path: entry.path, body: &request.body, session: &request.session, nonce, proof };

    // No await between spending the nonce and starting the signature.
    frame.policy.borrow_mut().spend(nonce, steady())?;
    unsigned.sign(&key, offset).await.map_err(|_| FrameRejection::SigningFailed)
}
