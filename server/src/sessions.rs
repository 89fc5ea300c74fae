//! Opening and ending sessions, and the two cookies.

use std::time::Duration;

use http::{HeaderValue, header, request::Parts};
use protocol::{
    message::cookie,
    problem::Ended,
    push::{Push, Security},
    token::{BindSecret, SessionHandle, SessionToken},
    value::UserName,
};

use crate::{
    Pan, VerifiedRequest,
    audit::{Event, Outcome},
    client::ClientAddress,
    clock::random,
    refusal::Reason,
    settings::Settings,
    store::{NewSession, Opening, Session, StoreError},
    unverified::session_cookie,
};

/// How long signing in waits for the frame to bind its key.
const BIND_WITHIN: Duration = Duration::from_secs(60);

/// How much of `User-Agent` is kept, in characters.
const MAX_AGENT: usize = 256;

/// A session that signing in has opened.
#[derive(Debug)]
pub struct Opened {
    /// Its public name.
    pub handle: SessionHandle,
    /// The `Set-Cookie` headers to answer with.
    pub cookies: [HeaderValue; 2],
}

impl Pan {
    /// Opens a session for somebody who has just signed in. It can do nothing until the frame binds a key to it.
    ///
    /// The token is always new, so a cookie that was planted before is worth nothing after. The user's own session that
    /// the browser had until now ends; somebody else's does not, or whoever has stolen a token could end its session by
    /// signing in as themselves. At the cap of sessions the oldest one ends.
    ///
    /// # Errors
    /// [`Reason::TooManySessions`] at the cap, where the settings say that the new one is refused; others when there is
    /// no store or no randomness.
    pub async fn open_session(&self, user: &UserName, from: &Parts) -> Result<Opened, Reason> {
        let token = SessionToken::new(random()?);
        let secret = BindSecret::new(random()?);
        let handle = token.handle();
        let settings = self.settings();
        let created = self.now();
        self.end_own(user, from).await?;
        let agent = from.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let session = NewSession {
            handle,
            user: user.clone(),
            created,
            bind_by: created + BIND_WITHIN.as_secs() * 1000,
            expires: created + settings.lifetimes.session * 1000,
            ip: self.address(from).map(ClientAddress::prefix).unwrap_or_default(),
            agent: agent.chars().take(MAX_AGENT).collect(),
            bind_secret: secret.hashed(),
        };
        let opening = self.store().open(session, settings.sessions.cap(), settings.lifetimes.idle()).await?;
        let Opening::Opened(displaced) = opening else { return Err(Reason::TooManySessions) };
        for ended in displaced {
            self.note_ended(&ended, user, Ended::Replaced).await;
        }
        self.metrics().open();
        let life = settings.lifetimes.session;
        let bind = format!("{handle}.{}", secret.reveal());
        Ok(Opened {
            handle,
            cookies: [
                set_cookie(cookie::SESSION, &token.reveal(), None, life),
                set_cookie(cookie::BIND, &bind, Some(settings.origins.app.host()), BIND_WITHIN.as_secs()),
            ],
        })
    }

    async fn end_own(&self, user: &UserName, from: &Parts) -> Result<(), StoreError> {
        let Ok(token) = session_cookie(&from.headers) else { return Ok(()) };
        let handle = token.handle();
        let session = self.store().session(&handle, self.settings().lifetimes.idle(), self.now()).await?;
        if session.is_some_and(|session| session.user == *user) {
            self.end(&handle, user, Ended::SignedOut).await?;
        }
        Ok(())
    }

    /// Ends the session that asks, at once and everywhere. Gives the `Set-Cookie` header that clears its cookie.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: the session may still live then.
    pub async fn sign_out(&self, request: &VerifiedRequest) -> Result<HeaderValue, StoreError> {
        self.end(request.session(), request.user(), Ended::SignedOut).await?;
        Ok(set_cookie(cookie::SESSION, "", None, 0))
    }

    /// The sessions of whoever asks, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub async fn sessions(&self, request: &VerifiedRequest) -> Result<Vec<(SessionHandle, Session)>, StoreError> {
        self.store().sessions(request.user(), self.settings().lifetimes.idle(), self.now()).await
    }

    /// Ends one of the sessions of whoever asks, at once and everywhere. `false` when they have no such session.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: the session may still live then.
    pub async fn revoke(&self, request: &VerifiedRequest, handle: &SessionHandle) -> Result<bool, StoreError> {
        let is_theirs = self.sessions(request).await?.iter().any(|(theirs, _)| theirs == handle);
        Ok(is_theirs && self.end(handle, request.user(), Ended::Revoked).await?)
    }

    /// Ends all sessions of whoever asks but the one that asks, those too that wait for their key: a thief's sign-in that
    /// is under way would be bound afterwards. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: some may still live then.
    pub async fn revoke_others(&self, request: &VerifiedRequest) -> Result<usize, StoreError> {
        let idle = self.settings().lifetimes.idle();
        let mut ended = 0;
        for handle in self.store().handles(request.user(), idle, self.now()).await? {
            if handle != *request.session() {
                ended += usize::from(self.end(&handle, request.user(), Ended::Revoked).await?);
            }
        }
        Ok(ended)
    }

    pub(crate) async fn end(&self, handle: &SessionHandle, user: &UserName, why: Ended) -> Result<bool, StoreError> {
        let ended = self.store().end(handle, user, why, self.now()).await?;
        if ended {
            self.note_ended(handle, user, why).await;
        }
        Ok(ended)
    }

    async fn note_ended(&self, handle: &SessionHandle, user: &UserName, why: Ended) {
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

/// Clears the bind cookie once it is spent.
pub(crate) fn clear_bind_cookie(settings: &Settings) -> HeaderValue {
    set_cookie(cookie::BIND, "", Some(settings.origins.app.host()), 0)
}

/// A cookie that no script reads and no other site sends (RFC 6265bis §5.6). `life` in seconds; 0 clears it.
fn set_cookie(name: &str, value: &str, domain: Option<&str>, life: u64) -> HeaderValue {
    let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    let text = format!("{name}={value}; Path=/{domain}; Max-Age={life}; Secure; HttpOnly; SameSite=Strict");
    // Names, base64url, digits and a host name: always a valid header value.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
