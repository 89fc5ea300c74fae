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
    action::{Action, ActionEntry, Level},
    catalogue::{self, PushKeys, PushStream},
    digest::ContentDigest,
    message::header as name,
    proof::Recorder,
    signature::Covered,
    token::{Nonce, SessionHandle},
    value::UserName,
};

use crate::{
    Server,
    audit::{Event, Outcome},
    ecdsa::verify,
    middleware::theft,
    middleware::unverified::{Target, UnverifiedRequest, single},
    model::{FRESHNESS, ROUNDING},
    nonces::{self, Answered, is_refill},
    push,
    random::random,
    rejection::{Rejection, rate_limit_headers},
    risk::{self, History},
    settings::{Settings, per_minute},
    store::{Authorization, AuthorizeRequest, Authorized, Quota, Session},
};

/// How many nonces one `POST /api/nonces`, or one bound key, brings.
pub(crate) const NONCES_AT_ONCE: usize = 4;

/// A request whose token, signature, nonce and proof hold. Only this module makes one.
#[derive(Clone, Debug)]
pub struct VerifiedRequest {
    session: SessionHandle,
    user: UserName,
    entry: &'static ActionEntry,
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
pub(crate) async fn guard(
    State((server, public)): State<(Server, &'static [&'static str])>,
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
        Some(entry) if is_post && entry.path != PushKeys::PATH => protected(&server, entry, parts, body, next).await,
        None if is_post && is_public => match verify_public(&server, &parts, body).await {
            Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
            Err(reason) => server.reject(None, "public", reason),
        },
        _ => server.reject(None, "unknown", Rejection::UnknownFunction),
    }
}

async fn verify_public(server: &Server, parts: &Parts, body: Body) -> Result<Bytes, Rejection> {
    check_source(server.settings(), &parts.headers, Target::App)?;
    read(body, server.settings().limits.body).await
}

/// Refuses a request that came with these headers, after a look whether its token was stolen.
pub(crate) async fn reject(server: &Server, parts: &Parts, action: &'static str, reason: Rejection) -> Response {
    let presented = theft::examine(server, parts, &reason).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a refused request could not be examined");
        None
    });
    if reason.status() == StatusCode::UNAUTHORIZED {
        server.record_auth_failure(parts);
    }
    server.reject(presented.as_ref(), action, reason)
}

/// What a request is let through with.
pub(crate) struct Accepted {
    pub(crate) request: VerifiedRequest,
    pub(crate) body: Bytes,
    /// As the store has it.
    pub(crate) session: Session,
    nonces: Vec<Nonce>,
    /// The limit that it was counted against, and what that still lets through.
    quota: (&'static str, Quota),
    /// What the audit log says more of it.
    detail: Option<Cow<'static, str>>,
}

async fn protected(server: &Server, entry: &'static ActionEntry, mut parts: Parts, body: Body, next: Next) -> Response {
    let accepted = match verify_request(server, Target::App, entry, &parts, body).await {
        Ok(accepted) => accepted,
        Err(reason) => return reject(server, &parts, entry.name, reason).await,
    };
    record_verified(server, &accepted);
    let Accepted { request, body, session, nonces, quota, .. } = accepted;
    let response = if is_refill(entry) {
        // What was asked for comes in the header.
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "null").into_response()
    } else if entry.path == PushStream::PATH {
        match push::stream(server, &request, &session, &body).await {
            Ok(response) => response,
            Err(reason) => reject(server, &parts, entry.name, reason).await,
        }
    } else {
        parts.extensions.insert(request);
        next.run(Request::from_parts(parts, body.into())).await
    };
    with_session_headers(response, &nonces, &quota)
}

/// `POST /api/jitterbug/keys` on the sign origin: the frame asks by itself, so that page script cannot answer for the server.
pub(crate) async fn push_keys(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let passed = match catalogue::at(PushKeys::PATH) {
        Some(entry) => verify_request(&server, Target::Sign, entry, &parts, body).await,
        None => Err(Rejection::UnknownFunction),
    };
    let accepted = match passed {
        Ok(accepted) => accepted,
        Err(reason) => {
            if reason.status() == StatusCode::UNAUTHORIZED {
                server.record_auth_failure(&parts);
            }
            return server.reject(None, PushKeys::NAME, reason);
        }
    };
    record_verified(&server, &accepted);
    let response = match push::agree(&server, &accepted.request, &accepted.body).await {
        Ok(response) => response,
        Err(reason) => server.reject(None, PushKeys::NAME, reason),
    };
    with_session_headers(response, &accepted.nonces, &accepted.quota)
}

