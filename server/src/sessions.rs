//! Opens, lists and ends sessions.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use protocol::{
    key::PublicKey,
    problem::Ended,
    push::{Push, Security},
    token::{EntryTicket, SessionHandle, SessionToken, SignSecret},
};

use crate::{
    Server, VerifiedRequest,
    audit::{Event, Outcome},
    client_ip::ClientIp,
    cookies,
    model::UserId,
    random::random,
    rejection::Rejection,
    store::{AtCap, EnterSession, Enterable, Entering, NewSession, Session, SessionCap, StoreError},
};

/// How long the entry ticket is valid after signing in.
const ENTER_WITHIN: Duration = Duration::from_secs(60);

/// Maximum stored length of the `User-Agent` header, in characters.
const MAX_AGENT: usize = 256;

/// A newly opened session.
pub(crate) struct Opened {
    pub(crate) handle: SessionHandle,
    /// The ticket with which the browser enters the session.
    pub(crate) ticket: EntryTicket,
    /// The `Set-Cookie` value for the sign origin.
    pub(crate) cookie: HeaderValue,
}

impl Server {
    /// Opens a session for a user who gave the right password. It is unusable until the browser has entered it.
    ///
    /// The token is always new, which prevents session fixation. No session ends before the browser enters this one,
    /// because the response can be lost. Then the user's previous session in this browser ends. A session of another user
    /// does not: otherwise an attacker with its stolen cookie could end it by signing in to their own account.
    ///
    /// # Errors
    /// [`Rejection::TooManySessions`] at the session limit, if the settings say to reject the new session; others if
    /// the store or the random number generator fails.
    pub(crate) async fn open_session(
        &self,
        user: &UserId,
        confirmation_key: PublicKey,
        from: &Parts,
    ) -> Result<Opened, Rejection> {
        let ticket = EntryTicket::new(random()?);
        let secret = SignSecret::new(random()?);
        let handle = ticket.token().handle();
        let settings = self.settings();
        let created = self.now();
        let replaces = self.previous_of_sign_origin(user, &from.headers).await?;
        self.check_room(user, replaces.is_some()).await?;
        let agent = from.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let life = settings.lifetimes.session;
        let session = NewSession {
            handle,
            user: user.clone(),
            confirmation_key,
            created,
            enter_by: created + ENTER_WITHIN.as_secs() * 1000,
            expires: created + life * 1000,
            ip: self.address(from).map(ClientIp::prefix).unwrap_or_default(),
            agent: agent.chars().take(MAX_AGENT).collect(),
            sign_secret: secret.hashed(),
            replaces,
        };
        self.stores().sessions.create(session).await?;
        Ok(Opened { handle, ticket, cookie: cookies::set_sign(&handle, &secret, life) })
    }

    /// Tells the user at the sign-in that there is no room for another session. Entering it decides.
    async fn check_room(&self, user: &UserId, replaces_one: bool) -> Result<(), Rejection> {
        let SessionCap { max, at_cap } = self.settings().sessions.cap();
        if at_cap == AtCap::RejectNew {
            let live = self.stores().sessions.list(user, self.settings().lifetimes.idle(), self.now()).await?;
            if live.len() >= max + usize::from(replaces_one) {
                return Err(Rejection::TooManySessions);
            }
        }
        Ok(())
    }

    /// Enters a session that was found enterable. First it ends the user's previous sessions in this browser: otherwise
    /// signing in again in one browser would, at the session limit, end the sessions of the user's other devices.
    ///
    /// # Errors
    /// [`Rejection::NothingToEnter`], [`Rejection::TooManySessions`], [`Rejection::Store`].
    pub(crate) async fn enter_session(
        &self,
        handle: &SessionHandle,
        Enterable { session, replaces }: Enterable,
        headers: &HeaderMap,
    ) -> Result<Entering, Rejection> {
        let user = session.user;
        if let Some(previous) = replaces {
            self.end(&previous, &user, Ended::SignedOut).await?;
        }
        self.end_previous_of_page(&user, handle, headers).await?;
        let (cap, idle) = (self.settings().sessions.cap(), self.settings().lifetimes.idle());
        let enter = EnterSession { handle: *handle, user: user.clone(), cap, idle, now: self.now() };
        let entering = self.stores().sessions.enter(enter).await?;
        if let Entering::Entered(_, displaced) = &entering {
            self.metrics().count_opened();
            for ended in displaced {
                self.record_session_end(ended, &user, Ended::Replaced).await;
            }
        }
        Ok(entering)
    }

