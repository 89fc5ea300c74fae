//! Verifies what authenticators sign (W3C Web Authentication Level 3, §7.1 and §7.2), without I/O.
//!
//! It accepts one profile: user presence and user verification, no attestation, and client data of a top-level page of the sign
//! origin. docs/ARCHITECTURE.md says why this is not a crate.

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::passkey::PasskeyId;
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};

use super::credential_key::CredentialKey;

/// The authenticator data up to the attested credential: hash of the RP ID, flags, counter.
const HEADER: usize = 37;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// The AAGUID of an authenticator, in bytes.
const AAGUID: usize = 16;

/// What is wrong with the response of an authenticator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "passkey_")]
pub enum InvalidPasskey {
    /// It is not a response, or has an unknown form.
    #[error("the response of the authenticator is malformed")]
    Malformed,
    /// The user has no such passkey.
    #[error("the user has no such passkey")]
    Unknown,
    /// The client data is of another operation: `create` for `get` or the reverse.
    #[error("the client data is of another operation")]
    WrongType,
    /// The challenge is not that of this request.
    #[error("the challenge is not that of this request")]
    WrongChallenge,
    /// The page that called the authenticator is not of the sign origin.
    #[error("the origin is not the sign origin")]
    WrongOrigin,
    /// The page that called the authenticator was in a frame of another origin.
    #[error("the authenticator was called in a frame of another origin")]
    CrossOrigin,
    /// The passkey is for another relying party.
    #[error("the relying party is another one")]
    WrongRelyingParty,
    /// The authenticator did not check that a user was present.
    #[error("no user was present")]
    NoUserPresent,
    /// The authenticator did not verify the user by PIN or biometrics.
    #[error("the user was not verified")]
    NoUserVerified,
    /// The flags contradict each other.
    #[error("the flags of the authenticator contradict each other")]
    BadFlags,
    /// The key is malformed, or of another algorithm than ES256 and RS256.
    #[error("the key is not one of ES256 or RS256")]
    WrongKey,
    /// The signature is invalid.
    #[error("the signature of the passkey is invalid")]
    BadSignature,
    /// The user handle is not the user's.
    #[error("the user handle is another user's")]
    WrongUser,
    /// The counter has not increased: the authenticator may have been copied.
    #[error("the signature counter has not increased")]
    Counter,
}

impl InvalidPasskey {
    /// The name in metrics and the audit log.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a response must be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The `WebAuthn` challenge.
    pub(crate) challenge: [u8; 32],
    /// The origin of the page.
    pub(crate) origin: &'a str,
    /// The RP ID.
    pub(crate) rp_id: &'a str,
}

/// A passkey that was just created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: PasskeyId,
    pub(crate) key: CredentialKey,
    pub(crate) counter: u32,
}

/// An assertion that was not yet verified: the passkey and the user that it names.
#[derive(Debug)]
pub(crate) struct Assertion {
    pub(crate) id: PasskeyId,
    /// The user handle.
    pub(crate) user: Option<Vec<u8>>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

/// Bytes in base64url.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Base64UrlUnpadded::decode_vec(&text).map(Self).map_err(D::Error::custom)
    }
}

/// `PublicKeyCredential.toJSON` of a browser (§5.1.8). Browsers add members, which are ignored.
#[derive(Deserialize)]
struct Credential<R> {
    id: PasskeyId,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
    #[serde(default)]
    user_handle: Option<Bytes>,
}

/// The attestation object is not read: no attestation is requested, so it would be unsigned.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    authenticator_data: Bytes,
}

/// The client data (§5.8.1). Browsers add members, which are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    /// Present only in a frame of another origin.
    #[serde(default)]
    top_origin: Option<String>,
}

fn parse<R: for<'de> Deserialize<'de>>(text: &str) -> Result<Credential<R>, InvalidPasskey> {
    let credential: Credential<R> = serde_json::from_str(text).map_err(|_| InvalidPasskey::Malformed)?;
    if credential.kind == "public-key" { Ok(credential) } else { Err(InvalidPasskey::Malformed) }
}

