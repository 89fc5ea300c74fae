//! Sign-in and registration on the sign origin: `POST /sign-in` and `POST /register` (docs/PROTOCOL.md §4).
//!
//! The client proves possession of the confirmation key before the password is checked. No session is opened or ended
//! before the password is verified. Neither the response nor its time reveals whether a user name exists: rate limits
//! count unknown names too, and the hasher does the same work for them.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use protocol::{
    action::Target,
    json,
    key::PublicKey,
    sign_origin::{SignIn, SignedIn, sign_in_statement},
    user::UserName,
};

use crate::{
    NewAccount, Server,
    audit::{Event, Outcome},
    ecdsa::{check_key, verify},
    headers::read_body,
    middleware::source_check::check_source,
    rejection::Rejection,
    sessions::Opened,
    settings::per_minute,
    sign_origin::assets::Page,
    sign_origin::{self, SignOrigin, take_challenge},
};

/// Maximum body size in bytes: JSON can escape each of a password's 1024 bytes as six.
const MAX_BODY: usize = 8192;

/// The media type of a form that the browser submits without script.
const FORM: &str = "application/x-www-form-urlencoded";

/// The form of the request.
#[derive(Clone, Copy)]
enum Form {
    SignIn,
    Register(NewAccount),
}

impl Form {
    fn action(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Register(_) => "register",
        }
    }

    fn page(self) -> Page {
        match self {
            Self::SignIn => Page::SignIn,
            Self::Register(_) => Page::Register,
        }
    }
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(State(server): State<Server>, request: Request) -> Response {
    post(&server, Form::SignIn, request).await
}

/// `POST /register`; 404 if the application does not allow registration.
pub(crate) async fn register(State(SignOrigin { server, register }): State<SignOrigin>, request: Request) -> Response {
    match register {
        Some(new_account) => post(&server, Form::Register(new_account), request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn post(server: &Server, form: Form, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if is_form(&parts.headers) {
        return handle_scriptless_post(server, form.page(), body).await;
    }
    let mut user = None;
    let opened = try_post(server, form, &parts, body, &mut user).await;
    match opened {
        Ok(Opened { handle, ticket, cookie }) => {
            server.record(Event {
                session: Some(handle),
                user,
                action: form.action().into(),
                outcome: Outcome::Passed,
                reason: None,
            });
            let enter = format!("{}/enter", server.settings().origins.app);
            let reply = SignedIn { ticket, enter, now: server.now() };
            ([(header::SET_COOKIE, cookie)], Json(reply)).into_response()
        }
        Err(reason) => {
            if matches!(reason, Rejection::WrongCredentials | Rejection::BadSignature | Rejection::BadChallenge) {
                server.record_auth_failure(&parts);
            }
            server.record_rejection(None, user, form.action(), &reason);
            reason.into_response()
        }
    }
}

/// Opens a session. Sets `named` to the request's user name as soon as it is parsed.
async fn try_post(
    server: &Server,
    form: Form,
    parts: &Parts,
    body: Body,
    named: &mut Option<UserName>,
) -> Result<Opened, Rejection> {
    check_source(server.settings(), &parts.headers, Target::Sign)?;
    let limits = server.settings().limits;
    server.count_address("sign_ins", parts, limits.sign_ins_per_minute_and_address).await?;
    let body = read_body(body, MAX_BODY).await?;
    let SignIn { user, password, jwk, challenge, signature } =
        json::read(&body).map_err(|_| Rejection::BodyMalformed)?;
    *named = Some(user.clone());
    let key = PublicKey::from(&jwk);
    check_key(&key).map_err(|_| Rejection::BadKey)?;
    let statement = sign_in_statement(server.settings().origins.sign.authority(), &challenge, &key.thumbprint());
    verify(key.as_sec1(), statement.as_bytes(), signature.as_p1363()).map_err(|_| Rejection::BadSignature)?;
    take_challenge(server, &challenge).await?;
    match form {
        Form::SignIn => {
            let limit = per_minute(limits.sign_ins_per_minute_and_account);
            server.count("sign_ins", &format!("sign_in:user:{user}"), limit).await?;
            server.accounts().sign_in(&user, password.reveal()).await?;
        }
        Form::Register(new_account) => {
            server.accounts().register_with(&user, password.reveal(), new_account(&user)?).await?;
        }
    }
    server.open_session(&user, key, parts).await
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

/// Returns the page with a hint after a submission without script: by a password manager, or with script disabled.
///
/// The submission is neither checked nor counted, because its credentials are not used.
async fn handle_scriptless_post(server: &Server, page: Page, body: Body) -> Response {
    let body = read_body(body, MAX_BODY).await.unwrap_or_else(|_| Bytes::new());
    let mut fields = form_urlencoded::parse(&body);
    // Any site can post here, so only a valid user name is shown.
    let user = fields.find(|(name, _)| name == "user").and_then(|(_, user)| UserName::parse(&user).ok());
    let html = page.html_after_post(server.settings(), user.as_ref().map(UserName::as_str).unwrap_or_default());
    sign_origin::page(server, page, html)
}