    /// The user's live session whose cookie the browser sends to the sign origin.
    async fn previous_of_sign_origin(
        &self,
        user: &UserId,
        headers: &HeaderMap,
    ) -> Result<Option<SessionHandle>, StoreError> {
        for cookie in cookies::sign_cookies(headers) {
            let session = self.find_live(&cookie.handle).await?;
            if session.is_some_and(|session| session.user == *user && session.sign_secret == cookie.secret) {
                return Ok(Some(cookie.handle));
            }
        }
        Ok(None)
    }

    /// Ends the user's sessions whose cookies the browser sends to the app origin, except the one being entered.
    async fn end_previous_of_page(
        &self,
        user: &UserId,
        entered: &SessionHandle,
        headers: &HeaderMap,
    ) -> Result<(), StoreError> {
        for handle in cookies::session_tokens(headers).iter().map(SessionToken::handle) {
            if handle != *entered && self.find_live(&handle).await?.is_some_and(|session| session.user == *user) {
                self.end(&handle, user, Ended::SignedOut).await?;
            }
        }
        Ok(())
    }

    async fn find_live(&self, handle: &SessionHandle) -> Result<Option<Session>, StoreError> {
        self.stores().sessions.find(handle, self.settings().lifetimes.idle(), self.now()).await
    }

    /// Ends the requesting session immediately on all servers. Returns response headers that clear the browser's data.
    ///
    /// The headers remove the session cookie, a partitioned cookie of the same name, the device cookie, and the app origin's
    /// storage with the device's session.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the session may then still be live.
    pub async fn sign_out(&self, request: &VerifiedRequest) -> Result<[(HeaderName, HeaderValue); 4], StoreError> {
        self.end(request.session(), request.user(), Ended::SignedOut).await?;
        Ok([
            (header::SET_COOKIE, cookies::clear_session()),
            (header::SET_COOKIE, cookies::clear_partitioned_session()),
            (header::SET_COOKIE, cookies::clear_device()),
            (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"storage\"")),
        ])
    }

    /// The requesting user's sessions, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn sessions(&self, request: &VerifiedRequest) -> Result<Vec<(SessionHandle, Session)>, StoreError> {
        self.stores().sessions.list(request.user(), self.settings().lifetimes.idle(), self.now()).await
    }

    /// Ends one of the requesting user's sessions immediately on all servers. `false` if the user has no such session.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the session may then still be live.
    pub async fn revoke(&self, request: &VerifiedRequest, handle: &SessionHandle) -> Result<bool, StoreError> {
        let is_theirs = self.sessions(request).await?.iter().any(|(theirs, _)| theirs == handle);
        Ok(is_theirs && self.end(handle, request.user(), Ended::Revoked).await?)
    }

    /// Ends all of the user's sessions except the requesting one. Returns how many ended.
    ///
    /// This includes sessions that are not entered yet: otherwise an attacker could enter one afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; some sessions may then still be live.
    pub async fn revoke_others(&self, request: &VerifiedRequest) -> Result<usize, StoreError> {
        let idle = self.settings().lifetimes.idle();
        let mut ended = 0;
        for handle in self.stores().sessions.handles(request.user(), idle, self.now()).await? {
            if handle != *request.session() {
                ended += usize::from(self.end(&handle, request.user(), Ended::Revoked).await?);
            }
        }
        Ok(ended)
    }

    pub(crate) async fn end(&self, handle: &SessionHandle, user: &UserId, reason: Ended) -> Result<bool, StoreError> {
        let ended = self.stores().sessions.end(handle, user, reason, self.now()).await?;
        if ended {
            self.record_session_end(handle, user, reason).await;
        }
        Ok(ended)
    }

    async fn record_session_end(&self, handle: &SessionHandle, user: &UserId, reason: Ended) {
        self.metrics().count_ended(reason);
        // This server closes its push connections now, the others when they receive the event.
        self.hub().end(handle);
        self.publish(user, Push::Security(Security::Ended { session: *handle, why: reason })).await;
        self.record(Event {
            session: Some(*handle),
            user: Some(user.clone()),
            action: "session_ended".into(),
            outcome: Outcome::Noticed,
            reason: Some(reason.as_str().into()),
        });
    }
}