/// Adds the next nonces and what the limit still lets through.
fn with_session_headers(mut response: Response, nonces: &[Nonce], (policy, quota): &(&'static str, Quota)) -> Response {
    let list = nonces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&list) {
        response.headers_mut().insert(name::NONCE, value);
    }
    response.headers_mut().extend(rate_limit_headers(policy, quota));
    response
}

/// Puts a verified request on record.
pub(crate) fn record_verified(server: &Server, Accepted { request, detail, .. }: &Accepted) {
    server.count_verified();
    server.record(Event {
        session: Some(request.session),
        user: Some(request.user.clone()),
        action: request.entry.name.into(),
        outcome: Outcome::Passed,
        reason: detail.clone(),
    });
}

/// The order of the module's first lines.
pub(crate) async fn verify_request(
    server: &Server,
    target: Target,
    entry: &'static ActionEntry,
    parts: &Parts,
    body: Body,
) -> Result<Accepted, Rejection> {
    check_source(server.settings(), &parts.headers, target)?;
    let unverified = UnverifiedRequest::read(&parts.headers, target)?;
    let body = read(body, server.settings().limits.body).await?;
    let level = check_offline(server, entry, &unverified, &body)?;
    let request = |user| VerifiedRequest { session: unverified.handle, user, entry, level };
    if is_refill(entry) {
        let Answered { session, nonces, quota, detail } =
            nonces::issue(server, entry, parts, &unverified, &body).await?;
        let request = request(session.user.clone());
        return Ok(Accepted { request, body, session, nonces, quota: ("refills", quota), detail });
    }
    let (Authorized { session, quota, history }, fresh) = authorize(server, entry, &unverified).await?;
    check_signature(server, parts, target, &unverified, &session)?;
    check_risk(&unverified, &history)?;
    let request = request(session.user.clone());
    Ok(Accepted { request, body, session, nonces: vec![fresh], quota: (counter_of(entry), quota), detail: None })
}

/// Rejects what does not come from the target's own pages. A browser always says where a POST comes from; what says
/// nothing, or something else, is rejected.
pub(crate) fn check_source(settings: &Settings, headers: &HeaderMap, target: Target) -> Result<(), Rejection> {
    match single(headers, "origin") {
        Ok(value) if value == target.origin(settings).as_str() => {}
        _ => return Err(Rejection::WrongOrigin),
    }
    match single(headers, "sec-fetch-site") {
        Ok(value) if value == "same-origin" => {}
        // Clients that are no browser, and old browsers, do not send it; Origin has been checked. Nothing but a browser has
        // business on the sign origin.
        Err(Rejection::HeaderMissing(_)) if target == Target::App => {}
        _ => return Err(Rejection::CrossSite),
    }
    match single(headers, "content-type") {
        Ok(value) if value == "application/json" => Ok(()),
        _ => Err(Rejection::WrongContentType),
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Rejection> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Rejection::BodyTooLarge),
        Err(_) => Err(Rejection::BodyUnreadable),
    }
}

/// Everything that can be decided from the request and the clock alone. Gives the level that the proof reaches.
fn check_offline(
    server: &Server,
    entry: &ActionEntry,
    unverified: &UnverifiedRequest,
    body: &[u8],
) -> Result<Level, Rejection> {
    if unverified.digest != ContentDigest::of(body) {
        return Err(Rejection::DigestMismatch);
    }
    entry.summarize(body).map_err(|_| Rejection::BodyMalformed)?;
    let signed_ago = server.ago(unverified.input.created().saturating_mul(1000));
    if signed_ago.unsigned_abs() > millis(FRESHNESS + ROUNDING) {
        return Err(Rejection::NotFresh(signed_ago));
    }
    let Some(proof) = &unverified.proof else {
        return if entry.level == Level::Signed { Ok(Level::Signed) } else { Err(Rejection::LevelTooLow) };
    };
    if proof.action != entry.name {
        return Err(Rejection::ProofOfAnotherAction);
    }
    let acted_ago = server.ago(proof.at);
    if acted_ago.unsigned_abs() > millis(FRESHNESS + ROUNDING) {
        return Err(Rejection::ProofNotFresh(acted_ago));
    }
    if proof.level() < entry.level {
        return Err(Rejection::LevelTooLow);
    }
    Ok(proof.level())
}

