//! The verification middleware: only verified requests reach a handler.
//!
//! The order, cheap checks first; a failed check rejects the request (docs/PROTOCOL.md §7):
//!
//! 1. path and method: protected (in the catalogue), observed, public (declared), or rejected;
//! 2. `Origin`, `Sec-Fetch-Site`, content type;
//! 3. headers into an [`UnverifiedRequest`], body within its limit, digest over the body, body into an action;
//! 4. the signature's freshness, the proof's action and freshness, the level: all without the store;
//! 5. one store operation: session, nonce, rate limit;
//! 6. the signature: by the confirmation key for a proof of the window, by the frame key otherwise;
//! 7. the risk of a proof that the page recorded; the passkey, if there is one or must be one;
//! 8. a [`VerifiedRequest`] in the request's extensions, from which alone a handler learns the user.
//!
//! Requests with a client-generated nonce (`client_nonce.rs`) have their signature checked before step 5.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use protocol::{
    action::{ActionEntry, AnyAction, Level, Target},
    built_in,
    catalogue::Catalogue,
    digest::ContentDigest,
    message::{cookie, header as name},
    proof::{Proof, Recorder},
    return_path,
    token::{Nonce, SessionHandle},
};

use super::{
    client_nonce::{self, Issued, has_client_nonce},
    signature_check::check_signature,
    source_check::check_source,
    theft::{self, Known},
    unverified::{UnverifiedRequest, session_token},
    verified_request::VerifiedRequest,
};
use crate::{
    Server,
    audit::{Event, Outcome},
    cookies,
    headers::{FORM, read_body},
    model::UserId,
    outcomes,
    passkeys::{self, Attestation},
    random::random,
    rejection::{Rejection, rate_limit_headers},
    risk::{self, History},
    settings::{FRESHNESS, PASSKEY_FRESHNESS, ROUNDING, millis, per_minute},
    store::{Authorization, AuthorizeRequest, Authorized, Quota, Session},
};

/// What the middleware protects.
#[derive(Clone, Copy)]
pub(crate) struct Protected {
    /// The origin that it protects.
    pub(crate) target: Target,
    /// The actions that it verifies, if they are for this origin.
    pub(crate) catalogue: Catalogue,
    /// Paths that anyone may POST to from the app origin.
    pub(crate) public: &'static [&'static str],
    /// Paths of the catalogue that also take unsigned requests with the token of a live session.
    pub(crate) observed: &'static [&'static str],
}

/// The middleware. See the module.
pub(crate) async fn verify(
    State((server, protected)): State<(Server, Protected)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let entry = protected.catalogue.at(path).filter(|entry| entry.target == protected.target);
    let is_public = protected.public.contains(&path);
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_page && entry.is_none() && !is_public && !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let is_post = *request.method() == Method::POST;
    let (parts, body) = request.into_parts();
    match entry {
        Some(entry) if is_post && protected.observed.contains(&entry.path) && !is_signed(&parts.headers) => {
            match check_observed(&server, protected.target, &parts, body).await {
                Ok((session, user, body)) => {
                    server.record_observed(session, user, entry.name);
                    next.run(Request::from_parts(parts, body.into())).await
                }
                Err(reason) => server.reject(entry.name, reason),
            }
        }
        Some(entry) if is_post => run_verified(&server, protected.target, entry, parts, body, next).await,
        None if is_post && is_public => match check_unsigned(&server, protected.target, &parts, body).await {
            Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
            Err(reason) => server.reject("public", reason),
        },
        // A form of a page that the browser has submitted without the page's script: the page again.
        None if is_post && !parts.uri.path().starts_with("/api/") && is_form(&parts.headers) => {
            Redirect::to(return_path::check(parts.uri.path())).into_response()
        }
        _ => server.reject("unknown", Rejection::UnknownFunction),
    }
}

/// Whether a browser can send this content type for a form (HTML, "Form submission").
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    [FORM, "multipart/form-data", "text/plain"].contains(&essence)
}

