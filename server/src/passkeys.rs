//! Passkeys: checks them in signed requests, and adds, lists and removes them (docs/PROTOCOL.md §12). `recovery` is for users
//! who have lost theirs.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::request::Parts;
use protocol::{
    action::{Action, ActionEntry, AnyAction, Level, Target},
    built_in::{AddPasskey, CreateRecoveryCodes, ReadPasskeys, RemovePasskey},
    message::header as name,
    passkey::{self, MAX_PASSKEYS, OwnPasskey, OwnPasskeys, SessionPasskeys},
    push::{PasskeyChange, Push, Security},
    recovery::{self as codes, CodeHash, OwnCodes},
    signature::Signature,
    token::SessionHandle,
};
use sha2::{Digest, Sha256};

pub mod credential_key;
pub(crate) mod recovery;
pub mod store;
pub mod webauthn;

use store::{Passkey, RecoveryCodes, UserPasskeys};
use webauthn::{Assertion, Expected, InvalidPasskey, NewCredential, verify_registration};

use crate::{
    Server,
    audit::{Event, Outcome},
    cookies::sign_cookies,
    ecdsa::verify,
    extract::Verified,
    headers::read_body,
    middleware::{client_nonce::has_client_nonce, source_check::check_source, unverified::UnverifiedRequest},
    model::{Session, UserId},
    rejection::Rejection,
};

/// How often a change is tried again when another request has changed the user's passkeys meanwhile.
const TRIES: usize = 4;

/// How long after a sign-in a session can add the user's first passkey, in ms. Otherwise a thief who has a session for minutes
/// could add a passkey, sign in with it at any time, and lock the user out.
const RECENT_SIGN_IN: u64 = 5 * 60_000;

/// The largest body of `POST /passkeys`, in bytes.
const MAX_BODY: usize = 64;

/// What the passkeys of a request have shown.
#[derive(Default)]
pub(crate) struct Attestation {
    /// Whether a passkey of the user has signed the request.
    pub(crate) is_attested: bool,
    /// The passkey that the request adds.
    pub(crate) new: Option<NewCredential>,
    /// The hashes of the recovery codes that the request creates.
    pub(crate) codes: Option<Vec<CodeHash>>,
}

/// The user handle (`WebAuthn` `user.id`) of a user.
pub(crate) fn user_handle(user: &UserId) -> [u8; 32] {
    Sha256::new().chain_update("pan-passkey-user\0").chain_update(user.as_str()).finalize().into()
}

/// The user handle as the sign origin's pages get it.
pub(crate) fn user_handle_text(user: &UserId) -> String {
    Base64UrlUnpadded::encode_string(&user_handle(user))
}

