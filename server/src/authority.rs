//! The verification layer: it stands in front of every server function and lets nothing through that it does not know.
//!
//! Order, cheap first, failing closed at each step (docs/PROTOCOL.md §7):
//!
//! 1. method, `Origin`, `Sec-Fetch-Site`, content type: may this place ask at all?
//! 2. path: protected (in the catalogue), public (declared), or refused;
//! 3. headers into an [`UnverifiedRequest`], body within its limit, digest over the body;
//! 4. level, proof's action and freshness, signature's freshness: all still without the store;
//! 5. one store operation: session, nonce, limit;
//! 6. the signature: with the confirmation key for what is Confirmed, with the frame key for everything else;
//! 7. the risk of a proof that the page recorded;
//! 8. a [`VerifiedRequest`] in the request's extensions, which is the only way that a handler learns who asks.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use protocol::{
    action::{Action, Entry, Level},
    catalogue::{self, PushKeys, PushStream},
    digest::ContentDigest,
    message::header as name,
    proof::Recorder,
    signature::Covered,
    token::{Nonce, SessionHandle},
    value::UserName,
};

use crate::{
    Pan,
    audit::{Event, Outcome},
    clock::random,
    push,
    refill::{self, Answered, is_refill},
    refusal::{Reason, rate_limit_headers},
    risk::{self, History},
    settings::{Settings, per_minute},
    store::{Admission, Admit, Admitted, Quota, Session},
    theft,
    unverified::{Target, UnverifiedRequest, single},
    verify::verify,
};

/// How far a signature's or a proof's time may be from the server's. The nonce outlives it by far, so nothing can be
/// replayed by waiting (one constant for both).
pub const FRESHNESS: Duration = Duration::from_secs(5);

/// `created` is in whole seconds.
pub(crate) const ROUNDING: Duration = Duration::from_secs(1);

/// How many nonces one `POST /api/nonces`, or one bound key, brings.
pub(crate) const NONCES_AT_ONCE: usize = 4;

/// A request whose token, signature, nonce and proof hold. Only this module makes one.
#[derive(Clone, Debug)]
pub struct VerifiedRequest {
    session: SessionHandle,
    user: UserName,
    entry: &'static Entry,
    level: Level,
}

impl VerifiedRequest {
    /// The session that asks.
    pub fn session(&self) -> &SessionHandle {
        &self.session
    }

    /// Who signed in.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// The action that was verified: [`Action::NAME`]. A handler must check that it is its own.
    pub fn action(&self) -> &'static str {
        self.entry.name
    }

    /// The level that was reached; at least the action's.
    pub fn level(&self) -> Level {
        self.level
    }
}

/// Stands in front of the application's router. See the module.
pub(crate) async fn authorize(
    State((pan, public)): State<(Pan, &'static [&'static str])>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let entry = catalogue::at(path);
    let is_public = public.contains(&path);
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_page && entry.is_none() && !is_public && !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let is_post = *request.method() == Method::POST;
    let (parts, body) = request.into_parts();
    match entry {
        // The frame agrees push keys with the sign origin.
        Some(entry) if is_post && entry.path != PushKeys::PATH => protected(&pan, entry, parts, body, next).await,
        None if is_post && is_public => match pass_public(&pan, &parts, body).await {
            Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
            Err(reason) => pan.refuse(None, "public", reason),
        },
        _ => pan.refuse(None, "unknown", Reason::UnknownFunction),
    }
}

async fn pass_public(pan: &Pan, parts: &Parts, body: Body) -> Result<Bytes, Reason> {
    check_source(pan.settings(), &parts.headers, Target::App)?;
    read(body, pan.settings().limits.body).await
}

/// Refuses a request that came with these headers, after a look whether its token was stolen.
pub(crate) async fn refuse(pan: &Pan, parts: &Parts, action: &'static str, reason: Reason) -> Response {
    let presented = theft::examine(pan, parts, &reason).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a refused request could not be examined");
        None
    });
    if reason.status() == StatusCode::UNAUTHORIZED {
        pan.note_failure(parts);
    }
    pan.refuse(presented.as_ref(), action, reason)
}

