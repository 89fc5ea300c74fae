//! Request signatures: RFC 9421 with a fixed component list, parameter list and algorithm.
//!
//! The server never parses a component list from the client. It rebuilds the base from the request that it received
//! and compares texts, so nothing can be left out, added or reordered.

use core::fmt;

use base64ct::{Base64, Encoding};

use crate::{
    Malformed,
    digest::ContentDigest,
    key::KeyThumbprint,
    text_newtype,
    token::{Nonce, SessionHandle},
};

/// The signature label in `Signature-Input` and `Signature`.
pub const LABEL: &str = "pan";

/// Every protected request is a POST: its arguments are in the signed body, never in a URL that is logged.
pub const METHOD: &str = "POST";

const COMPONENTS: [&str; 7] =
    ["@method", "@authority", "@path", "@query", "content-digest", "x-session-id", "x-interaction-proof"];

const ALGORITHM_AND_TAG: &str = r#"alg="ecdsa-p256-sha256";tag="pan/1""#;

/// The largest `created`: an Integer of RFC 8941 §3.3.1 has at most 15 digits.
const MAX_CREATED: u64 = 999_999_999_999_999;

/// Builds a signature base (RFC 9421 §2.5): one line per component, then the parameters.
///
/// `parameters` is the inner list with its parameters, as after the label in `Signature-Input`. Values must contain no
/// line break, which holds for the newtypes and header values used here.
pub fn signature_base<'a>(components: impl IntoIterator<Item = (&'a str, &'a str)>, parameters: &str) -> String {
    let mut base = String::with_capacity(512);
    for (name, value) in components {
        for part in ["\"", name, "\": ", value, "\n"] {
            base.push_str(part);
        }
    }
    base + "\"@signature-params\": " + parameters
}

/// The covered components of a request.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// The request's method, as sent.
    pub method: &'a str,
    /// Host, and port unless it is the scheme's default; lower case (RFC 9421 §2.2.3).
    pub authority: &'a str,
    /// The absolute path, as sent (RFC 9421 §2.2.6).
    pub path: &'a str,
    /// The query without its `?`; empty when there is none.
    pub query: &'a str,
    /// The digest of the body.
    pub digest: &'a ContentDigest,
    /// The session handle.
    pub session: &'a SessionHandle,
    /// The value of `X-Interaction-Proof`, as sent.
    pub proof: &'a str,
}

impl Covered<'_> {
    /// The bytes to sign.
    pub fn base(&self, input: &SignatureInput) -> String {
        let query = format!("?{}", self.query);
        let digest = self.digest.to_string();
        let session = self.session.to_string();
        let values = [self.method, self.authority, self.path, &query, &digest, &session, self.proof];
        signature_base(COMPONENTS.into_iter().zip(values), &input.parameters())
    }
}

/// The value of `Signature-Input`: creation time, nonce and key of a signature.
///
/// ```
/// use protocol::signature::SignatureInput;
/// let text = concat!(
///     r#"pan=("@method" "@authority" "@path" "@query" "content-digest" "x-session-id" "x-interaction-proof")"#,
///     r#";created=1750000000;nonce="AAAAAAAAAAAAAAAAAAAAAA""#,
///     r#";keyid="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA""#,
///     r#";alg="ecdsa-p256-sha256";tag="pan/1""#,
/// );
/// let input: SignatureInput = text.parse()?;
/// assert_eq!(input.created(), 1_750_000_000);
/// assert_eq!(input.to_string(), text);
/// # Ok::<(), protocol::Malformed>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignatureInput {
    created: u64,
    nonce: Nonce,
    keyid: KeyThumbprint,
}

impl SignatureInput {
    /// Creates the value. `created` is in Unix seconds, in the server's time.
    ///
    /// # Errors
    /// [`Malformed`] when `created` has more than 15 digits.
    pub fn new(created: u64, nonce: Nonce, keyid: KeyThumbprint) -> Result<Self, Malformed> {
        if created > MAX_CREATED {
            return Err(Malformed("creation time"));
        }
        Ok(Self { created, nonce, keyid })
    }

    /// The creation time: Unix seconds, in the server's time.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The single-use nonce.
    pub fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// The thumbprint of the signing key.
    pub fn keyid(&self) -> &KeyThumbprint {
        &self.keyid
    }

    /// The inner list and its parameters, as in the last line of the base.
    fn parameters(&self) -> String {
        let Self { created, nonce, keyid } = self;
        let list = components();
        format!(r#"{list};created={created};nonce="{nonce}";keyid="{keyid}";{ALGORITHM_AND_TAG}"#)
    }

    /// Parses the canonical encoding.
    ///
    /// # Errors
    /// [`Malformed`] for any other text: another label, list, order, parameter or algorithm.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::read(text).ok_or(Malformed("Signature-Input"))
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(LABEL)?.strip_prefix('=')?.strip_prefix(components().as_str())?;
        let (created, rest) = rest.strip_prefix(";created=")?.split_once(";nonce=\"")?;
        let (nonce, rest) = rest.split_once("\";keyid=\"")?;
        let (keyid, rest) = rest.split_once("\";")?;
        let is_integer = created.bytes().all(|b| b.is_ascii_digit()) && (created == "0" || !created.starts_with('0'));
        if rest != ALGORITHM_AND_TAG || !is_integer {
            return None;
        }
        Self::new(created.parse().ok()?, nonce.parse().ok()?, keyid.parse().ok()?).ok()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}={}", self.parameters())
    }
}

text_newtype!(SignatureInput);

/// `("@method" "@authority" …)`.
fn components() -> String {
    format!("(\"{}\")", COMPONENTS.join("\" \""))
}

/// The value of `Signature`: `pan=:<base64>:`, 64 bytes r ‖ s (RFC 9421 §3.3.4; IEEE P1363, as from `WebCrypto`).
///
/// A high s is accepted, because `WebCrypto` produces it. The nonce prevents replays, not the uniqueness of these
/// bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps r ‖ s.
    ///
    /// # Errors
    /// [`Malformed`] unless the input is 64 bytes. This rejects a DER signature.
    pub fn from_p1363(bytes: &[u8]) -> Result<Self, Malformed> {
        bytes.try_into().map(Self).map_err(|_| Malformed("Signature"))
    }

    /// r ‖ s, 64 bytes.
    pub fn as_p1363(&self) -> &[u8; 64] {
        &self.0
    }

    /// Parses the canonical encoding.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut bytes = [0; 64];
        text.strip_prefix(LABEL)
            .and_then(|rest| rest.strip_prefix("=:"))
            .and_then(|rest| rest.strip_suffix(':'))
            .and_then(|base64| Base64::decode(base64, &mut bytes).ok())
            .ok_or(Malformed("Signature"))
            .and_then(Self::from_p1363)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}=:{}:", Base64::encode_string(&self.0))
    }
}

text_newtype!(Signature);
