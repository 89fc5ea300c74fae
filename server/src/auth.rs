//! Users, passwords, and how a browser gets a session.

pub mod accounts;
pub(crate) mod attempts;
pub mod credentials;
pub(crate) mod enter;
pub(crate) mod known_devices;
mod opaque_string;
pub(crate) mod passkey_sign_in;
mod password_hasher;
mod password_strength;
pub mod passwords;
pub(crate) mod sign_in;
