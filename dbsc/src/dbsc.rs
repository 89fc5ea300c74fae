//! The server: offers, registrations, refreshes, and the bound cookie of requests.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    config::Config,
    error::{Error, InvalidValue, Rejection},
    header::{self as dbsc_header, Offer},
    proof::{RefreshProof, RegistrationProof},
    session_id::SessionId,
    store::{Registration, SessionStore},
    token::Purpose,
};

/// A value is valid for a tenth of the cookie's lifetime longer than the cookie: the browser's lifetime begins when the response
/// arrives, and a request that it sends in the last moment arrives later.
const SHARE_OF_LATENCY: u32 = 10;

/// The result of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// The browser has the key. It gets a new cookie.
    Renewed(SessionId),
    /// The browser must sign a new challenge first. The reason is `None` if it has sent no proof.
    Challenged(SessionId, Option<Rejection>),
    /// There is no such session. The response says so, and the browser stops refreshing it.
    Ended(SessionId),
}

/// Device bound sessions with a store.
///
/// [`crate::DbscLayer`], or `dbsc::axum::router` with the feature `axum`, serves the endpoints.
#[derive(Debug)]
pub struct Dbsc<S> {
    pub(crate) config: Config,
    store: S,
}

impl<S: SessionStore> Dbsc<S> {
    /// Combines a configuration with the application's store.
    pub fn new(config: Config, store: S) -> Self {
        Self { config, store }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The `Secure-Session-Registration` header, for the response that signs a user in.
    ///
    /// The authorization names the user and the sign-in. It comes back with the registration. Scripts of the page can read
    /// the header if they made the request, and then see it: it must not be a secret that is good for anything else.
    ///
    /// # Errors
    /// [`InvalidValue`] if the authorization has characters other than visible ASCII and spaces.
    pub fn offer(&self, authorization: &str) -> Result<HeaderValue, InvalidValue> {
        let expires = self.now() + self.config.registration_lifetime;
        Offer {
            algorithms: &self.config.algorithms,
            path: &self.config.registration_path,
            challenge: &self.config.secret.issue_challenge(Purpose::Registration, authorization, expires),
            authorization: Some(authorization),
            provider: None,
        }
        .to_header()
    }

    /// Verifies a registration request and creates the session.
    ///
    /// # Errors
    /// [`Error`] if the request is rejected or the store fails.
    pub async fn register(&self, headers: &HeaderMap) -> Result<SessionId, Error> {
        self.check_sender(headers)?;
        let proof = dbsc_header::proof(headers)?.ok_or(Rejection::MissingHeader("Secure-Session-Response"))?;
        let proof = RegistrationProof::verify(&proof, &self.config.algorithms)?;
        let authorization = proof.authorization.ok_or(Rejection::Authorization)?;
        self.spend(Purpose::Registration, &authorization, &proof.challenge).await?;
        let registration = Registration { key: &proof.key, authorization: &authorization, headers };
        let session = self.store.register(registration).await.map_err(Error::Store)?;
        Ok(session.ok_or(Rejection::Authorization)?)
    }

    /// Verifies a refresh request.
    ///
    /// # Errors
    /// [`Error`] if the request is rejected or the store fails.
    pub async fn refresh(&self, headers: &HeaderMap) -> Result<Refresh, Error> {
        self.check_sender(headers)?;
        let session = dbsc_header::session_id(headers)?.ok_or(Rejection::MissingHeader("Sec-Secure-Session-Id"))?;
        let proof = dbsc_header::proof(headers)?;
        let Some(key) = self.store.key(&session).await.map_err(Error::Store)? else {
            return Ok(Refresh::Ended(session));
        };
        let Some(proof) = proof else { return Ok(Refresh::Challenged(session, None)) };
        let proof = RefreshProof::verify(&proof, &key)?;
        match self.spend(Purpose::Refresh, session.as_str(), &proof.challenge).await {
            Ok(()) => Ok(Refresh::Renewed(session)),
            // The browser has the key but an old challenge, for example because the last response was lost.
            Err(Error::Rejected(rejection)) => Ok(Refresh::Challenged(session, Some(rejection))),
            Err(error) => Err(error),
        }
    }

    /// The sessions whose valid bound cookies a request has. Other cookies of the same name, which script or another host can
    /// add, are skipped.
    pub fn sessions<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = SessionId> + 'a {
        let now = self.now();
        self.config.cookie.values(headers).filter_map(move |value| self.config.secret.verify_cookie(value, now))
    }

    /// The session whose valid bound cookie a request has. `None` if it has those of two: one may be an attacker's.
    ///
    /// The cookie is valid until it expires, even if the session has ended in the meantime. If that is too long, look
    /// the session up.
    pub fn session(&self, headers: &HeaderMap) -> Option<SessionId> {
        let mut sessions = self.sessions(headers);
        let session = sessions.next()?;
        sessions.all(|other| other == session).then_some(session)
    }

    /// The `Set-Cookie` header with a new bound cookie.
    ///
    /// # Panics
    /// Never: identifiers and base64url can be in a cookie.
    pub fn set_cookie(&self, session: &SessionId) -> HeaderValue {
        let lifetime = self.config.cookie.lifetime();
        let value = self.config.secret.issue_cookie(session, self.now() + lifetime + lifetime / SHARE_OF_LATENCY);
        self.config.cookie.set_cookie(&value).expect("identifiers and base64url can be in a cookie")
    }

    /// The `Secure-Session-Challenge` header with a new challenge.
    ///
    /// # Panics
    /// Never: identifiers and base64url can be in a header.
    pub fn challenge(&self, session: &SessionId) -> HeaderValue {
        let expires = self.now() + self.config.refresh_challenge_lifetime();
        let challenge = self.config.secret.issue_challenge(Purpose::Refresh, session.as_str(), expires);
        dbsc_header::challenge(&challenge, session).expect("identifiers and base64url can be in a header")
    }

    /// Checks that the browser itself made the request, for a page of ours.
    ///
    /// The requests of the browser have the mode `no-cors`. In this mode a script cannot set `Secure-Session-Response`,
    /// so a script that reads an offer cannot answer it with a key of its own.
    fn check_sender(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let is = |name: &str, expected: &[&str]| {
            headers.get(name).is_some_and(|value| expected.iter().any(|text| value == text))
        };
        let site = is("sec-fetch-site", &["same-origin", "same-site"]);
        let browser = site && is("sec-fetch-mode", &["no-cors"]) && is("sec-fetch-dest", &["empty"]);
        if self.config.fetch_metadata && !browser {
            return Err(Rejection::FetchMetadata);
        }
        let origin = headers.get(header::ORIGIN).ok_or(Rejection::Origin)?;
        if self.config.origins.iter().any(|allowed| origin == allowed) { Ok(()) } else { Err(Rejection::Origin) }
    }

    /// Verifies a challenge and marks it as used. Called only after the signature was verified, so that requests without the key
    /// cannot fill the store.
    async fn spend(&self, purpose: Purpose, subject: &str, challenge: &str) -> Result<(), Error> {
        let (id, expires) = self.config.secret.verify_challenge(purpose, subject, challenge, self.now())?;
        if self.store.spend_challenge(id, expires).await.map_err(Error::Store)? {
            Ok(())
        } else {
            Err(Rejection::SpentChallenge.into())
        }
    }

    fn now(&self) -> SystemTime {
        self.config.clock.now()
    }
}
