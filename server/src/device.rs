//! Device-bound sessions: Device Bound Session Credentials (DBSC), by the crate `dbsc`.
//!
//! The response of `/enter` offers a registration. A browser that supports DBSC answers with a public key, whose private
//! half is in the device's hardware. It gets the cookie `__Host-pan-device`, which lives ten minutes by default, and renews it with a
//! signature. From the first request with that cookie on, every request of the session to the app origin needs it, beside
//! the token and the signature. So a copy of the browser's profile is worthless when its cookie expires.
//!
//! The cookie names its session and carries a MAC, so checking it takes no store. Requests to the sign origin do not get it;
//! they change nothing that a request to the app origin would not have to prove again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use dbsc::{BoundCookie, ChallengeId, Config, Dbsc, PublicKey, Registration, Secret, SessionId, StoreError};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use protocol::{
    action::{Action, ActionEntry, Target, Tier},
    built_in::SignOut,
    message::cookie,
    token::SessionHandle,
};
use zeroize::Zeroizing;

use crate::{
    Server,
    audit::{Event, Outcome},
    clock::Clock,
    cookies::{self, session_tokens},
    model::{DeviceBinding, Limit, Session},
    rejection::Rejection,
    settings::{DevicePolicy, Settings, millis},
    store::{Counted, Counter, DeviceProof, RateLimitStore, SessionStore, Stores},
};

const REGISTRATION: &str = "/device/registration";
const REFRESH: &str = "/device/refresh";

/// The names of the endpoints in the audit log and the metrics.
const REGISTER_ACTION: &str = "register_device";
const REFRESH_ACTION: &str = "refresh_device";

/// After the binding, a request may lack the cookie because it was already under way: for this share of the cookie's lifetime.
const SHARE_UNDER_WAY: u64 = 20;

/// Why a request has no valid device cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The browser can have sent it: it says that it could not renew the cookie, its cookie is not valid here any more, or the
    /// request began before it had one.
    Explained,
    /// There is no cookie, for which a browser would have waited.
    Unexplained,
}

/// Offers, registers and renews device-bound sessions.
pub(crate) struct Devices(Arc<Dbsc<DeviceStore>>);

impl Devices {
    /// `None` if sessions are not bound to devices: the settings say so, or the origin is not https, which browsers require.
    pub(crate) fn new(
        settings: &Settings,
        stores: &Stores,
        clock: &Clock,
        secret: &Zeroizing<[u8; 32]>,
    ) -> Option<Self> {
        if settings.sessions.device_binding == DevicePolicy::Off {
            return None;
        }
        let store = DeviceStore {
            sessions: stores.sessions.clone(),
            rate_limits: stores.rate_limits.clone(),
            idle: settings.lifetimes.idle(),
            clock: clock.clone(),
        };
        let time = clock.clone();
        let cookie = BoundCookie::new(cookie::DEVICE).ok()?.max_age(settings.lifetimes.device_cookie());
        let config = Config::new(Secret::new(secret), cookie, settings.origins.app.as_str()).ok()?;
        let config = config
            .endpoints(REGISTRATION, REFRESH)
            .ok()?
            // A form or link of the sign origin leads to the app origin.
            .allowed_refresh_initiators([settings.origins.sign.host()])
            .clock(move || UNIX_EPOCH + Duration::from_millis(time.now()));
        Some(Self(Arc::new(Dbsc::new(config, store))))
    }

    /// The header that offers a registration for a session.
    pub(crate) fn offer(&self, session: &SessionHandle) -> Option<HeaderValue> {
        self.0.offer(&session.to_string()).ok()
    }

    fn has_cookie_of(&self, session: &SessionHandle, headers: &HeaderMap) -> bool {
        let session = session.to_string();
        self.0.sessions(headers).any(|named| named.as_str() == session)
    }
}

/// Whether device and tier do not matter: on the sign origin, which does not get the cookie, and for signing out, which must
/// always work.
fn is_exempt(entry: &ActionEntry) -> bool {
    entry.target == Target::Sign || entry.path == SignOut::PATH
}

impl Server {
    /// Whether a request proves the device of its session, without asking whether the session is bound to one.
    pub(crate) fn device_proof(
        &self,
        entry: &ActionEntry,
        session: &SessionHandle,
        headers: &HeaderMap,
    ) -> DeviceProof {
        match self.devices() {
            Some(devices) if !is_exempt(entry) => {
                if devices.has_cookie_of(session, headers) {
                    DeviceProof::Valid
                } else {
                    DeviceProof::Missing
                }
            }
            _ => DeviceProof::NotNeeded,
        }
    }

    /// The lowest tier of a session that may make this request.
    pub(crate) fn least_tier(&self, entry: &ActionEntry) -> Tier {
        if is_exempt(entry) { Tier::Browser } else { entry.tier.max(self.settings().sessions.tier()) }
    }