/// Checks the origin of an unsigned request, and reads its body.
async fn check_unsigned(server: &Server, target: Target, parts: &Parts, body: Body) -> Result<Bytes, Rejection> {
    check_source(server.settings(), &parts.headers, target)?;
    read_body(body, server.settings().limits.body).await
}

fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(name::SIGNATURE) || headers.contains_key(name::SIGNATURE_INPUT)
}

/// Checks an unsigned request to an observed path: it must come from the application's page, with the token of a live
/// session.
async fn check_observed(
    server: &Server,
    target: Target,
    parts: &Parts,
    body: Body,
) -> Result<(SessionHandle, UserId, Bytes), Rejection> {
    let body = check_unsigned(server, target, parts, body).await?;
    let handle = session_token(&parts.headers)?.handle();
    let session = server.stores().sessions.find(&handle, server.settings().lifetimes.idle(), server.now()).await?;
    let session = session.ok_or(Rejection::NoSession(None))?;
    Ok((handle, session.user, body))
}

/// Verifies a request and passes it to its handler.
async fn run_verified(
    server: &Server,
    target: Target,
    entry: &'static ActionEntry,
    mut parts: Parts,
    body: Body,
    next: Next,
) -> Response {
    let mut known = Known::default();
    let accepted = match verify_request(server, target, entry, &parts, body, &mut known).await {
        Ok(accepted) => accepted,
        Err(reason) => return reject(server, target, &parts, entry.name, reason, known).await,
    };
    let Accepted { request, nonce, body, nonces, quota } = accepted;
    parts.extensions.insert(request.clone());
    let http_request = Request::from_parts(parts, body.into());
    let mut response = match entry.level {
        Level::Signed => next.run(http_request).await,
        Level::Interaction | Level::Confirmed | Level::Attested => {
            outcomes::run_change(server, *request.session(), nonce, http_request, next).await
        }
    };
    // A handler may reject what was verified.
    if let Some(reason) = response.extensions_mut().remove::<Arc<Rejection>>() {
        server.record_rejection(Some(*request.session()), Some(request.user().clone()), entry.name, &reason);
    }
    with_session_headers(response, &nonces, &quota)
}

/// Rejects a request, and records a theft signal if its token was stolen.
pub(crate) async fn reject(
    server: &Server,
    target: Target,
    parts: &Parts,
    action: &'static str,
    reason: Rejection,
    known: Known,
) -> Response {
    let presented = match target {
        Target::App => theft::examine(server, parts, &reason, known).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a rejected request could not be examined for theft");
            None
        }),
        // Page script cannot send the sign origin's cookie.
        Target::Sign => None,
    };
    if reason.status() == StatusCode::UNAUTHORIZED {
        server.record_auth_failure(parts);
    }
    let (session, user) = presented.map(|presented| (presented.handle, presented.session.user)).unzip();
    server.record_rejection(session, user, action, &reason);
    let is_of_device = matches!(reason, Rejection::NoDeviceProof(_));
    let mut response = reason.into_response();
    if is_of_device && cookies::has(&parts.headers, cookie::DEVICE) {
        // Otherwise the browser would keep a cookie that is not valid, and not renew it.
        response.headers_mut().append(header::SET_COOKIE, cookies::clear_device());
    }
    response
}

