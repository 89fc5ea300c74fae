//! Challenges and cookie values: bytes that the server authenticates with a key and later recognises without a store.

use std::time::{Duration, SystemTime};

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::hmac;

use crate::{
    error::Rejection,
    session_id::{SessionId, random},
};

/// Identifies a challenge, to remember that it was used.
pub type ChallengeId = [u8; 16];

const TAG: usize = 32;
const EXPIRY: usize = 8;
const NONCE: usize = 16;

/// What a token is for. A token for one purpose is invalid for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The challenge of a registration. Its subject is the authorization.
    Registration,
    /// The challenge of a refresh. Its subject is the session identifier.
    Refresh,
    /// The value of the bound cookie. Its subject is the session identifier.
    Cookie,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Registration => b"dbsc registration challenge",
            Self::Refresh => b"dbsc refresh challenge",
            Self::Cookie => b"dbsc cookie",
        }
    }
}

/// The keys that authenticate challenges and cookie values (HMAC with SHA-256).
///
/// All servers of a site need the same. A key must stay secret: it can issue cookies for any session.
#[derive(Clone)]
pub struct Secret {
    current: hmac::Key,
    previous: Vec<hmac::Key>,
}

impl Secret {
    /// Uses 32 random bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { current: hmac::Key::new(hmac::HMAC_SHA256, key), previous: Vec::new() }
    }

    /// A secret that does not outlive the process: for tests and development.
    ///
    /// # Panics
    /// If the operating system has no randomness.
    pub fn random() -> Self {
        Self::new(&random())
    }

    /// Also accepts what an earlier key has issued, so that the key can be replaced without effect on users.
    #[must_use]
    pub fn or_previous(mut self, key: &[u8; 32]) -> Self {
        self.previous.push(hmac::Key::new(hmac::HMAC_SHA256, key));
        self
    }

    /// Issues a challenge.
    ///
    /// # Panics
    /// If the operating system has no randomness.
    pub fn issue_challenge(&self, purpose: Purpose, subject: &str, expires: SystemTime) -> String {
        let mut token = [0; EXPIRY + NONCE + TAG];
        token[..EXPIRY].copy_from_slice(&millis(expires).to_be_bytes());
        token[EXPIRY..EXPIRY + NONCE].copy_from_slice(&random::<NONCE>());
        let (content, tag) = token.split_at_mut(EXPIRY + NONCE);
        tag.copy_from_slice(hmac::sign(&self.current, &message(purpose, subject, content)).as_ref());
        Base64UrlUnpadded::encode_string(&token)
    }

    /// Verifies that a challenge was issued for that purpose and subject, and returns its identifier and expiry.
    ///
    /// # Errors
    /// [`Rejection::Challenge`] or [`Rejection::ExpiredChallenge`].
    pub fn verify_challenge(
        &self,
        purpose: Purpose,
        subject: &str,
        challenge: &str,
        now: SystemTime,
    ) -> Result<(ChallengeId, SystemTime), Rejection> {
        let mut token = [0; EXPIRY + NONCE + TAG];
        let decoded = Base64UrlUnpadded::decode(challenge, &mut token).map_err(|_| Rejection::Challenge)?;
        if decoded.len() != EXPIRY + NONCE + TAG {
            return Err(Rejection::Challenge);
        }
        let (content, tag) = token.split_at(EXPIRY + NONCE);
        let (expiry, nonce) = content.split_at(EXPIRY);
        if !self.is_tag(&message(purpose, subject, content), tag) {
            return Err(Rejection::Challenge);
        }
        let expires = time(expiry).filter(|expires| *expires > now).ok_or(Rejection::ExpiredChallenge)?;
        let mut id = [0; NONCE];
        id.copy_from_slice(nonce);
        Ok((id, expires))
    }

    /// Issues the value of the bound cookie.
    pub(crate) fn issue_cookie(&self, session: &SessionId, expires: SystemTime) -> String {
        let expiry = millis(expires).to_be_bytes();
        let tag = hmac::sign(&self.current, &message(Purpose::Cookie, session.as_str(), &expiry));
        format!(
            "{session}.{}.{}",
            Base64UrlUnpadded::encode_string(&expiry),
            Base64UrlUnpadded::encode_string(tag.as_ref())
        )
    }

    /// The session of a bound cookie that this server issued and that has not expired.
    pub(crate) fn verify_cookie(&self, value: &str, now: SystemTime) -> Option<SessionId> {
        let mut parts = value.split('.');
        let (session, expiry, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let (mut expiry_bytes, mut tag_bytes) = ([0; EXPIRY], [0; TAG]);
        let expiry = Base64UrlUnpadded::decode(expiry, &mut expiry_bytes).ok()?;
        let tag = Base64UrlUnpadded::decode(tag, &mut tag_bytes).ok()?;
        let genuine = parts.next().is_none() && self.is_tag(&message(Purpose::Cookie, session, expiry), tag);
        let current = time(expiry).is_some_and(|expires| expires > now);
        if genuine && current { SessionId::new(session).ok() } else { None }
    }

    fn is_tag(&self, message: &[u8], tag: &[u8]) -> bool {
        std::iter::once(&self.current).chain(&self.previous).any(|key| hmac::verify(key, message, tag).is_ok())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// What is authenticated: purpose, subject and content. The length makes the concatenation unambiguous.
fn message(purpose: Purpose, subject: &str, content: &[u8]) -> Vec<u8> {
    let length = (subject.len() as u64).to_be_bytes();
    [purpose.label(), &length, subject.as_bytes(), content].concat()
}

fn millis(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn time(expiry: &[u8]) -> Option<SystemTime> {
    let millis = u64::from_be_bytes(expiry.try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR
    }

    #[test]
    fn challenge_is_valid_for_one_purpose_and_subject() {
        let secret = Secret::random();
        let challenge = secret.issue_challenge(Purpose::Refresh, "a", now() + HOUR);
        let verify = |purpose, subject, at| secret.verify_challenge(purpose, subject, &challenge, at);
        assert_eq!(verify(Purpose::Refresh, "a", now()).expect("valid").1, now() + HOUR);
        assert_eq!(verify(Purpose::Registration, "a", now()), Err(Rejection::Challenge));
        assert_eq!(verify(Purpose::Refresh, "b", now()), Err(Rejection::Challenge));
        assert_eq!(verify(Purpose::Refresh, "a", now() + HOUR), Err(Rejection::ExpiredChallenge));
        let other = Secret::random().verify_challenge(Purpose::Refresh, "a", &challenge, now());
        assert_eq!(other, Err(Rejection::Challenge));
    }

    #[test]
    fn challenges_have_different_identifiers() {
        let secret = Secret::random();
        let id = || {
            let challenge = secret.issue_challenge(Purpose::Refresh, "a", now() + HOUR);
            secret.verify_challenge(Purpose::Refresh, "a", &challenge, now()).expect("valid").0
        };
        assert_ne!(id(), id());
    }

    #[test]
    fn replaced_key_is_accepted_if_named() {
        let challenge = Secret::new(&[1; 32]).issue_challenge(Purpose::Refresh, "a", now() + HOUR);
        let verify = |secret: Secret| secret.verify_challenge(Purpose::Refresh, "a", &challenge, now()).is_ok();
        assert!(verify(Secret::new(&[2; 32]).or_previous(&[1; 32])));
        assert!(!verify(Secret::new(&[2; 32])));
    }

    #[test]
    fn cookie_is_valid_until_it_expires() {
        let secret = Secret::random();
        let session = SessionId::random();
        let value = secret.issue_cookie(&session, now() + HOUR);
        assert_eq!(secret.verify_cookie(&value, now()), Some(session));
        assert_eq!(secret.verify_cookie(&value, now() + HOUR), None);
        assert_eq!(secret.verify_cookie(&format!("{value}."), now()), None);
        assert_eq!(Secret::random().verify_cookie(&value, now()), None);
    }

    proptest! {
        #[test]
        fn changed_cookie_is_invalid(at in 0usize..66, with in "[A-Za-z0-9._-]") {
            let secret = Secret::new(&[7; 32]);
            let value = secret.issue_cookie(&SessionId::new("session").expect("valid"), now() + HOUR);
            let at = at % value.len();
            let changed = format!("{}{with}{}", &value[..at], &value[at + 1..]);
            prop_assert_eq!(secret.verify_cookie(&changed, now()).is_some(), changed == value);
        }

        #[test]
        fn any_text_is_no_challenge_and_no_cookie(text: String) {
            let secret = Secret::new(&[7; 32]);
            prop_assert!(secret.verify_challenge(Purpose::Refresh, "a", &text, now()).is_err());
            prop_assert!(secret.verify_cookie(&text, now()).is_none());
        }
    }
}
