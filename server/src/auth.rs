//! Accounts, passwords, and how a browser gets a session.

pub mod accounts;
pub(crate) mod enter;
mod opaque_string;
mod password;
mod password_strength;
pub(crate) mod sign_in;
