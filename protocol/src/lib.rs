//! What PAN says on the wire, and the one way to spell each thing.
//!
//! Both ends compile this crate in: the signing frame builds a request with it, the server rebuilds the same bytes
//! with it. It therefore does no I/O and has no clock, no randomness and no features: the same input gives the same
//! text natively and in WebAssembly.
//!
//! | module | holds |
//! |---|---|
//! | [`token`] | session token, session handle, entry ticket, nonce, challenge: random values and what is derived from them |
//! | [`key`] | a session's public keys, their JWK and RFC 7638 thumbprint |
//! | [`digest`] | `Content-Digest` (RFC 9530) |
//! | [`json`] | reading JSON in its one spelling |
//! | [`signature`] | signature base, `Signature-Input` and `Signature` (RFC 9421) |
//! | [`proof`] | the interaction proof and its header |
//! | [`action`] | what a protected action is: path, level, summary |
//! | [`catalogue`] | every protected action of an application |
//! | [`built_in`] | the actions that every application has |
//! | [`user`] | who a session belongs to |
//! | [`display`] | text as a person is shown it |
//! | [`message`] | messages between the page, the signing frame and the confirmation window |
//! | [`sign_origin`] | requests and replies of the sign origin, and what is signed there |
//! | [`return_path`] | where a user returns after signing in |
//! | [`push`] | what the server pushes, and its signed envelope |
//! | [`problem`] | the public refusals (RFC 9457) |

pub mod action;
pub mod built_in;
pub mod catalogue;
pub mod digest;
pub mod display;
mod encoding;
pub mod json;
pub mod key;
pub mod message;
pub mod problem;
pub mod proof;
pub mod push;
pub mod return_path;
pub mod sign_origin;
pub mod signature;
pub mod token;
pub mod user;

/// A text that is not the one accepted spelling of a value.
///
/// It deliberately says no more than which value was meant: the text may come from an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct Malformed(pub &'static str);

/// For the macros.
#[doc(hidden)]
pub use serde;
