//! Opening and ending sessions, and the two cookies.

use std::{net::SocketAddr, time::Duration};

use axum::extract::ConnectInfo;
use http::{HeaderValue, header, request::Parts};
use protocol::{
    message::cookie,
    token::{BindSecret, SessionHandle, SessionToken},
    value::UserName,
};

use crate::{
    Pan,
    clock::random,
    refusal::Reason,
    settings::Settings,
    store::{NewSession, StoreError},
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
    /// The token is always new, so a cookie that was planted before is worth nothing after.
    ///
    /// # Errors
    /// A [`Reason`] when there is no store or no randomness.
    pub async fn open_session(&self, user: &UserName, from: &Parts) -> Result<Opened, Reason> {
        let token = SessionToken::new(random()?);
        let secret = BindSecret::new(random()?);
        let handle = token.handle();
        let settings = self.settings();
        let created = self.now();
        let agent = from.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let ip = from.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
        let session = NewSession {
            handle,
            user: user.clone(),
            created,
            bind_by: created + BIND_WITHIN.as_secs() * 1000,
            expires: created + settings.lifetimes.session * 1000,
            ip: ip.unwrap_or_default(),
            agent: agent.chars().take(MAX_AGENT).collect(),
            bind_secret: secret.hashed(),
        };
        self.store().open(session).await?;
        tracing::info!(session = %handle, %user, "opened");
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

    /// Ends a session, at once and everywhere. Gives the `Set-Cookie` header that clears its cookie.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer: the session may still live then.
    pub async fn end_session(&self, handle: &SessionHandle) -> Result<HeaderValue, StoreError> {
        self.store().end(handle).await?;
        tracing::info!(session = %handle, "ended");
        Ok(set_cookie(cookie::SESSION, "", None, 0))
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