/// A verified request with what belongs to its response.
pub(crate) struct Accepted {
    pub(crate) request: VerifiedRequest,
    /// The nonce that it has spent.
    nonce: Nonce,
    body: Bytes,
    nonces: Vec<Nonce>,
    /// The rate limit that the request was counted against, and what is left of it.
    quota: (&'static str, Quota),
}

/// Adds the next nonces and the rate limit.
fn with_session_headers(mut response: Response, nonces: &[Nonce], (policy, quota): &(&'static str, Quota)) -> Response {
    let list = nonces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&list) {
        response.headers_mut().insert(name::NONCE, value);
    }
    response.headers_mut().extend(rate_limit_headers(policy, quota));
    response
}

/// Verifies a request, in the order of the module's documentation. An accepted request is recorded.
///
/// # Errors
/// The first rule that the request breaks. `known` then has what is known about the request.
pub(crate) async fn verify_request(
    server: &Server,
    target: Target,
    entry: &'static ActionEntry,
    parts: &Parts,
    body: Body,
    known: &mut Known,
) -> Result<Accepted, Rejection> {
    check_source(server.settings(), &parts.headers, target)?;
    let unverified = &*known.unverified.insert(UnverifiedRequest::read(&parts.headers, target)?);
    let body = read_body(body, server.settings().limits.body).await?;
    let (action, level) = check_offline(server, entry, unverified, &body)?;

    let (session, nonces, quota, attestation) = if has_client_nonce(entry) {
        let Issued { session, nonces, quota } = client_nonce::authorize(server, entry, parts, unverified).await?;
        (session, nonces, ("refills", quota), Attestation::default())
    } else {
        let authorized = authorize(server, entry, parts, unverified, &mut known.session).await;
        if let (Err(Rejection::Replayed | Rejection::NoDeviceProof(_) | Rejection::NoDeviceBinding), Some(session)) =
            (&authorized, &known.session)
        {
            // Only the holder of the key learns that the nonce was used, or about the device.
            let signed = check_signature(server, parts, target, unverified, session);
            known.is_signed = Some(signed.is_ok());
            signed.map_err(|_| Rejection::BadNonce)?;
        }
        let (Authorized { session, quota, history }, next) = authorized?;
        let signed = check_signature(server, parts, target, unverified, &session);
        known.is_signed = Some(signed.is_ok());
        let checked = async {
            let base = signed?;
            check_risk(unverified, &history)?;
            server.check_passkeys(unverified, &session, &*action, &base).await
        };
        match checked.await {
            Ok(attestation) => (session, vec![next], (counter_of(entry), quota), attestation),
            Err(reason) => {
                known.session = Some(session);
                return Err(reason);
            }
        }
    };

    let request = VerifiedRequest {
        handle: unverified.handle,
        session: session.into(),
        entry,
        level: if attestation.is_attested { Level::Attested } else { level },
        action: action.into(),
        new_passkey: attestation.new,
        recovery_codes: attestation.codes,
    };
    record_verified(server, &request);
    Ok(Accepted { request, nonce: *unverified.input.nonce(), body, nonces, quota })
}

fn record_verified(server: &Server, request: &VerifiedRequest) {
    server.count_verified();
    let event = Event {
        session: Some(*request.session()),
        user: Some(request.user().clone()),
        action: request.action_name().into(),
        outcome: Outcome::Passed,
        reason: None,
    };
    match request.entry.level {
        Level::Signed => server.record_read(event),
        Level::Interaction | Level::Confirmed | Level::Attested => server.record(event),
    }
}

/// Checks everything that needs only the request and the clock. Returns the action and the level that the proof reaches.
fn check_offline(
    server: &Server,
    entry: &ActionEntry,
    unverified: &UnverifiedRequest,
    body: &[u8],
) -> Result<(Box<dyn AnyAction>, Level), Rejection> {
    if unverified.digest != ContentDigest::of(body) {
        return Err(Rejection::DigestMismatch);
    }
    let action = entry.parse(body).map_err(|_| Rejection::BodyMalformed)?;
    let signed_ago = server.ago(unverified.input.created().saturating_mul(1000));
    if !is_fresh(signed_ago, unverified) {
        return Err(Rejection::NotFresh(signed_ago));
    }
    passkeys::check_headers(entry, unverified, unverified.proof.as_ref().map(Proof::level))?;
    let Some(proof) = &unverified.proof else {
        return if entry.level == Level::Signed { Ok((action, Level::Signed)) } else { Err(Rejection::LevelTooLow) };
    };
    if proof.action != entry.name {
        return Err(Rejection::ProofOfAnotherAction);
    }
    let acted_ago = server.ago(proof.at);
    if !is_fresh(acted_ago, unverified) {
        return Err(Rejection::ProofNotFresh(acted_ago));
    }
    if proof.level() < entry.level.min(Level::Confirmed) {
        return Err(Rejection::LevelTooLow);
    }
    // Whether the passkey's signature holds is checked once the session is known.
    if entry.level == Level::Attested && unverified.passkey.is_none() {
        return Err(Rejection::PasskeyRequired);
    }
    Ok((action, proof.level()))
}

/// Whether a time in a request is recent. The user may take longer to use a passkey, which signs the time.
fn is_fresh(ago: i64, unverified: &UnverifiedRequest) -> bool {
    let uses_passkey = unverified.passkey.is_some() || unverified.new_passkey.is_some();
    let most = if uses_passkey && ago > 0 { PASSKEY_FRESHNESS } else { FRESHNESS };
    ago.unsigned_abs() <= millis(most + ROUNDING)
}

/// The session's counter that counts requests of an action.
fn counter_of(entry: &ActionEntry) -> &'static str {
    match entry.level {
        Level::Signed => "reads",
        Level::Interaction | Level::Confirmed | Level::Attested => "changes",
    }
}

