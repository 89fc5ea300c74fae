//! `POST /enter` on the app origin: a browser that has signed in on the sign origin enters its session
//! (docs/PROTOCOL.md §4).
//!
//! The sign-in page submits the form by navigation, so script of the app origin cannot see the ticket. The request
//! needs the `Origin` of the sign origin: otherwise an attacker could sign a victim's browser in to the attacker's
//! account. It also needs a signature by the confirmation key over the session and the return path, so a stolen ticket
//! is useless.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{AppendHeaders, Html, IntoResponse, Redirect, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use protocol::{
    push::{Push, Security},
    return_path,
    sign_origin::enter_statement,
    signature::Signature,
    token::{EntryTicket, SessionHandle},
};

use crate::{
    Server,
    audit::{Event, Outcome},
    cookies,
    ecdsa::verify,
    headers::{FORM, is_media_type, read_body, single},
    model::Session,
    rejection::Rejection,
    settings::Settings,
    store::Entering,
    user_agent,
};

/// Maximum body size in bytes: escaping can triple a return path of 512 bytes.
const MAX_BODY: usize = 4096;

const ACTION: &str = "enter";

pub(crate) fn router(server: Server) -> Router {
    Router::new().route("/enter", post(enter).get(show_account)).with_state(server)
}

/// `GET /enter`: from the address bar, from the history, or a restored tab. The account page says whether the user is signed in.
async fn show_account() -> Redirect {
    Redirect::to(return_path::DEFAULT)
}

async fn enter(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_enter(&server, &parts, body).await {
        Ok(response) => response,
        Err(mut reason) => {
            if matches!(reason, Rejection::NothingToEnter | Rejection::BadSignature) {
                server.record_auth_failure(&parts);
                // Only failures count, so a flood from the user's network does not stop a valid entry.
                let max = server.settings().limits.sign_ins_per_minute_and_address;
                if let Err(limited) = server.count_address("entries", &parts, max).await {
                    reason = limited;
                }
            }
            server.record_rejection(None, None, ACTION, &reason);
            (reason.status(), Html(failed(server.settings(), &reason))).into_response()
        }
    }
}

async fn try_enter(server: &Server, parts: &Parts, body: Body) -> Result<Response, Rejection> {
    let settings = server.settings();
    check_navigation(settings, &parts.headers)?;
    let body = read_body(body, MAX_BODY).await?;
    let Form { ticket, signature, return_path } = Form::parse(&body).ok_or(Rejection::BodyMalformed)?;
    let token = ticket.token();
    let (handle, now) = (token.handle(), server.now());
    let enterable = server.stores().sessions.find_enterable(&handle, now).await?.ok_or(Rejection::NothingToEnter)?;
    let statement = enter_statement(settings.origins.app.authority(), &handle, &return_path);
    verify(enterable.session.confirmation_key.as_sec1(), statement.as_bytes(), signature.as_p1363())
        .map_err(|_| Rejection::BadSignature)?;
    match server.enter_session(&handle, enterable, &parts.headers).await? {
        Entering::Entered(session, _) => announce(server, handle, *session).await,
        // The response to an earlier request was lost, and the browser sends the form again.
        Entering::Again(_) => {}
        Entering::AtCap => return Err(Rejection::TooManySessions),
        Entering::NoSession => return Err(Rejection::NothingToEnter),
    }
    let headers = AppendHeaders([
        // In this order: a browser without support for `Partitioned` (WebKitGTK) would otherwise remove the new cookie.
        (header::SET_COOKIE, cookies::clear_partitioned_session()),
        (header::SET_COOKIE, cookies::set_session(&token, settings.lifetimes.session)),
    ]);
    let location = [(header::LOCATION, return_path::check(&return_path).to_owned())];
    // With "same-origin" the page could not learn that the user comes from the sign origin.
    let referrer = [(header::REFERRER_POLICY, "strict-origin")];
    let mut response = (StatusCode::SEE_OTHER, location, referrer, headers).into_response();
    if let Some(offer) = server.devices().and_then(|devices| devices.offer(&handle)) {
        response.headers_mut().insert(dbsc::header::REGISTRATION, offer);
    }
    Ok(response)
}

/// Records the new session, and tells the user's other pages.
async fn announce(server: &Server, handle: SessionHandle, session: Session) {
    server.record(Event {
        session: Some(handle),
        user: Some(session.user.clone()),
        action: ACTION.into(),
        outcome: Outcome::Passed,
        reason: None,
    });
    let (device, network) = (user_agent::describe(&session.agent), session.ip);
    server.publish(&session.user, Push::Security(Security::SignedIn { session: handle, device, network })).await;
}

/// Checks that a form of the sign origin navigates here.
fn check_navigation(settings: &Settings, headers: &HeaderMap) -> Result<(), Rejection> {
    match single(headers, "origin") {
        Ok(value) if value == settings.origins.sign.as_str() => {}
        _ => return Err(Rejection::WrongOrigin),
    }
    // Old browsers and other clients do not send these headers. The Origin header is checked above.
    for (name, accepted) in [("sec-fetch-site", &["same-site", "same-origin"][..]), ("sec-fetch-mode", &["navigate"])] {
        match single(headers, name) {
            Ok(value) if accepted.iter().any(|accepted| value == accepted) => {}
            Err(Rejection::HeaderMissing(_)) => {}
            _ => return Err(Rejection::CrossSite),
        }
    }
    match single(headers, "content-type") {
        Ok(value) if is_media_type(value, FORM) => Ok(()),
        _ => Err(Rejection::WrongContentType),
    }
}

struct Form {
    ticket: EntryTicket,
    signature: Signature,
    return_path: String,
}

impl Form {
    /// Parses the form: each field exactly once, and no other fields.
    fn parse(body: &[u8]) -> Option<Self> {
        let (mut ticket, mut signature, mut return_path) = (None, None, None);
        for (name, value) in form_urlencoded::parse(body) {
            let field = match &*name {
                "ticket" => &mut ticket,
                "signature" => &mut signature,
                "return" => &mut return_path,
                _ => return None,
            };
            if field.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            ticket: EntryTicket::parse(&ticket?).ok()?,
            signature: Signature::parse(&signature?).ok()?,
            return_path: return_path?.into_owned(),
        })
    }
}

/// The page for a user whose entry failed.
fn failed(settings: &Settings, reason: &Rejection) -> String {
    let explanation = match reason {
        Rejection::TooManySessions => "You are signed in on too many devices. Sign out on one of them first.",
        Rejection::WrongOrigin | Rejection::CrossSite => {
            "This browser, or a program between it and the server, does not say from which page the sign-in came (Origin). \
             Turn off what may remove it for this site: an extension, a security program or a proxy."
        }
        Rejection::Limited(..) => "There are too many sign-ins from your network. Wait a minute.",
        Rejection::Store(_) => "The service is not available at the moment. Wait a minute.",
        _ => "Signing in took too long, or this page was loaded twice.",
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Sign in again</title>\n\
         <h1>You are not signed in</h1>\n\
         <p>{explanation} <a href=\"{}/sign-in\">Sign in again</a></p>\n",
        settings.origins.sign
    )
}
