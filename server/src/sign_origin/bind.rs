//! Challenges, and binding the frame key (docs/PROTOCOL.md §4).

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::request::Parts;
use protocol::{
    action::Target,
    json,
    key::PublicKey,
    sign_origin::{self as message, Bound, Challenged, bind_statement},
    token::Challenge,
};

use crate::{
    Server,
    audit::{Event, Outcome},
    cookies::{SignCookie, sign_cookies},
    ecdsa::{check_key, verify},
    headers::read_body,
    middleware::source_check::check_source,
    nonces::fresh_nonces,
    random::random,
    rejection::Rejection,
    store::{BindFrameKey, FrameKeyBinding},
};

/// The largest body, in bytes.
const MAX_BODY: usize = 2048;

/// How long a challenge is valid, in ms: a user may take 110 s to use a passkey.
const CHALLENGE_LIFE: u64 = 120_000;

/// `POST /challenge`: issues a fresh challenge to sign, which is not tied to a session.
pub(crate) async fn challenge(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_challenge(&server, &parts, body).await {
        Ok(challenged) => Json(challenged).into_response(),
        Err(reason) => server.reject("challenge", reason),
    }
}

async fn try_challenge(server: &Server, parts: &Parts, body: Body) -> Result<Challenged, Rejection> {
    check_source(server.settings(), &parts.headers, Target::Sign)?;
    let device = server.known_devices().any(&parts.headers, server.now());
    let max = server.settings().limits.binds_per_minute_and_address;
    server.count_client("challenges", parts, device.as_ref(), max).await?;
    if read_body(body, MAX_BODY).await? != "{}" {
        return Err(Rejection::BodyMalformed);
    }
    let (challenge, now) = (Challenge::new(random()?), server.now());
    server.stores().challenges.add(&challenge, now.saturating_add(CHALLENGE_LIFE), now).await?;
    Ok(Challenged { challenge, now })
}

/// Takes a challenge that this server, or one with the same store, has issued.
///
/// # Errors
/// [`Rejection::BadChallenge`] when it was taken before, expired, or was never issued.
pub(crate) async fn take_challenge(server: &Server, challenge: &Challenge) -> Result<(), Rejection> {
    let is_taken = server.stores().challenges.take(challenge, server.now()).await?;
    if is_taken { Ok(()) } else { Err(Rejection::BadChallenge) }
}

/// `POST /bind`: binds the frame key of a session, once. Only the frame can send it: page script can neither send this
/// origin's `Origin` nor read the cookie.
pub(crate) async fn bind(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_bind(&server, &parts, body).await {
        Ok(bound) => Json(bound).into_response(),
        Err(reason) => {
            // A request that another site makes a browser send is no failed authentication of that browser.
            if matches!(reason, Rejection::NoSession(_) | Rejection::BadSignature | Rejection::BadChallenge) {
                server.record_auth_failure(&parts);
            }
            server.reject("bind", reason)
        }
    }
}

async fn try_bind(server: &Server, parts: &Parts, body: Body) -> Result<Bound, Rejection> {
    let settings = server.settings();
    check_source(settings, &parts.headers, Target::Sign)?;
    // Counted after the origin check: requests that other sites make a browser send must not use up its limit.
    let device = server.known_devices().any(&parts.headers, server.now());
    server.count_client("binds", parts, device.as_ref(), settings.limits.binds_per_minute_and_address).await?;
    let cookie = sign_cookies(&parts.headers).into_iter().next().ok_or(Rejection::NoSignCookie)?;
    let SignCookie { handle, secret: sign_secret } = cookie;
    let body = read_body(body, MAX_BODY).await?;
    let message::Bind { jwk, challenge, signature } = json::read(&body).map_err(|_| Rejection::BodyMalformed)?;
    let key = PublicKey::from(&jwk);
    check_key(&key).map_err(|_| Rejection::BadKey)?;
    let statement = bind_statement(settings.origins.sign.authority(), &challenge, &key.thumbprint());
    verify(key.as_sec1(), statement.as_bytes(), signature.as_p1363()).map_err(|_| Rejection::BadSignature)?;
    take_challenge(server, &challenge).await?;
    let (nonces, now) = (fresh_nonces()?, server.now());
    let bind = BindFrameKey { handle, sign_secret, key, nonces: nonces.clone(), idle: settings.lifetimes.idle(), now };
    let (session, action, nonces) = match server.stores().sessions.bind_frame_key(bind).await? {
        FrameKeyBinding::Bound(session) | FrameKeyBinding::Again(session) => (session, "bind", nonces),
        FrameKeyBinding::Pending(session) => (session, "bind_pending", Vec::new()),
        FrameKeyBinding::ConfirmationKey => return Err(Rejection::KeyReused),
        FrameKeyBinding::NoSession => return Err(Rejection::NoSession(None)),
    };
    let keys = format!("frame {}, confirmation {}", key.thumbprint(), session.confirmation_key.thumbprint());
    server.record(Event {
        session: Some(handle),
        user: Some(session.user.clone()),
        action: action.into(),
        outcome: Outcome::Passed,
        reason: Some(keys.into()),
    });
    Ok(Bound { session: handle, pending: nonces.is_empty(), nonces, now })
}