/// Checks session, nonce and rate limit in one round trip to the store. Returns the session and the next nonce. On a
/// rejection the session is in `known`.
async fn authorize(
    server: &Server,
    entry: &ActionEntry,
    parts: &Parts,
    unverified: &UnverifiedRequest,
    known: &mut Option<Session>,
) -> Result<(Authorized, Nonce), Rejection> {
    let settings = server.settings();
    let counter = counter_of(entry);
    let max = match counter {
        "reads" => settings.limits.reads_per_minute,
        _ => settings.limits.changes_per_minute,
    };
    // A proof that is raised regardless of the history does not describe its session.
    let proof = unverified.proof.as_ref().filter(|proof| proof.by == Recorder::App);
    let sample = proof.filter(|proof| !risk::judge(proof, &History::default()).is_raised()).and_then(risk::sample);
    let next = Nonce::new(random()?);
    let now = server.now();
    let authorization = server.stores().sessions.authorize_request(AuthorizeRequest {
        handle: unverified.handle,
        nonce: *unverified.input.nonce(),
        next,
        now,
        idle: settings.lifetimes.idle(),
        nonce_life: settings.lifetimes.nonce(),
        counter,
        limit: per_minute(max),
        // Otherwise an open page, which renews its push connection by itself, would never idle out.
        touch: !entry.is_in(built_in::push::ACTIONS),
        sample,
        device: server.device_proof(entry, &unverified.handle, &parts.headers),
        tier: server.least_tier(entry),
    });
    match authorization.await? {
        Authorization::Authorized(authorized) => {
            server.record_binding(&unverified.handle, &authorized.session, now);
            Ok((*authorized, next))
        }
        Authorization::NoSession(ended) => Err(Rejection::NoSession(ended)),
        Authorization::NoDeviceProof(session) => {
            let absence = server.absence(session.device.as_ref(), &parts.headers);
            *known = Some(*session);
            Err(Rejection::NoDeviceProof(absence))
        }
        Authorization::TierTooLow(session) => {
            *known = Some(*session);
            Err(Rejection::NoDeviceBinding)
        }
        Authorization::BadNonce(session) => {
            *known = Some(*session);
            Err(Rejection::BadNonce)
        }
        Authorization::Replayed(session) => {
            *known = Some(*session);
            Err(Rejection::Replayed)
        }
        Authorization::Limited(quota) => Err(Rejection::Limited(counter, quota)),
    }
}

/// Assesses the risk of a proof that the page recorded. A suspicious proof is not rejected, but requires a confirmation.
fn check_risk(unverified: &UnverifiedRequest, history: &History) -> Result<(), Rejection> {
    match &unverified.proof {
        Some(proof) if proof.by == Recorder::App => {
            let risk = risk::judge(proof, history);
            if risk.is_raised() { Err(Rejection::Suspicious(risk.findings)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}