/// Checks the client data (§7.1 steps 7 to 11, §7.2 steps 10 to 14).
fn check_client_data(bytes: &[u8], kind: &str, expected: Expected) -> Result<(), InvalidPasskey> {
    let data: ClientData = serde_json::from_slice(bytes).map_err(|_| InvalidPasskey::Malformed)?;
    if data.kind != kind {
        return Err(InvalidPasskey::WrongType);
    }
    if data.challenge != Base64UrlUnpadded::encode_string(&expected.challenge) {
        return Err(InvalidPasskey::WrongChallenge);
    }
    if data.origin != expected.origin {
        return Err(InvalidPasskey::WrongOrigin);
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(InvalidPasskey::CrossOrigin);
    }
    Ok(())
}

/// Checks RP ID and flags of authenticator data (§7.1 steps 14 to 18, §7.2 steps 16 to 20). Returns flags, counter and what
/// follows.
fn check_authenticator_data<'a>(data: &'a [u8], expected: Expected) -> Result<(u8, u32, &'a [u8]), InvalidPasskey> {
    let (header, rest) = data.split_at_checked(HEADER).ok_or(InvalidPasskey::Malformed)?;
    let (rp_id_hash, header) = header.split_at(32);
    if rp_id_hash != Sha256::digest(expected.rp_id).as_slice() {
        return Err(InvalidPasskey::WrongRelyingParty);
    }
    let (flags, counter) = (header[0], u32::from_be_bytes([header[1], header[2], header[3], header[4]]));
    let has = |flag| flags & flag != 0;
    if !has(USER_PRESENT) {
        return Err(InvalidPasskey::NoUserPresent);
    }
    if !has(USER_VERIFIED) {
        return Err(InvalidPasskey::NoUserVerified);
    }
    if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
        return Err(InvalidPasskey::BadFlags);
    }
    Ok((flags, counter, rest))
}

/// Verifies a registration and returns its credential.
///
/// # Errors
/// The first rule that it breaks.
pub(crate) fn verify_registration(text: &str, expected: Expected) -> Result<NewCredential, InvalidPasskey> {
    let Credential { id, response, .. } = parse::<RegistrationResponse>(text)?;
    check_client_data(&response.client_data.0, "webauthn.create", expected)?;
    let (flags, counter, rest) = check_authenticator_data(&response.authenticator_data.0, expected)?;
    if flags & HAS_CREDENTIAL == 0 {
        return Err(InvalidPasskey::BadFlags);
    }
    let malformed = InvalidPasskey::Malformed;
    let (length, rest) = rest.get(AAGUID..).and_then(|rest| rest.split_first_chunk::<2>()).ok_or(malformed)?;
    let (own_id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(malformed)?;
    if Base64UrlUnpadded::encode_string(own_id) != id.as_str() {
        return Err(malformed);
    }
    let (key, rest) = CredentialKey::read(rest).map_err(|_| InvalidPasskey::WrongKey)?;
    // No extension is requested, but browsers request some by themselves.
    if flags & HAS_EXTENSIONS == 0 && !rest.is_empty() {
        return Err(malformed);
    }
    Ok(NewCredential { id, key, counter })
}

impl Assertion {
    /// Parses an assertion.
    ///
    /// # Errors
    /// [`InvalidPasskey::Malformed`].
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPasskey> {
        let Credential { id, response, .. } = parse::<AssertionResponse>(text)?;
        Ok(Self {
            id,
            user: response.user_handle.map(|Bytes(user)| user),
            client_data: response.client_data.0,
            authenticator_data: response.authenticator_data.0,
            signature: response.signature.0,
        })
    }

    /// Verifies the assertion with the passkey's key. `counter` is the last one that was seen; returns the new one.
    ///
    /// # Errors
    /// The first rule that it breaks. [`InvalidPasskey::Counter`] only if everything else holds.
    pub(crate) fn verify(&self, key: &CredentialKey, counter: u32, expected: Expected) -> Result<u32, InvalidPasskey> {
        check_client_data(&self.client_data, "webauthn.get", expected)?;
        let (_, next, _) = check_authenticator_data(&self.authenticator_data, expected)?;
        let signed = [self.authenticator_data.as_slice(), Sha256::digest(&self.client_data).as_slice()].concat();
        if !key.verifies(&signed, &self.signature) {
            return Err(InvalidPasskey::BadSignature);
        }
        // Authenticators without a counter, such as those that synchronise passkeys, always send 0.
        if (next > 0 || counter > 0) && next <= counter { Err(InvalidPasskey::Counter) } else { Ok(next) }
    }
}
