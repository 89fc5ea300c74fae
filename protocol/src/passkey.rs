//! Passkeys (`WebAuthn`): what the sign origin's pages, the client and the server exchange (docs/PROTOCOL.md §12).
//!
//! A `WebAuthn` challenge is never a random value of the server: it is the SHA-256 of what the confirmation key signs in the
//! same request. So a passkey's signature is valid for exactly that request, and needs no state of its own.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Malformed,
    key::Jwk,
    recovery::OwnCodes,
    signature::Signature,
    token::{Challenge, EntryTicket},
    user::Login,
};

/// The most passkeys that a user may have.
pub const MAX_PASSKEYS: usize = 10;

/// The longest header with the response of an authenticator, in characters.
pub const MAX_HEADER: usize = 8192;

crate::bounded_text! {
    /// The name that a user gives to a passkey: 1 to 64 characters, not only white space.
    PasskeyName, "passkey name", 64, |text| !text.trim().is_empty()
}

crate::bounded_text! {
    /// A credential ID: base64url of 16 to 1023 bytes. The server compares it with what the authenticator has sent, so it is not
    /// decoded here.
    PasskeyId, "passkey ID", 1364, |text| {
        text.len() >= 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    }
}

/// The `WebAuthn` challenge for a text that the confirmation key signs: its SHA-256.
pub fn challenge(signed: &str) -> [u8; 32] {
    Sha256::digest(signed).into()
}

/// The value of a header with the response of an authenticator: base64url of the JSON text that the browser makes of it
/// (`PublicKeyCredential.toJSON`).
pub fn header(response: &str) -> String {
    Base64UrlUnpadded::encode_string(response.as_bytes())
}

/// The statement that the confirmation key signs for a new passkey. `challenge` is the registration's; `registration` is its JSON
/// text.
///
/// Without attestation anyone can write a registration for a challenge. So the page, which sends it, could replace it by one of
/// its own.
pub fn new_passkey_statement(challenge: &[u8; 32], registration: &str) -> String {
    let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    format!("pan-new-passkey/1\n{}\n{}", text(challenge), text(&Sha256::digest(registration)))
}

/// The value of the header with the registration of a new passkey: [`header`], `;`, and the confirmation key's signature of
/// [`new_passkey_statement`].
pub fn new_passkey_header(registration: &str, signature: &Signature) -> String {
    format!("{};{signature}", header(registration))
}

/// Registration and signature in a header of [`new_passkey_header`].
///
/// # Errors
/// [`Malformed`] for any other text.
pub fn from_new_passkey_header(value: &str) -> Result<(String, Signature), Malformed> {
    let (registration, signature) = value.split_once(';').ok_or(Malformed("passkey header"))?;
    Ok((from_header(registration)?, signature.parse()?))
}

/// The JSON text in a header.
///
/// # Errors
/// [`Malformed`] for a value that is too long, or not base64url of a text.
pub fn from_header(value: &str) -> Result<String, Malformed> {
    let malformed = Malformed("passkey header");
    if value.len() > MAX_HEADER {
        return Err(malformed);
    }
    let bytes = Base64UrlUnpadded::decode_vec(value).map_err(|_| malformed)?;
    String::from_utf8(bytes).map_err(|_| malformed)
}

/// A passkey in the response of [`ReadPasskeys`](crate::built_in::ReadPasskeys).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnPasskey {
    /// The credential ID.
    pub id: PasskeyId,
    /// The user's name for it.
    pub name: PasskeyName,
    /// When it was added: Unix ms.
    pub created: u64,
    /// When it last signed: Unix ms.
    pub used: u64,
}

/// Response of [`ReadPasskeys`](crate::built_in::ReadPasskeys).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OwnPasskeys {
    /// The user's passkeys, the oldest first.
    pub passkeys: Vec<OwnPasskey>,
    /// The user's recovery codes, if there are any.
    pub codes: Option<OwnCodes>,
}

/// Response of `POST /passkeys` on the sign origin: what the confirmation window needs to use or to create a passkey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionPasskeys {
    /// The user handle (`WebAuthn` `user.id`): base64url of 32 bytes that only the server can trace to the user.
    pub user: String,
    /// The credential IDs of the user's passkeys.
    pub ids: Vec<PasskeyId>,
    /// Whether the user has signed in recently enough to add the first passkey.
    pub recent: bool,
}

/// Body of `POST /sign-in/passkey`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySignIn {
    /// The public half of the confirmation key.
    pub jwk: Jwk,
    /// The server's challenge. The `WebAuthn` challenge is the [`challenge`] of the sign-in statement, which contains it.
    pub challenge: Challenge,
    /// The signature of [`sign_in_statement`](crate::sign_origin::sign_in_statement) by the confirmation key.
    pub signature: Signature,
    /// The JSON text of the assertion.
    pub passkey: String,
}

/// Response of `POST /sign-in/passkey`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeySignedIn {
    /// The login of the passkey's user, which the confirmation window shows.
    pub user: Login,
    /// As in [`SignedIn`](crate::sign_origin::SignedIn).
    pub ticket: EntryTicket,
    /// As in [`SignedIn`](crate::sign_origin::SignedIn).
    pub enter: String,
    /// As in [`SignedIn`](crate::sign_origin::SignedIn).
    pub now: u64,
}
