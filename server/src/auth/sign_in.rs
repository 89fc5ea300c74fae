//! Sign-in, registration and recovery on the sign origin: `POST /sign-in`, `POST /register` and `POST /recover`
//! (docs/PROTOCOL.md §4 and §12).
//!
//! The client proves possession of the confirmation key before the password is checked. No session is opened or ended
//! before the password is verified. Neither the response nor its time reveals whether a user exists: rate limits count
//! unknown logins too, and the [`CredentialStore`](super::credentials::CredentialStore) does the same work for them.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    response::{AppendHeaders, IntoResponse, Response},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use protocol::{
    action::Target,
    json,
    key::{Jwk, PublicKey},
    push::PasskeyChange,
    recovery::{Recover, RecoveryCode},
    sign_origin::{Password, SignIn, SignedIn, sign_in_statement},
    signature::Signature,
    token::Challenge,
    user::Login,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::{
    credentials::{CredentialError, PasswordCheck},
    known_devices::KnownDevice,
};
use crate::{
    Server,
    audit::{Event, Outcome},
    ecdsa::{check_key, verify},
    headers::{FORM, is_media_type, read_body},
    middleware::source_check::check_source,
    model::UserId,
    rejection::Rejection,
    sessions::Opened,
    settings::per_minute,
    sign_origin::assets::Page,
    sign_origin::{self, take_challenge},
};

/// Maximum body size in bytes: JSON can escape each of a password's 1024 bytes as six.
const MAX_BODY: usize = 8192;

/// The form of the request.
#[derive(Clone, Copy)]
enum Form {
    SignIn,
    Register,
    Recover,
}

impl Form {
    fn action(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Register => "register",
            Self::Recover => "recover",
        }
    }

    /// Action and reason of an opened session in the audit log.
    fn opened(self) -> (&'static str, Option<&'static str>) {
        match self {
            // The use of the code is an entry of its own.
            Self::Recover => ("sign_in", Some("recovery_code")),
            form => (form.action(), None),
        }
    }

    fn page(self) -> Page {
        match self {
            Self::SignIn => Page::SignIn,
            Self::Register => Page::Register,
            Self::Recover => Page::Recover,
        }
    }
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(State(server): State<Server>, request: Request) -> Response {
    post(&server, Form::SignIn, request).await
}

/// `POST /register`; 404 if users may not register.
pub(crate) async fn register(State(server): State<Server>, request: Request) -> Response {
    if !server.credentials().allows_registration() {
        return StatusCode::NOT_FOUND.into_response();
    }
    post(&server, Form::Register, request).await
}

/// `POST /recover`. It goes on if the client disconnects: a recovery is always recorded and announced.
pub(crate) async fn recover(State(server): State<Server>, request: Request) -> Response {
    let recovery = async move { post(&server, Form::Recover, request).await };
    tokio::spawn(recovery.in_current_span()).await.unwrap_or_else(|_| Rejection::Unverified.into_response())
}

async fn post(server: &Server, form: Form, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if is_form(&parts.headers) {
        return handle_scriptless_post(server, form.page(), body).await;
    }
    let mut user = None;
    let opened = try_post(server, form, &parts, body, &mut user).await;
    match opened {
        Ok((Opened { handle, ticket, cookie }, device)) => {
            let (action, reason) = form.opened();
            server.record(Event {
                session: Some(handle),
                user,
                action: action.into(),
                outcome: Outcome::Passed,
                reason: reason.map(Into::into),
            });
            let enter = format!("{}/enter", server.settings().origins.app);
            let reply = SignedIn { ticket, enter, now: server.now() };
            respond(cookie, device, reply)
        }
        Err(reason) => {
            if is_auth_failure(&reason) {
                server.record_auth_failure(&parts);
            }
            server.record_rejection(None, user, form.action(), &reason);
            reason.into_response()
        }
    }
}

/// Whether a rejection counts as a failed sign-in of its client.
pub(super) fn is_auth_failure(reason: &Rejection) -> bool {
    matches!(
        reason,
        Rejection::WrongCredentials
            | Rejection::WrongCode
            | Rejection::BadPasskey(_)
            | Rejection::BadSignature
            | Rejection::BadChallenge
    )
}

/// The response that opens a session, with the cookies of the session and of the known device.
pub(super) fn respond(session: HeaderValue, device: Option<HeaderValue>, reply: impl Serialize) -> Response {
    let cookies = [Some(session), device].into_iter().flatten().map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookies), Json(reply)).into_response()
}

/// Checks that the client has the private half of a confirmation key, and spends its challenge. Returns the key and the
/// statement that it has signed.
pub(super) async fn check_possession(
    server: &Server,
    jwk: &Jwk,
    challenge: &Challenge,
    signature: &Signature,
) -> Result<(PublicKey, String), Rejection> {
    let key = PublicKey::from(jwk);
    check_key(&key).map_err(|_| Rejection::BadKey)?;
    let statement = sign_in_statement(server.settings().origins.sign.authority(), challenge, &key.thumbprint());
    verify(key.as_sec1(), statement.as_bytes(), signature.as_p1363()).map_err(|_| Rejection::BadSignature)?;
    take_challenge(server, challenge).await?;
    Ok((key, statement))
}

