//! The signing frame's own origin: its page and assets, the time, and binding a key (docs/PROTOCOL.md §4).
//!
//! Only script of this origin can bind: `Origin` and `Sec-Fetch-Site` are checked, and the bind cookie that the request
//! must carry can be read by no script at all.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use protocol::{
    json,
    key::PublicKey,
    message::{self, Bind, Bound, Challenged, Time, bind_statement},
    push::{Push, Security},
    token::{BindSecret, Challenge, SessionHandle},
};

use crate::{
    Pan, agent, assets,
    audit::{Event, Outcome},
    authority::{check_source, fresh_nonces, read},
    clock::random,
    refusal::Reason,
    sessions,
    unverified::{cookie, single},
    verify::{check_key, verify},
};

/// The largest body that binding takes, in bytes.
const MAX_BODY: usize = 2048;

/// Everything that the sign origin serves.
pub(crate) fn router(pan: Pan) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/time", get(async |State(pan): State<Pan>| Json(Time { now: pan.now() })))
        .route("/challenge", post(challenge))
        .route("/bind", post(bind))
        .fallback(get(asset))
        .with_state(pan)
}

/// The frame's page.
async fn page(State(pan): State<Pan>) -> Response {
    let app = pan.settings().origins.app.as_str();
    let page = assets::page(app, &pan.settings().push);
    let mut response =
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], page)
            .into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&assets::content_security_policy(app)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-site"));
    response
}

/// An asset of the frame, by its hashed name: it never changes.
async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::find(uri.path()) else { return StatusCode::NOT_FOUND.into_response() };
    let takes_brotli = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(is_brotli);
    let mut response = if takes_brotli { asset.brotli } else { asset.bytes }.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_brotli {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

/// Whether an item of `Accept-Encoding` takes brotli: `br;q=0` says that it does not (RFC 9110 §12.4.2).
fn is_brotli(item: &str) -> bool {
    let mut parts = item.split(';').map(str::trim);
    let is_refused = |weight: &str| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0);
    parts.next() == Some("br") && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_refused))
}

/// What the bind cookie says.
struct Ticket {
    handle: SessionHandle,
    /// [`BindSecret::hashed`].
    secret: String,
}

/// Checks that the frame itself asks, and reads its bind cookie and body.
async fn receive(pan: &Pan, parts: &Parts, body: Body) -> Result<(Ticket, Bytes), Reason> {
    check_source(&parts.headers, &pan.settings().origins.sign)?;
    // Here it must be there: nothing but a browser's frame has business on this origin.
    single(&parts.headers, "sec-fetch-site").map_err(|_| Reason::CrossSite)?;
    // Counted after that: what other sites make a browser send here must not use up its address's limit.
    pan.count_address("binds", parts, pan.settings().limits.binds_per_minute_and_address).await?;
    let value = cookie(&parts.headers, message::cookie::BIND)?.ok_or(Reason::NothingToBind)?;
    let malformed = |_| Reason::HeaderMalformed("cookie");
    let (handle, secret) = value.split_once('.').ok_or(Reason::HeaderMalformed("cookie"))?;
    let ticket = Ticket {
        handle: handle.parse().map_err(malformed)?,
        secret: BindSecret::parse(secret).map_err(malformed)?.hashed(),
    };
    Ok((ticket, read(body, MAX_BODY).await?))
}

/// Refuses, and counts what looks like somebody trying. What another site has sent does not look so: it must not be able
/// to put the addresses of its visitors under suspicion.
fn refuse(pan: &Pan, parts: &Parts, action: &'static str, reason: Reason) -> Response {
    if matches!(reason, Reason::NothingToBind | Reason::BadSignature) {
        pan.note_failure(parts);
    }
    pan.refuse(None, action, reason)
}

/// `POST /challenge`: something fresh to sign.
async fn challenge(State(pan): State<Pan>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_challenge(&pan, &parts, body).await {
        Ok(challenged) => Json(challenged).into_response(),
        Err(reason) => refuse(&pan, &parts, "challenge", reason),
    }
}

async fn try_challenge(pan: &Pan, parts: &Parts, body: Body) -> Result<Challenged, Reason> {
    let (ticket, _empty) = receive(pan, parts, body).await?;
    let challenge = Challenge::new(random()?);
    let now = pan.now();
    if !pan.store().challenge(&ticket.handle, &ticket.secret, &challenge, now).await? {
        return Err(Reason::NothingToBind);
    }
    Ok(Challenged { challenge, now })
}

/// `POST /bind`: binds a key to the session, once and for ever.
async fn bind(State(pan): State<Pan>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_bind(&pan, &parts, body).await {
        Ok(bound) => {
            let spent = sessions::clear_bind_cookie(pan.settings());
            ([(header::SET_COOKIE, spent)], Json(bound)).into_response()
        }
        Err(reason) => refuse(&pan, &parts, "bind", reason),
    }
}

async fn try_bind(pan: &Pan, parts: &Parts, body: Body) -> Result<Bound, Reason> {
    let (ticket, body) = receive(pan, parts, body).await?;
    let Bind { jwk, challenge, signature } = json::read(&body).map_err(|_| Reason::BodyMalformed)?;
    let key = PublicKey::from(&jwk);
    check_key(&key).map_err(|_| Reason::BadKey)?;
    let statement = bind_statement(pan.settings().origins.sign.authority(), &challenge, &key.thumbprint());
    verify(key.as_sec1(), statement.as_bytes(), signature.as_p1363()).map_err(|_| Reason::BadSignature)?;
    let nonces = fresh_nonces()?;
    let now = pan.now();
    let user = pan.store().bind(&ticket.handle, &ticket.secret, &challenge, &key, &nonces, now).await?;
    let user = user.ok_or(Reason::NothingToBind)?;
    let idle = pan.settings().lifetimes.idle();
    if let Some(session) = pan.store().session(&ticket.handle, idle, now).await? {
        let (device, network) = (agent::in_words(&session.agent), session.ip);
        pan.publish(&user, Push::Security(Security::SignedIn { session: ticket.handle, device, network })).await;
    }
    pan.record(Event {
        session: Some(ticket.handle),
        user: Some(user),
        action: "bind".into(),
        outcome: Outcome::Passed,
        reason: None,
    });
    Ok(Bound { session: ticket.handle, nonces, now })
}
