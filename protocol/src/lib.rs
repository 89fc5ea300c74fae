//! The PAN wire protocol: message types and their canonical encodings.
//!
//! Client and server both use this crate: the signing frame builds a request with it, and the server rebuilds the same
//! bytes. It therefore does no I/O and has no clock, no randomness and no features: the same input gives the same text
//! natively and in WebAssembly.
//!
//! | module | contents |
//! |---|---|
//! | [`token`] | session token, session handle, entry ticket, nonce, challenge: random values and their derivations |
//! | [`key`] | a session's public keys, their JWK and RFC 7638 thumbprint |
//! | [`digest`] | `Content-Digest` (RFC 9530) |
//! | [`json`] | parser for canonical JSON |
//! | [`signature`] | signature base, `Signature-Input` and `Signature` (RFC 9421) |
//! | [`proof`] | the interaction proof and its header |
//! | [`action`] | what a protected action is: path, level, summary |
//! | [`catalogue`] | every protected action of an application |
//! | [`built_in`] | the actions that every application has |
//! | [`user`] | user names |
//! | [`display`] | text as it is shown to the user |
//! | [`message`] | messages between the page, the signing frame and the confirmation window |
//! | [`sign_origin`] | requests and responses of the sign origin, and the statements signed there |
//! | [`return_path`] | the path to return to after signing in |
//! | [`passkey`] | passkeys: names, credential IDs, the challenge, requests and responses |
//! | [`recovery`] | recovery codes: their encoding and hashes, requests and responses |
//! | [`push`] | push messages and their signed envelope |
//! | [`problem`] | the public rejections (RFC 9457) |

pub mod action;
pub mod built_in;
pub mod catalogue;
pub mod digest;
pub mod display;
mod encoding;
pub mod json;
pub mod key;
pub mod message;
pub mod outcome;
pub mod passkey;
pub mod problem;
pub mod proof;
pub mod push;
pub mod recovery;
pub mod return_path;
pub mod sign_origin;
pub mod signature;
pub mod token;
pub mod user;

/// A text that is not the canonical encoding of a value.
///
/// The error names only the expected value, because the text may come from an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct Malformed(pub &'static str);

/// Used by the macros.
#[doc(hidden)]
pub use serde;