/// Opens a session. Returns it with the cookie of the known device. Sets `known` as soon as the login is known to be a
/// user's.
async fn try_post(
    server: &Server,
    form: Form,
    parts: &Parts,
    body: Body,
    known: &mut Option<UserId>,
) -> Result<(Opened, Option<HeaderValue>), Rejection> {
    check_source(server.settings(), &parts.headers, Target::Sign)?;
    let limits = server.settings().limits;
    let body = read_body(body, MAX_BODY).await?;
    let read = read_credentials(server, form, &body);
    let login = read.as_ref().ok().map(|read| &read.login);
    let device = login.and_then(|login| server.known_devices().of(&parts.headers, login, server.now()));
    server.count_client("sign_ins", parts, device.as_ref(), limits.sign_ins_per_minute_and_address).await?;
    // Requests that cannot be read are counted too.
    let Credentials { sign_in, code, login } = read?;
    let SignIn { password, jwk, challenge, signature, .. } = sign_in;
    let (key, _) = check_possession(server, &jwk, &challenge, &signature).await?;
    let attempt = Attempt { server: server.clone(), login: login.clone(), password };
    let user = match form {
        Form::SignIn | Form::Recover => {
            let limit = per_minute(limits.sign_ins_per_minute_and_account);
            server.count("sign_ins", counter(&login, device.as_ref()), limit).await?;
            let check = server.password_attempts().run(device.as_ref(), attempt.check()).await?;
            if let PasswordCheck::Right(user) | PasswordCheck::Wrong(user) = &check {
                *known = Some(user.clone());
            }
            match (code, check) {
                (Some(code), check) => server.use_recovery_code(&check, &code).await?,
                (None, PasswordCheck::Right(user)) => user,
                (None, _) => return Err(Rejection::WrongCredentials),
            }
        }
        Form::Register => server.password_attempts().run(None, attempt.register()).await?,
    };
    *known = Some(user.clone());
    let opened = server.open_session(&user, key, parts).await;
    if matches!(form, Form::Recover) {
        // Also when the session cannot be opened: the passkeys are removed.
        let session = opened.as_ref().ok().map(|opened| opened.handle);
        server.publish_passkey(&user, session, PasskeyChange::Recovered, "").await;
    }
    Ok((opened?, server.known_devices().remember(&parts.headers, &login, server.now())))
}

/// What a body contains.
struct Credentials {
    sign_in: SignIn,
    /// The recovery code, with [`Form::Recover`] only.
    code: Option<RecoveryCode>,
    /// The normalized login.
    login: Login,
}

fn read_credentials(server: &Server, form: Form, body: &[u8]) -> Result<Credentials, Rejection> {
    let (sign_in, code) = match form {
        Form::SignIn | Form::Register => (json::read::<SignIn>(body).map_err(|_| Rejection::BodyMalformed)?, None),
        Form::Recover => {
            let Recover { user, password, code, jwk, challenge, signature } =
                json::read(body).map_err(|_| Rejection::BodyMalformed)?;
            (SignIn { user, password, jwk, challenge, signature }, Some(code))
        }
    };
    let login = server.credentials().normalize(&sign_in.user)?;
    Ok(Credentials { sign_in, code, login })
}

/// A login and its password, owned so that the attempt goes on if the client disconnects.
struct Attempt {
    server: Server,
    login: Login,
    password: Password,
}

impl Attempt {
    async fn check(self) -> Result<PasswordCheck, CredentialError> {
        self.server.credentials().check(&self.login, self.password.reveal()).await
    }

    async fn register(self) -> Result<UserId, CredentialError> {
        self.server.credentials().register(&self.login, self.password.reveal()).await
    }
}

/// The counter of a login's attempts: known devices have their own. It is named by a hash: users type passwords into the
/// wrong field, and the length of a key must be bounded.
pub(super) fn counter(login: &Login, device: Option<&KnownDevice>) -> String {
    match device {
        Some(device) => format!("sign_in:device:{device}"),
        None => format!("sign_in:user:{}", Base64UrlUnpadded::encode_string(&Sha256::digest(login.as_str()))),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| is_media_type(kind, FORM))
}

/// Returns the page with a hint after a submission without script: by a password manager, or with script disabled.
///
/// The submission is neither checked nor counted, because its credentials are not used.
async fn handle_scriptless_post(server: &Server, page: Page, body: Body) -> Response {
    let body = read_body(body, MAX_BODY).await.unwrap_or_else(|_| Bytes::new());
    let mut fields = form_urlencoded::parse(&body);
    let user = fields.find(|(name, _)| name == "user").and_then(|(_, user)| Login::parse(&user).ok());
    // Any site can post here, so the page shows only what an account can be named.
    let login = user.and_then(|user| server.credentials().normalize(&user).ok());
    let login = login.as_ref().map(Login::as_str).unwrap_or_default();
    sign_origin::page(server, page, page.html_after_post(server.settings(), server.credentials(), login))
}