impl Server {
    /// What a passkey's response must be for: the challenge is the SHA-256 of a signed text.
    pub(crate) fn expected(&self, signed: &str) -> Expected<'_> {
        let sign = &self.settings().origins.sign;
        Expected { challenge: passkey::challenge(signed), origin: sign.as_str(), rp_id: sign.host() }
    }

    /// Checks the passkeys of a request whose signature is valid. `base` is what the confirmation key has signed.
    ///
    /// # Errors
    /// [`Rejection::BadPasskey`]; [`Rejection::PasskeyRequired`] if the action needs a passkey that has not signed.
    pub(crate) async fn check_passkeys(
        &self,
        unverified: &UnverifiedRequest,
        session: &Session,
        action: &dyn AnyAction,
        base: &str,
    ) -> Result<Attestation, Rejection> {
        let expected = self.expected(base);
        let is_attested = match &unverified.passkey {
            Some(text) => {
                let assertion = Assertion::parse(text)?;
                self.use_passkey(&session.user, Some(unverified.handle), &assertion, expected).await?;
                true
            }
            None => false,
        };
        if !is_attested && action.needs_passkey() {
            let (passkeys, _) = self.passkeys().read(&session.user).await?;
            if !passkeys.passkeys.is_empty() {
                return Err(Rejection::PasskeyRequired);
            }
            // For a session from before a recovery, a passkey was needed.
            let is_first = unverified.new_passkey.is_some();
            if passkeys.recovered > session.created || is_first && !self.is_recent(session) {
                return Err(Rejection::SignInRequired);
            }
        }
        let verify_statement = |statement: &str, signature: &Signature| {
            let verified = verify(session.confirmation_key.as_sec1(), statement.as_bytes(), signature.as_p1363());
            verified.map_err(|_| Rejection::BadSignature)
        };
        let new = match &unverified.new_passkey {
            Some((text, signature)) => {
                verify_statement(&passkey::new_passkey_statement(&expected.challenge, text), signature)?;
                Some(verify_registration(text, expected)?)
            }
            None => None,
        };
        let codes = match &unverified.recovery_codes {
            Some((hashes, signature)) => {
                verify_statement(&codes::statement(&expected.challenge, hashes), signature)?;
                Some(hashes.clone())
            }
            None => None,
        };
        Ok(Attestation { is_attested, new, codes })
    }

    /// Whether the user has just signed in.
    fn is_recent(&self, session: &Session) -> bool {
        self.now().saturating_sub(session.created) <= RECENT_SIGN_IN
    }

    /// Verifies an assertion of a user's passkey, and records its counter. `session` has sent it, unless it is a sign-in.
    ///
    /// # Errors
    /// [`Rejection::BadPasskey`].
    pub(crate) async fn use_passkey(
        &self,
        user: &UserId,
        session: Option<SessionHandle>,
        assertion: &Assertion,
        expected: Expected<'_>,
    ) -> Result<(), Rejection> {
        if assertion.user.as_ref().is_some_and(|handle| *handle != user_handle(user)) {
            return Err(InvalidPasskey::WrongUser.into());
        }
        for _ in 0..TRIES {
            let (mut passkeys, version) = self.passkeys().read(user).await?;
            let found = passkeys.passkeys.iter_mut().find(|passkey| passkey.id == assertion.id);
            let passkey = found.ok_or(InvalidPasskey::Unknown)?;
            match assertion.verify(&passkey.key, passkey.counter, expected) {
                Ok(counter) => passkey.counter = counter,
                Err(InvalidPasskey::Counter) => {
                    self.report_copy(user, session, passkey).await;
                    return Err(InvalidPasskey::Counter.into());
                }
                Err(invalid) => return Err(invalid.into()),
            }
            passkey.used = self.now();
            if self.passkeys().write(user, version, &passkeys).await? {
                return Ok(());
            }
        }
        Err(Rejection::Conflict)
    }

    /// Reports that an authenticator may have been copied: a theft signal.
    async fn report_copy(&self, user: &UserId, session: Option<SessionHandle>, passkey: &Passkey) {
        tracing::warn!(%user, passkey = %passkey.id, "the counter of a passkey has not increased");
        self.record(Event {
            session,
            user: Some(user.clone()),
            action: "theft".into(),
            outcome: Outcome::Noticed,
            reason: Some(InvalidPasskey::Counter.name().into()),
        });
        self.publish_passkey(user, session, PasskeyChange::Copied, passkey.name.as_str()).await;
    }

    /// Announces a change to all sessions of the user.
    pub(crate) async fn publish_passkey(
        &self,
        user: &UserId,
        session: Option<SessionHandle>,
        change: PasskeyChange,
        name: &str,
    ) {
        let event = Security::Passkey { change, name: name.to_owned(), session };
        self.publish(user, Push::Security(event)).await;
    }

    /// Changes a user's passkeys. Tries again if another request has changed them meanwhile.
    ///
    /// # Errors
    /// [`Rejection::PasskeyRequired`] unless a passkey has signed the request (`is_attested`): another request may have added the
    /// first one since the request was verified.
    async fn change_passkeys(
        &self,
        user: &UserId,
        is_attested: bool,
        change: impl Fn(&mut UserPasskeys) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        for _ in 0..TRIES {
            let (mut passkeys, version) = self.passkeys().read(user).await?;
            if !passkeys.passkeys.is_empty() && !is_attested {
                return Err(Rejection::PasskeyRequired);
            }
            change(&mut passkeys)?;
            if self.passkeys().write(user, version, &passkeys).await? {
                return Ok(());
            }
        }
        Err(Rejection::Conflict)
    }
}

/// `POST /api/passkeys`.
pub(crate) async fn list(
    State(server): State<Server>,
    request: Verified<ReadPasskeys>,
) -> Result<Json<OwnPasskeys>, Rejection> {
    let (UserPasskeys { passkeys, codes, .. }, _) = server.passkeys().read(request.user()).await?;
    let own = |Passkey { id, name, created, used, .. }| OwnPasskey { id, name, created, used };
    let codes = codes.map(|RecoveryCodes { created, hashes }| OwnCodes { unused: hashes.len(), created });
    Ok(Json(OwnPasskeys { passkeys: passkeys.into_iter().map(own).collect(), codes }))
}

