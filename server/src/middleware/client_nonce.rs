//! Authorizes a request that is signed with a nonce of the client's: the built-in actions in
//! [`built_in::nonces`].
//!
//! Any holder of the token can invent a nonce, so the signature is verified before the server counts, issues or changes
//! anything. That takes two more round trips to the store, but only once for many requests.

use http::request::Parts;
use protocol::{
    action::{ActionEntry, Target, Tier},
    built_in,
    token::Nonce,
};

use super::{signature_check::check_signature, unverified::UnverifiedRequest};
use crate::{
    Server,
    nonces::fresh_nonces,
    rejection::Rejection,
    settings::per_minute,
    store::{DeviceProof, IssueNonces, NonceIssue, Quota, Session},
};

/// An authorized request.
pub(super) struct Issued {
    pub(super) session: Session,
    pub(super) nonces: Vec<Nonce>,
    pub(super) quota: Quota,
}

/// Whether an action is signed with a client-generated nonce.
pub(crate) fn has_client_nonce(entry: &ActionEntry) -> bool {
    entry.is_in(built_in::nonces::ACTIONS)
}

/// Verifies the signature, spends the client's nonce, and issues nonces. Level, freshness and body are already checked.
pub(super) async fn authorize(
    server: &Server,
    entry: &ActionEntry,
    parts: &Parts,
    unverified: &UnverifiedRequest,
) -> Result<Issued, Rejection> {
    let lifetimes = server.settings().lifetimes;
    let handle = unverified.handle;
    let session = server.stores().sessions.find(&handle, lifetimes.idle(), server.now()).await?;
    let gone = async || match server.stores().sessions.end_reason(&handle).await {
        Ok(why) => Rejection::NoSession(why),
        Err(error) => Rejection::Store(error),
    };
    let Some(session) = session else { return Err(gone().await) };
    check_signature(server, parts, Target::App, unverified, &session)?;
    let device = server.device_proof(entry, &handle, &parts.headers);
    if session.tier() == Tier::Device && device == DeviceProof::Missing {
        return Err(Rejection::NoDeviceProof(server.absence(session.device.as_ref(), &parts.headers)));
    }
    let limit = per_minute(server.settings().limits.refills_per_minute);
    let quota = server.count("refills", format!("refill:{handle}"), limit).await?;
    let nonces = fresh_nonces()?;
    let created = unverified.input.created().saturating_mul(1000);
    let issue = server.stores().sessions.issue_nonces(IssueNonces {
        handle,
        spent: *unverified.input.nonce(),
        created,
        nonces: nonces.clone(),
        idle: lifetimes.idle(),
        nonce_life: lifetimes.nonce(),
        now: server.now(),
    });
    match issue.await? {
        NonceIssue::Issued => Ok(Issued { session, nonces, quota }),
        NonceIssue::Replayed => Err(Rejection::Replayed),
        NonceIssue::TooOld => Err(Rejection::NotFresh(server.ago(created))),
        NonceIssue::NoSession => Err(gone().await),
    }
}