/// What a request is let through with.
pub(crate) struct Pass {
    pub(crate) verified: VerifiedRequest,
    pub(crate) body: Bytes,
    /// As the store has it.
    pub(crate) session: Session,
    nonces: Vec<Nonce>,
    /// The limit that it was counted against, and what that still lets through.
    quota: (&'static str, Quota),
    /// What the audit log says more of it.
    detail: Option<Cow<'static, str>>,
}

async fn protected(pan: &Pan, entry: &'static Entry, mut parts: Parts, body: Body, next: Next) -> Response {
    let pass = match pass(pan, Target::App, entry, &parts, body).await {
        Ok(pass) => pass,
        Err(reason) => return refuse(pan, &parts, entry.name, reason).await,
    };
    note_passed(pan, &pass);
    let Pass { verified, body, session, nonces, quota, .. } = pass;
    let response = if is_refill(entry) {
        // What was asked for comes in the header.
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "null").into_response()
    } else if entry.path == PushStream::PATH {
        match push::stream(pan, &verified, &session, &body).await {
            Ok(response) => response,
            Err(reason) => refuse(pan, &parts, entry.name, reason).await,
        }
    } else {
        parts.extensions.insert(verified);
        next.run(Request::from_parts(parts, body.into())).await
    };
    answered(response, &nonces, &quota)
}

/// `POST /api/jitterbug/keys` on the sign origin: the frame asks by itself, so that page script cannot answer for the server.
pub(crate) async fn push_keys(State(pan): State<Pan>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let passed = match catalogue::at(PushKeys::PATH) {
        Some(entry) => pass(&pan, Target::Sign, entry, &parts, body).await,
        None => Err(Reason::UnknownFunction),
    };
    let pass = match passed {
        Ok(pass) => pass,
        Err(reason) => {
            if reason.status() == StatusCode::UNAUTHORIZED {
                pan.note_failure(&parts);
            }
            return pan.refuse(None, PushKeys::NAME, reason);
        }
    };
    note_passed(&pan, &pass);
    let response = match push::agree(&pan, &pass.verified, &pass.body).await {
        Ok(response) => response,
        Err(reason) => pan.refuse(None, PushKeys::NAME, reason),
    };
    answered(response, &pass.nonces, &pass.quota)
}

/// Adds the next nonces and what the limit still lets through.
fn answered(mut response: Response, nonces: &[Nonce], (policy, quota): &(&'static str, Quota)) -> Response {
    let list = nonces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&list) {
        response.headers_mut().insert(name::NONCE, value);
    }
    response.headers_mut().extend(rate_limit_headers(policy, quota));
    response
}

/// Puts a verified request on record.
pub(crate) fn note_passed(pan: &Pan, Pass { verified, detail, .. }: &Pass) {
    pan.count_verified();
    pan.record(Event {
        session: Some(verified.session),
        user: Some(verified.user.clone()),
        action: verified.entry.name.into(),
        outcome: Outcome::Passed,
        reason: detail.clone(),
    });
}

/// The order of the module's first lines.
pub(crate) async fn pass(
    pan: &Pan,
    target: Target,
    entry: &'static Entry,
    parts: &Parts,
    body: Body,
) -> Result<Pass, Reason> {
    check_source(pan.settings(), &parts.headers, target)?;
    let unverified = UnverifiedRequest::read(&parts.headers, target)?;
    let body = read(body, pan.settings().limits.body).await?;
    let level = check_offline(pan, entry, &unverified, &body)?;
    let verified = |user| VerifiedRequest { session: unverified.handle, user, entry, level };
    if is_refill(entry) {
        let Answered { session, nonces, quota, detail } = refill::refill(pan, entry, parts, &unverified, &body).await?;
        let verified = verified(session.user.clone());
        return Ok(Pass { verified, body, session, nonces, quota: ("refills", quota), detail });
    }
    let (Admitted { session, quota, history }, fresh) = admit(pan, entry, &unverified).await?;
    check_signature(pan, parts, target, &unverified, &session)?;
    check_risk(&unverified, &history)?;
    let verified = verified(session.user.clone());
    Ok(Pass { verified, body, session, nonces: vec![fresh], quota: (counter_of(entry), quota), detail: None })
}

/// Rejects what does not come from the target's own pages. A browser always says where a POST comes from; what says
/// nothing, or something else, is rejected.
pub(crate) fn check_source(settings: &Settings, headers: &HeaderMap, target: Target) -> Result<(), Reason> {
    match single(headers, "origin") {
        Ok(value) if value == target.origin(settings).as_str() => {}
        _ => return Err(Reason::WrongOrigin),
    }
    match single(headers, "sec-fetch-site") {
        Ok(value) if value == "same-origin" => {}
        // Clients that are no browser, and old browsers, do not send it; Origin has been checked. Nothing but a browser has
        // business on the sign origin.
        Err(Reason::HeaderMissing(_)) if target == Target::App => {}
        _ => return Err(Reason::CrossSite),
    }
    match single(headers, "content-type") {
        Ok(value) if value == "application/json" => Ok(()),
        _ => Err(Reason::WrongContentType),
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Reason> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Reason::BodyTooLarge),
        Err(_) => Err(Reason::BodyUnreadable),
    }
}

