//! Signing what the page asks for, and what the frame itself sends.

use protocol::{
    message::{Refusal, SignRequest, SignedHeaders},
    proof,
    token::Nonce,
};

use super::{Frame, bind::bound_key};
use crate::{clock::server_time, keys, moment::steady, sign::Order};

/// Signs a request that the page will send to the app origin.
pub(super) async fn sign(frame: &Frame, ask: &SignRequest) -> Result<SignedHeaders, Refusal> {
    sign_for(frame, ask, frame.app_authority()).await
}

/// Signs a request to an origin.
pub(super) async fn sign_for(frame: &Frame, ask: &SignRequest, authority: &str) -> Result<SignedHeaders, Refusal> {
    let entry = frame.policy.borrow().judge(ask, steady())?;
    let key = bound_key(frame, &ask.session).await?;

    // A page asks for nonces when nothing of it was accepted for a while; a wrong clock may be why.
    let offset = frame.clock.offset(ask.nonce.is_none()).await?;
    let mut recorded = ask.proof.clone();
    if let Some(proof) = &mut recorded {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let device = proof.at as f64;
        proof.at = server_time(device, offset);
    }
    let proof = proof::header(recorded.as_ref()).map_err(|_| Refusal::BadProof)?;
    let nonce = match ask.nonce {
        Some(nonce) => nonce,
        None => keys::random().map(Nonce::new).map_err(|_| Refusal::BadNonce)?,
    };
    let order = Order { authority, path: entry.path, body: &ask.body, session: &ask.session, nonce, proof };

    // Nothing waits between spending the nonce and handing the bytes to the key.
    frame.policy.borrow_mut().spend(nonce, steady())?;
    order.sign(&key, offset).await.map_err(|_| Refusal::NoKey)
}