/// `POST /api/add_passkey`. The middleware has verified the new passkey.
pub(crate) async fn add(State(server): State<Server>, request: Verified<AddPasskey>) -> Result<Json<()>, Rejection> {
    let NewCredential { id, key, counter } = request.new_passkey().cloned().ok_or(Rejection::Unverified)?;
    if server.passkeys().owner(&id).await?.is_some() {
        return Err(Rejection::PasskeyTaken);
    }
    let (user, now, name) = (request.user(), server.now(), &request.action().name);
    let passkey = Passkey { id, name: name.clone(), key, counter, created: now, used: now };
    let change = |passkeys: &mut UserPasskeys| {
        if passkeys.passkeys.len() >= MAX_PASSKEYS {
            return Err(Rejection::TooManyPasskeys);
        }
        passkeys.passkeys.push(passkey.clone());
        Ok(())
    };
    server.change_passkeys(user, request.level() == Level::Attested, change).await?;
    server.publish_passkey(user, Some(*request.session()), PasskeyChange::Added, name.as_str()).await;
    Ok(Json(()))
}

/// `POST /api/remove_passkey`.
pub(crate) async fn remove(
    State(server): State<Server>,
    request: Verified<RemovePasskey>,
) -> Result<Json<()>, Rejection> {
    let RemovePasskey { passkey: id, name } = request.action();
    let change = |passkeys: &mut UserPasskeys| {
        // The page has named it, and the user has confirmed that name.
        let is_it = |passkey: &Passkey| passkey.id == *id && passkey.name == *name;
        let at = passkeys.passkeys.iter().position(is_it).ok_or(Rejection::NoSuchPasskey)?;
        passkeys.passkeys.remove(at);
        if passkeys.passkeys.is_empty() {
            // They would recover a passkey that the user adds later.
            passkeys.codes = None;
        }
        Ok(())
    };
    server.change_passkeys(request.user(), request.level() == Level::Attested, change).await?;
    server.publish_passkey(request.user(), Some(*request.session()), PasskeyChange::Removed, name.as_str()).await;
    Ok(Json(()))
}

/// `POST /passkeys` on the sign origin: what the confirmation window needs to use or to create a passkey. Only a page of the
/// sign origin can send it, with the cookie of a live session.
pub(crate) async fn of_session(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match try_of_session(&server, &parts, body).await {
        Ok(passkeys) => Json(passkeys).into_response(),
        Err(reason) => server.reject("session_passkeys", reason),
    }
}

async fn try_of_session(server: &Server, parts: &Parts, body: Body) -> Result<SessionPasskeys, Rejection> {
    let settings = server.settings();
    check_source(settings, &parts.headers, Target::Sign)?;
    let device = server.known_devices().any(&parts.headers, server.now());
    server.count_client("passkeys", parts, device.as_ref(), settings.limits.binds_per_minute_and_address).await?;
    let body = read_body(body, MAX_BODY).await?;
    let handle: SessionHandle = std::str::from_utf8(&body)
        .ok()
        .and_then(|text| SessionHandle::parse(text.trim_matches('"')).ok())
        .ok_or(Rejection::BodyMalformed)?;
    let cookie = sign_cookies(&parts.headers).into_iter().find(|cookie| cookie.handle == handle);
    let cookie = cookie.ok_or(Rejection::NoSignCookie)?;
    let session = server.stores().sessions.find(&handle, settings.lifetimes.idle(), server.now()).await?;
    let session = session.ok_or(Rejection::NoSession(None))?;
    if session.sign_secret != cookie.secret {
        return Err(Rejection::WrongSignCookie);
    }
    let (passkeys, _) = server.passkeys().read(&session.user).await?;
    Ok(SessionPasskeys {
        user: user_handle_text(&session.user),
        ids: passkeys.passkeys.iter().map(|passkey| passkey.id.clone()).collect(),
        recent: server.is_recent(&session) && passkeys.recovered <= session.created,
    })
}

/// Whether the headers with passkeys fit the action and the proof's level. Needs no store.
///
/// # Errors
/// [`Rejection::HeaderMalformed`].
pub(crate) fn check_headers(
    entry: &ActionEntry,
    unverified: &UnverifiedRequest,
    level: Option<Level>,
) -> Result<(), Rejection> {
    // Only the confirmation window uses passkeys. A nonce of the client's does not outlast the longer freshness.
    let can_attest = level >= Some(Level::Confirmed) && !has_client_nonce(entry);
    if unverified.passkey.is_some() && !can_attest {
        return Err(Rejection::HeaderMalformed(name::PASSKEY));
    }
    if unverified.new_passkey.is_some() != (entry.path == AddPasskey::PATH) {
        return Err(Rejection::HeaderMalformed(name::NEW_PASSKEY));
    }
    if unverified.recovery_codes.is_some() != (entry.path == CreateRecoveryCodes::PATH) {
        return Err(Rejection::HeaderMalformed(name::RECOVERY_CODES));
    }
    Ok(())
}