    /// Records it if the request that was authorized at `now` has bound the session to its device.
    pub(crate) fn record_binding(&self, handle: &SessionHandle, session: &Session, now: u64) {
        if session.device.as_ref().is_some_and(|device| device.since == Some(now)) {
            self.record(Event {
                session: Some(*handle),
                user: Some(session.user.clone()),
                action: "device_bound".into(),
                outcome: Outcome::Noticed,
                reason: None,
            });
        }
    }

    /// Why a request to a device-bound session has no valid cookie.
    pub(crate) fn absence(&self, device: Option<&DeviceBinding>, headers: &HeaderMap) -> Absence {
        let under_way = millis(self.settings().lifetimes.device_cookie()) / SHARE_UNDER_WAY;
        let is_under_way = device.and_then(|device| device.since).is_none_or(|since| self.now() < since + under_way);
        // A clock was set, or the server's secret was replaced. The response removes the cookie, so the browser renews it.
        let has_cookie = cookies::has(headers, cookie::DEVICE);
        // A thief can send the same, and is rejected all the same.
        let is_skipped = !dbsc::header::skipped(headers).is_empty();
        if is_under_way || has_cookie || is_skipped { Absence::Explained } else { Absence::Unexplained }
    }
}

/// The endpoints, which the browser itself calls: they have no signature of the frame.
pub(crate) fn router(server: Server) -> Router {
    if server.devices().is_none() {
        return Router::new();
    }
    Router::new().route(REGISTRATION, post(register)).route(REFRESH, post(refresh)).with_state(server)
}

async fn register(State(server): State<Server>, request: http::Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    respond(&server, &parts, REGISTER_ACTION, async |devices| devices.0.respond_to_registration(&parts.headers).await)
        .await
}

async fn refresh(State(server): State<Server>, request: http::Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    respond(&server, &parts, REFRESH_ACTION, async |devices| devices.0.respond_to_refresh(&parts.headers).await).await
}

/// Answers within the client IP's limit. Over it the answer is 503, because browsers end a device's session after 429.
async fn respond(
    server: &Server,
    parts: &Parts,
    action: &'static str,
    answer: impl AsyncFnOnce(&Devices) -> http::Response<String>,
) -> Response {
    let Some(devices) = server.devices() else { return StatusCode::NOT_FOUND.into_response() };
    let max = server.settings().limits.device_proofs_per_minute_and_address;
    if let Err(reason) = server.count_address("device proofs", parts, max).await {
        server.record_rejection(None, None, action, &reason);
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")]).into_response();
    }
    let response = answer(devices).await;
    if let Some(reason) = response.extensions().get::<dbsc::Rejection>() {
        server.record_rejection(None, None, action, &Rejection::BadDeviceProof(*reason));
    } else if let Some(failure) = response.extensions().get::<dbsc::StoreFailure>() {
        tracing::error!(action, failure = %failure.0, "request rejected");
    }
    response.map(Body::from)
}

/// The sessions of the stores, as `dbsc` needs them.
struct DeviceStore {
    sessions: Arc<dyn SessionStore>,
    rate_limits: Arc<dyn RateLimitStore>,
    idle: Duration,
    clock: Clock,
}

#[async_trait]
impl dbsc::SessionStore for DeviceStore {
    /// The browser must also have the session's token.
    async fn register(&self, registration: Registration<'_>) -> Result<Option<SessionId>, StoreError> {
        let Ok(handle) = registration.authorization.parse::<SessionHandle>() else { return Ok(None) };
        if !session_tokens(registration.headers).iter().any(|token| token.handle() == handle) {
            return Ok(None);
        }
        let jwk = registration.key.to_jwk();
        let is_offered = self.sessions.offer_device(&handle, &jwk, self.idle, self.clock.now()).await?;
        Ok(if is_offered { Some(SessionId::new(registration.authorization)?) } else { None })
    }

    async fn key(&self, session: &SessionId) -> Result<Option<PublicKey>, StoreError> {
        let Ok(handle) = session.as_str().parse::<SessionHandle>() else { return Ok(None) };
        let session = self.sessions.find(&handle, self.idle, self.clock.now()).await?;
        let device = session.and_then(|session| session.device);
        Ok(device.map(|device| PublicKey::from_jwk(&device.jwk)).transpose()?)
    }

    async fn spend_challenge(&self, challenge: ChallengeId, expires: SystemTime) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        let window = expires.saturating_sub(Duration::from_millis(now));
        let name = format!("device_challenge:{:032x}", u128::from_be_bytes(challenge));
        let once = Counter { name, limit: Limit { max: 1, window } };
        Ok(matches!(self.rate_limits.count(&[once], now).await?, Counted::Within(_)))
    }
}