/// Everything that can be decided from the request and the clock alone. Gives the level that the proof reaches.
fn check_offline(pan: &Pan, entry: &Entry, unverified: &UnverifiedRequest, body: &[u8]) -> Result<Level, Reason> {
    if unverified.digest != ContentDigest::of(body) {
        return Err(Reason::DigestMismatch);
    }
    entry.summarize(body).map_err(|_| Reason::BodyMalformed)?;
    let signed_ago = pan.ago(unverified.input.created().saturating_mul(1000));
    if signed_ago.unsigned_abs() > millis(FRESHNESS + ROUNDING) {
        return Err(Reason::NotFresh(signed_ago));
    }
    let Some(proof) = &unverified.proof else {
        return if entry.level == Level::Signed { Ok(Level::Signed) } else { Err(Reason::LevelTooLow) };
    };
    if proof.action != entry.name {
        return Err(Reason::ProofOfAnotherAction);
    }
    let acted_ago = pan.ago(proof.at);
    if acted_ago.unsigned_abs() > millis(FRESHNESS + ROUNDING) {
        return Err(Reason::ProofNotFresh(acted_ago));
    }
    if proof.level() < entry.level {
        return Err(Reason::LevelTooLow);
    }
    Ok(proof.level())
}

/// Which of the session's counters counts the requests of an action.
fn counter_of(entry: &Entry) -> &'static str {
    match entry.level {
        Level::Signed => "reads",
        Level::Interaction | Level::Confirmed => "changes",
    }
}

/// The store's part: session, nonce, limit, in one round trip. Gives the session and the next nonce.
async fn admit(pan: &Pan, entry: &Entry, unverified: &UnverifiedRequest) -> Result<(Admitted, Nonce), Reason> {
    let settings = pan.settings();
    let counter = counter_of(entry);
    let max = match counter {
        "reads" => settings.limits.reads_per_minute,
        _ => settings.limits.changes_per_minute,
    };
    // A proof that is raised whatever came before it teaches nothing about its session.
    let proof = unverified.proof.as_ref().filter(|proof| proof.by == Recorder::App);
    let sample = proof.filter(|proof| !risk::judge(proof, &History::default()).is_raised()).and_then(risk::sample);
    let fresh = Nonce::new(random()?);
    let admission = pan.store().admit(Admit {
        handle: unverified.handle,
        nonce: *unverified.input.nonce(),
        next: fresh,
        now: pan.now(),
        idle: settings.lifetimes.idle(),
        nonce_life: settings.lifetimes.nonce(),
        counter,
        limit: per_minute(max),
        // Else an open page, which goes on listening by itself, would never idle out.
        touch: !push::is_housekeeping(entry),
        sample,
    });
    match admission.await? {
        Admission::Admitted(admitted) => Ok((*admitted, fresh)),
        Admission::NoSession(ended) => Err(Reason::NoSession(ended)),
        Admission::BadNonce(_) => Err(Reason::BadNonce),
        Admission::Replayed(_) => Err(Reason::Replayed),
        Admission::Limited(quota) => Err(Reason::Limited(counter, quota)),
    }
}

/// Rebuilds the signature base from the request that was received, and verifies it with the key of its level.
pub(crate) fn check_signature(
    pan: &Pan,
    parts: &Parts,
    target: Target,
    unverified: &UnverifiedRequest,
    session: &Session,
) -> Result<(), Reason> {
    if unverified.sign_secret.as_ref().is_some_and(|secret| *secret != session.sign_secret) {
        return Err(Reason::WrongSignCookie);
    }
    let is_confirmed = unverified.proof.as_ref().is_some_and(|proof| proof.by == Recorder::Signer);
    let key = if is_confirmed { Some(session.confirmation_key) } else { session.frame_key };
    let key = key.filter(|key| *unverified.input.keyid() == key.thumbprint()).ok_or(Reason::WrongKey)?;
    let base = Covered {
        method: parts.method.as_str(),
        // Host routing has let only this authority through.
        authority: target.origin(pan.settings()).authority(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        digest: &unverified.digest,
        session: &unverified.handle,
        proof: &unverified.proof_text,
    }
    .base(&unverified.input);
    verify(key.as_sec1(), base.as_bytes(), unverified.signature.as_p1363()).map_err(|_| Reason::BadSignature)
}

/// What the page recorded is judged as risk: a suspicious proof is not refused, but a person must confirm.
fn check_risk(unverified: &UnverifiedRequest, history: &History) -> Result<(), Reason> {
    match &unverified.proof {
        Some(proof) if proof.by == Recorder::App => {
            let risk = risk::judge(proof, history);
            if risk.is_raised() { Err(Reason::Suspicious(risk.findings)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Nonces for a page that has none.
pub(crate) fn fresh_nonces() -> Result<Vec<Nonce>, getrandom::Error> {
    (0..NONCES_AT_ONCE).map(|_| random().map(Nonce::new)).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
