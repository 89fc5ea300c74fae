//! Password rules and hashing, for every [`CredentialStore`](super::credentials::CredentialStore).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    opaque_string::{self, Disallowed},
    password_hasher::{HashError, Hasher},
    password_strength,
};
use crate::settings::Origins;
#[cfg(test)]
use crate::settings::Settings;

/// Minimum length of a password in characters, counted as code points after normalization.
///
/// 8 is the minimum of OWASP ASVS 5.0 (6.2.1). ASVS recommends 15, and NIST SP 800-63B-4 (§3.1.1.2) requires 15 where
/// the password is the only factor. PAN does not meet that: instead, a strength estimate must show that the password is
/// hard to guess, which a length alone does not show. An application that needs AAL1 raises this number.
pub const MIN_PASSWORD_CHARS: usize = 8;

/// Maximum length of a password after normalization, in bytes. It bounds the hashing cost and fits any passphrase.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Maximum length of a password as sent, in bytes. Longer ones are rejected before any work.
///
/// Decomposition makes UTF-8 at most three times as long (UAX #15, §9), so every form of an accepted password fits.
pub const MAX_SENT_PASSWORD_BYTES: usize = 3 * MAX_PASSWORD_BYTES;

/// Why registration rejects a password. The messages are for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARS`].
    #[error("this password has fewer than {MIN_PASSWORD_CHARS} characters. Add a word or two")]
    TooShort,
    /// More than [`MAX_PASSWORD_BYTES`].
    #[error("this password is longer than {MAX_PASSWORD_BYTES} bytes. Use a shorter one")]
    TooLong,
    /// A control character, such as a tab.
    #[error("this password contains a control character (U+{:04X}). Leave it out", u32::from(*.0))]
    Control(char),
    /// A code point without a character: another device may not be able to type it.
    #[error("this password contains a code point that is not a character (U+{:04X}). Leave it out", u32::from(*.0))]
    Unassigned(char),
    /// A code point that RFC 8265 does not allow, often an invisible one.
    #[error(
        "this password contains a character that another device may not type the same way (U+{:04X}). Leave it out",
        u32::from(*.0)
    )]
    Disallowed(char),
    /// A common password, a password made of context words, or another one that is easy to guess: with advice.
    #[error("{0}")]
    Guessable(String),
}

impl From<Disallowed> for WeakPassword {
    fn from(error: Disallowed) -> Self {
        match error {
            Disallowed::Empty => Self::TooShort,
            Disallowed::Control(c) => Self::Control(c),
            Disallowed::Unassigned(c) => Self::Unassigned(c),
            Disallowed::Other(c) => Self::Disallowed(c),
        }
    }
}

/// Words that make a password easy to guess on every installation (ASVS 6.1.2). The user name and the labels of the
/// host names are added to them.
const CONTEXT_WORDS: [&str; 1] = ["pan"];

/// An error of [`Passwords`].
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The password is not accepted.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// The hashing queue is full.
    #[error("the password hashing queue is full")]
    Busy,
    /// The stored hash is malformed, or memory or randomness is not available.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<HashError> for PasswordError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed(source) => Self::Failed(source),
        }
    }
}

/// Checks and hashes passwords with Argon2id (RFC 9106) on a bounded pool of threads. Cloning it is cheap.
#[derive(Clone)]
pub struct Passwords {
    hasher: Hasher,
    context_words: Arc<[String]>,
}

impl Passwords {
    /// Starts a pool with one thread per core. The labels of the host names are context words.
    pub fn new(origins: &Origins) -> Self {
        Self::with(Hasher::new(), origins)
    }

    #[cfg(test)]
    pub(crate) fn with_cores(cores: usize) -> Self {
        Self::with(Hasher::with_cores(cores), &Settings::default().origins)
    }

    fn with(hasher: Hasher, origins: &Origins) -> Self {
        let hosts = [origins.app.host(), origins.sign.host()];
        Self { hasher, context_words: CONTEXT_WORDS.map(str::to_owned).into() }
            .with_context_words(hosts.into_iter().flat_map(|host| host.split('.')))
    }

    /// Adds context words that make a password easy to guess, such as the application's name.
    #[must_use]
    pub fn with_context_words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().filter(|word| !word.is_empty()).map(str::to_lowercase);
        self.context_words = self.context_words.iter().cloned().chain(words).collect();
        self
    }

    /// Checks a new password and hashes it. Returns a PHC string.
    ///
    /// ```
    /// # use server::{auth::passwords::{PasswordError, Passwords}, settings::Settings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), PasswordError> {
    /// let passwords = Passwords::new(&Settings::default().origins);
    /// let hash = passwords.hash("ada", "correct horse").await?;
    /// assert!(passwords.verify("correct horse", Some(hash)).await?);
    /// assert!(matches!(passwords.hash("ada", "12345678").await, Err(PasswordError::Weak(_))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PasswordError::Weak`] with a text for the user; others if the password cannot be hashed now.
    pub async fn hash(&self, login: &str, password: &str) -> Result<String, PasswordError> {
        let password = normalize(password)?;
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(WeakPassword::TooShort.into());
        }
        let advice = {
            let (password, login, words) = (password.clone(), login.to_owned(), self.context_words.clone());
            self.hasher.queue(move || password_strength::advice(&password, &login, &words)).await?
        };
        if let Some(advice) = advice {
            return Err(WeakPassword::Guessable(advice).into());
        }
        Ok(self.hasher.hash(&password).await?)
    }

    /// Whether a password matches a PHC string. Without one it does the same work and returns `false`, so that the time
    /// does not reveal whether an account exists.
    ///
    /// # Errors
    /// [`PasswordError::Busy`]; [`PasswordError::Failed`] if `hash` is malformed.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, PasswordError> {
        // No account has a password that cannot be normalized, so the time of this rejection reveals nothing.
        let Ok(password) = normalize(password) else { return Ok(false) };
        Ok(self.hasher.verify(&password, hash).await?)
    }
}

/// The normalized password that is hashed (RFC 8265, `OpaqueString`), unless it is too long.
fn normalize(sent: &str) -> Result<Zeroizing<String>, WeakPassword> {
    if sent.len() > MAX_SENT_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let password = opaque_string::enforce(sent)?;
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length limit must precede the work that it bounds.
    #[tokio::test]
    async fn too_long_password_reaches_no_hasher() {
        let (passwords, long) = (Passwords::with_cores(0), "x".repeat(MAX_PASSWORD_BYTES + 1));
        let hashed = passwords.hash("ada", &long).await;
        assert!(matches!(hashed, Err(PasswordError::Weak(WeakPassword::TooLong))), "{hashed:?}");
        let verified = passwords.verify(&long, None).await;
        assert!(matches!(verified, Ok(false)), "{verified:?}");
        // The maximum length: the password reaches the hasher, whose queue is full.
        let hashed = passwords.hash("ada", &long[1..]).await;
        assert!(matches!(hashed, Err(PasswordError::Busy)), "{hashed:?}");
    }

    #[test]
    fn too_long_input_is_rejected_before_normalizing() {
        // Without the length check the error would be the control character.
        let long = "\t".repeat(MAX_SENT_PASSWORD_BYTES + 1);
        assert_eq!(normalize(&long), Err(WeakPassword::TooLong));
        assert_eq!(normalize(&long[1..]), Err(WeakPassword::Control('\t')));
    }
}
