//! Sign-in with a passkey: `POST /sign-in/passkey` (docs/PROTOCOL.md §12).
//!
//! The passkey's challenge is the SHA-256 of the sign-in statement, which names the new confirmation key: the assertion signs
//! in that key and no other. An unknown passkey and a wrong signature get the same response.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, request::Parts};
use protocol::{
    action::Target,
    json,
    passkey::{PasskeySignIn, PasskeySignedIn},
    user::Login,
};

use super::sign_in::{check_possession, counter, is_auth_failure, respond};
use crate::{
    Server,
    audit::{Event, Outcome},
    headers::read_body,
    middleware::source_check::check_source,
    model::UserId,
    passkeys::webauthn::{Assertion, InvalidPasskey},
    rejection::Rejection,
    sessions::Opened,
    settings::per_minute,
};

/// The largest body, in bytes.
const MAX_BODY: usize = 8192;

/// `POST /sign-in/passkey`.
pub(crate) async fn sign_in(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut user = None;
    match try_sign_in(&server, &parts, body, &mut user).await {
        Ok(SignedIn { opened: Opened { handle, ticket, cookie }, login, device }) => {
            let (outcome, reason) = (Outcome::Passed, Some("passkey".into()));
            server.record(Event { session: Some(handle), user, action: "sign_in".into(), outcome, reason });
            let enter = format!("{}/enter", server.settings().origins.app);
            let reply = PasskeySignedIn { user: login, ticket, enter, now: server.now() };
            respond(cookie, device, reply)
        }
        Err(reason) => {
            if is_auth_failure(&reason) {
                server.record_auth_failure(&parts);
            }
            server.record_rejection(None, user, "sign_in", &reason);
            match reason {
                // The precise reason would tell whether the server knows the passkey.
                Rejection::BadPasskey(_) => Rejection::WrongCredentials.into_response(),
                reason => reason.into_response(),
            }
        }
    }
}

struct SignedIn {
    opened: Opened,
    login: Login,
    device: Option<HeaderValue>,
}

/// Opens a session. Sets `known` once the passkey is known to be a user's.
async fn try_sign_in(
    server: &Server,
    parts: &Parts,
    body: Body,
    known: &mut Option<UserId>,
) -> Result<SignedIn, Rejection> {
    check_source(server.settings(), &parts.headers, Target::Sign)?;
    let limits = server.settings().limits;
    let device = server.known_devices().any(&parts.headers, server.now());
    server.count_client("sign_ins", parts, device.as_ref(), limits.sign_ins_per_minute_and_address).await?;
    let body = read_body(body, MAX_BODY).await?;
    let PasskeySignIn { jwk, challenge, signature, passkey } =
        json::read(&body).map_err(|_| Rejection::BodyMalformed)?;
    let (key, statement) = check_possession(server, &jwk, &challenge, &signature).await?;
    let (assertion, expected) = (Assertion::parse(&passkey)?, server.expected(&statement));
    // The time tells whether there is such a passkey. Its ID cannot be guessed.
    let user = server.passkeys().owner(&assertion.id).await?.ok_or(InvalidPasskey::Unknown)?;
    let login = server.credentials().login(&user).await?.ok_or(InvalidPasskey::Unknown)?;
    // Counted apart from passwords, which anyone can send: an attacker cannot guess the ID of a passkey.
    let limit = per_minute(limits.sign_ins_per_minute_and_account);
    server.count("sign_ins", format!("passkey_{}", counter(&login, None)), limit).await?;
    // A discoverable passkey names its user (WebAuthn §7.2 step 6).
    if assertion.user.is_none() {
        return Err(InvalidPasskey::WrongUser.into());
    }
    *known = Some(user.clone());
    server.use_passkey(&user, None, &assertion, expected).await?;
    let opened = server.open_session(&user, key, parts).await?;
    let device = server.known_devices().remember(&parts.headers, &login, server.now());
    Ok(SignedIn { opened, login, device })
}