/// Which of the session's counters counts the requests of an action.
fn counter_of(entry: &ActionEntry) -> &'static str {
    match entry.level {
        Level::Signed => "reads",
        Level::Interaction | Level::Confirmed => "changes",
    }
}

/// The store's part: session, nonce, limit, in one round trip. Gives the session and the next nonce.
async fn authorize(
    server: &Server,
    entry: &ActionEntry,
    unverified: &UnverifiedRequest,
) -> Result<(Authorized, Nonce), Rejection> {
    let settings = server.settings();
    let counter = counter_of(entry);
    let max = match counter {
        "reads" => settings.limits.reads_per_minute,
        _ => settings.limits.changes_per_minute,
    };
    // A proof that is raised whatever came before it teaches nothing about its session.
    let proof = unverified.proof.as_ref().filter(|proof| proof.by == Recorder::App);
    let sample = proof.filter(|proof| !risk::judge(proof, &History::default()).is_raised()).and_then(risk::sample);
    let fresh = Nonce::new(random()?);
    let admission = server.stores().sessions.authorize_request(AuthorizeRequest {
        handle: unverified.handle,
        nonce: *unverified.input.nonce(),
        next: fresh,
        now: server.now(),
        idle: settings.lifetimes.idle(),
        nonce_life: settings.lifetimes.nonce(),
        counter,
        limit: per_minute(max),
        // Else an open page, which goes on listening by itself, would never idle out.
        touch: !push::is_housekeeping(entry),
        sample,
    });
    match admission.await? {
        Authorization::Authorized(admitted) => Ok((*admitted, fresh)),
        Authorization::NoSession(ended) => Err(Rejection::NoSession(ended)),
        Authorization::BadNonce(_) => Err(Rejection::BadNonce),
        Authorization::Replayed(_) => Err(Rejection::Replayed),
        Authorization::Limited(quota) => Err(Rejection::Limited(counter, quota)),
    }
}

/// Rebuilds the signature base from the request that was received, and verifies it with the key of its level.
pub(crate) fn check_signature(
    server: &Server,
    parts: &Parts,
    target: Target,
    unverified: &UnverifiedRequest,
    session: &Session,
) -> Result<(), Rejection> {
    if unverified.sign_secret.as_ref().is_some_and(|secret| *secret != session.sign_secret) {
        return Err(Rejection::WrongSignCookie);
    }
    let is_confirmed = unverified.proof.as_ref().is_some_and(|proof| proof.by == Recorder::Signer);
    let key = if is_confirmed { Some(session.confirmation_key) } else { session.frame_key };
    let key = key.filter(|key| *unverified.input.keyid() == key.thumbprint()).ok_or(Rejection::WrongKey)?;
    let base = Covered {
        method: parts.method.as_str(),
        // Host routing has let only this authority through.
        authority: target.origin(server.settings()).authority(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        digest: &unverified.digest,
        session: &unverified.handle,
        proof: &unverified.proof_text,
    }
    .base(&unverified.input);
    verify(key.as_sec1(), base.as_bytes(), unverified.signature.as_p1363()).map_err(|_| Rejection::BadSignature)
}

/// What the page recorded is judged as risk: a suspicious proof is not refused, but a person must confirm.
fn check_risk(unverified: &UnverifiedRequest, history: &History) -> Result<(), Rejection> {
    match &unverified.proof {
        Some(proof) if proof.by == Recorder::App => {
            let risk = risk::judge(proof, history);
            if risk.is_raised() { Err(Rejection::Suspicious(risk.findings)) } else { Ok(()) }
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
