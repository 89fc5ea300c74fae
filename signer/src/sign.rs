//! Signing one request (PROTOCOL.md §5).

use protocol::{
    action::Level,
    digest::ContentDigest,
    message::{Refusal, SignedHeaders, ToSign},
    proof,
    signature::{Covered, METHOD, SignatureInput},
    token::Nonce,
};

use crate::{
    clock::{self, server_time},
    frame::Frame,
    keys, sheet,
    vault::Vault,
};

/// Judges a request, has a person confirm it where that is asked, and signs it.
pub(crate) async fn sign(frame: &Frame, ask: &ToSign) -> Result<SignedHeaders, Refusal> {
    let permit = frame.policy.borrow().judge(ask, clock::steady())?;
    // Loaded before the sheet opens, so that nobody confirms what cannot be signed.
    let vault = Vault::open().await.map_err(|_| Refusal::VaultClosed)?;
    let key = vault.load(&ask.session).await.map_err(|_| Refusal::VaultClosed)?.ok_or(Refusal::NoKey)?;

    let mut recorded = match ask.level {
        Level::Confirmed => Some(sheet::confirm(frame, permit.entry.name, &permit.summary).await?),
        Level::Signed | Level::Interaction => ask.proof.clone(),
    };

    // A page asks for nonces when nothing of it was accepted for a while; a wrong clock may be why.
    let offset = frame.clock.offset(ask.nonce.is_none()).await?;
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
    let created = server_time(js_sys::Date::now(), offset) / 1000;
    let input = SignatureInput::new(created, nonce, key.public().thumbprint()).map_err(|_| Refusal::Unreachable)?;
    let digest = ContentDigest::of(ask.body.as_bytes());
    let covered = Covered {
        method: METHOD,
        authority: frame.app_authority(),
        path: permit.entry.path,
        query: "",
        digest: &digest,
        session: &ask.session,
        proof: &proof,
    };

    // Nothing waits between spending the nonce and handing the bytes to the key.
    frame.policy.borrow_mut().spend(nonce, clock::steady())?;
    let signature = key.sign(&covered.base(&input)).await.map_err(|_| Refusal::NoKey)?;
    Ok(SignedHeaders {
        session: ask.session.to_string(),
        proof,
        digest: digest.to_string(),
        signature_input: input.to_string(),
        signature: signature.to_string(),
    })
}
