//! Opening and ending sessions.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use protocol::{
    key::PublicKey,
    problem::Ended,
    push::{Push, Security},
    token::{EntryTicket, SessionHandle, SessionToken, SignSecret},
    user::UserName,
};

use crate::{
    Server, VerifiedRequest,
    audit::{Event, Outcome},
    client_ip::ClientIp,
    cookies,
    random::random,
    rejection::Rejection,
    store::{Creation, NewSession, Session, StoreError},
};

/// How long a browser has to enter the app origin after signing in.
const ENTER_WITHIN: Duration = Duration::from_secs(60);

/// How much of `User-Agent` is kept, in characters.
const MAX_AGENT: usize = 256;

/// A session that signing in has opened.
pub(crate) struct Opened {
    pub(crate) handle: SessionHandle,
    /// What enters it.
    pub(crate) ticket: EntryTicket,
    /// `Set-Cookie` for the sign origin.
    pub(crate) cookie: HeaderValue,
}

impl Server {
    /// Opens a session for a user whose password was right. It can do nothing until the browser has entered it.
    ///
    /// The token is always new, so a cookie that was planted before is worth nothing after. The user's own session that
    /// the browser had until now ends; another user's does not, or whoever has stolen its cookie could end it by signing in
    /// as themselves. At the cap of sessions the oldest one ends.
    ///
    /// # Errors
    /// [`Rejection::TooManySessions`] at the cap, where the settings say that the new one is refused; others when there is
    /// no store or no randomness.
    pub(crate) async fn open_session(
        &self,
        user: &UserName,
        confirmation_key: PublicKey,
        from: &Parts,
    ) -> Result<Opened, Rejection> {
        let ticket = EntryTicket::new(random()?);
        let secret = SignSecret::new(random()?);
        let handle = ticket.token().handle();
        let settings = self.settings();
        let created = self.now();
        self.end_previous_of_sign_origin(user, &from.headers).await?;
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
        };
        let creation =
            self.stores().sessions.create(session, settings.sessions.cap(), settings.lifetimes.idle()).await?;
        let Creation::Created(displaced) = creation else { return Err(Rejection::TooManySessions) };
        for ended in displaced {
            self.record_session_end(&ended, user, Ended::Replaced).await;
        }
        self.metrics().open();
        Ok(Opened { handle, ticket, cookie: cookies::set_sign(&handle, &secret, life) })
    }

    /// Ends the user's own session that the browser shows on the sign origin: before the cap is looked at, or signing in
    /// again in one browser would displace the user's other devices.
    async fn end_previous_of_sign_origin(&self, user: &UserName, headers: &HeaderMap) -> Result<(), StoreError> {
        for cookie in cookies::sign_cookies(headers) {
            let session = self.living(&cookie.handle).await?;
            if session.is_some_and(|session| session.user == *user && session.sign_secret == cookie.secret) {
                self.end(&cookie.handle, user, Ended::SignedOut).await?;
            }
        }
        Ok(())
    }

    /// Ends the user's own sessions that the browser shows on the app origin, but the one that it enters.
    pub(crate) async fn end_previous_of_page(
        &self,
        user: &UserName,
        entered: &SessionHandle,
        headers: &HeaderMap,
    ) -> Result<(), StoreError> {
        for handle in cookies::session_tokens(headers).iter().map(SessionToken::handle) {
            if handle != *entered && self.living(&handle).await?.is_some_and(|session| session.user == *user) {
                self.end(&handle, user, Ended::SignedOut).await?;
            }
        }
        Ok(())
    }

    async fn living(&self, handle: &SessionHandle) -> Result<Option<Session>, StoreError> {
        self.stores().sessions.find(handle, self.settings().lifetimes.idle(), self.now()).await
    }

    /// Ends the session that asks, at once and everywhere. Gives the headers to answer with: they remove the cookie, a
    /// partitioned one of the same name, and what the app origin has stored in the browser.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: the session may still live then.
    pub async fn sign_out(&self, request: &VerifiedRequest) -> Result<[(HeaderName, HeaderValue); 3], StoreError> {
        self.end(request.session(), request.user(), Ended::SignedOut).await?;
        Ok([
            (header::SET_COOKIE, cookies::clear_session()),
            (header::SET_COOKIE, cookies::clear_partitioned_session()),
            (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"storage\"")),
        ])
    }

    /// The sessions of whoever asks, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub async fn sessions(&self, request: &VerifiedRequest) -> Result<Vec<(SessionHandle, Session)>, StoreError> {
        self.stores().sessions.list(request.user(), self.settings().lifetimes.idle(), self.now()).await
    }

    /// Ends one of the sessions of whoever asks, at once and everywhere. `false` when they have no such session.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: the session may still live then.
    pub async fn revoke(&self, request: &VerifiedRequest, handle: &SessionHandle) -> Result<bool, StoreError> {
        let is_theirs = self.sessions(request).await?.iter().any(|(theirs, _)| theirs == handle);
        Ok(is_theirs && self.end(handle, request.user(), Ended::Revoked).await?)
    }

    /// Ends all sessions of whoever asks but the one that asks, those too that are yet to be entered: a thief's sign-in that
    /// is under way would be entered afterwards. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: some may still live then.
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

    pub(crate) async fn end(&self, handle: &SessionHandle, user: &UserName, why: Ended) -> Result<bool, StoreError> {
        let ended = self.stores().sessions.end(handle, user, why, self.now()).await?;
        if ended {
            self.record_session_end(handle, user, why).await;
        }
        Ok(ended)
    }

    async fn record_session_end(&self, handle: &SessionHandle, user: &UserName, why: Ended) {
        self.metrics().end(why);
        // Here at once; on the other servers when they hear of it.
        self.hub().end(handle);
        self.publish(user, Push::Security(Security::Ended { session: *handle, why })).await;
        self.record(Event {
            session: Some(*handle),
            user: Some(user.clone()),
            action: "session_ended".into(),
            outcome: Outcome::Noticed,
            reason: Some(why.as_str().into()),
        });
    }
}
