//! Plain types that several modules share: users, sessions and limits. No logic, no I/O.

use std::time::Duration;

use protocol::{action::Tier, key::PublicKey, user::UserName};
use serde::{Deserialize, Serialize};

protocol::bounded_text! {
    /// A user's identifier, which never changes: 1 to 254 visible ASCII characters, such as a UUID or a user name.
    ///
    /// The [`CredentialStore`](crate::auth::credentials::CredentialStore) gives it. Sessions, push messages and the audit
    /// log name users by it; nothing else is read from it.
    UserId, "user ID", 254, |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl From<&UserName> for UserId {
    /// In PAN's own accounts the user name is the identifier.
    fn from(name: &UserName) -> Self {
        Self(name.as_str().to_owned())
    }
}

/// A session that the browser has entered on the app origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The user who signed in.
    pub user: UserId,
    /// Signs requests of the level Confirmed.
    pub confirmation_key: PublicKey,
    /// Signs all other requests. `None` until the signing frame has bound it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_key: Option<PublicKey>,
    /// Offered by a frame that has lost the bound key; waits for the confirmation key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_frame_key: Option<PublicKey>,
    /// Unix ms.
    pub created: u64,
    /// Last verified use: Unix ms.
    pub seen: u64,
    /// Absolute expiry: Unix ms.
    pub expires: u64,
    /// Client IP at sign-in, truncated to its network.
    pub ip: String,
    /// The browser's `User-Agent`, at most 256 characters.
    pub agent: String,
    /// `SignSecret::hashed`. Never sent to a client.
    pub sign_secret: String,
    /// Set once the session token was presented without the frame key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theft: Option<Theft>,
    /// The device that the session is bound to, or will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceBinding>,
}

impl Session {
    /// What a thief must copy, at least, to use the session elsewhere.
    pub fn tier(&self) -> Tier {
        let is_bound = self.device.as_ref().is_some_and(|device| device.since.is_some());
        if is_bound { Tier::Device } else { Tier::Browser }
    }
}

/// The key of a device to which a session is bound (Device Bound Session Credentials, DBSC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceBinding {
    /// The public key: a JWK (RFC 7517).
    pub jwk: String,
    /// When the browser first sent the device cookie (Unix ms). Before that it may not know of the binding, because the
    /// response can be lost; so the session is not bound yet.
    pub since: Option<u64>,
}

/// Presentations of a session token without its key, which show that the token was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theft {
    /// Number of presentations.
    pub times: u64,
    /// The latest one: Unix ms.
    pub last: u64,
}

/// The most sessions that a user may have at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCap {
    /// The number, pending sessions included.
    pub max: usize,
    /// What a further sign-in does.
    pub at_cap: AtCap,
}

/// What a sign-in does when the user has as many sessions as [`SessionCap`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum AtCap {
    /// Ends the oldest session, with the reason `replaced`.
    EndOldest,
    /// Rejects the new session.
    #[strum(serialize = "refuse_new")]
    RejectNew,
}

/// A rate limit: at most `max` per fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Requests per window.
    pub max: u32,
    /// Length of the window.
    pub window: Duration,
}

/// What is left of a [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub limit: Limit,
    /// Remaining requests in this window.
    pub left: u32,
    /// Time until the window ends.
    pub reset: Duration,
}
