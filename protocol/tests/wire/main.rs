//! Tests of the protocol crate. They run natively and as WebAssembly, because both ends contain the crate:
//!
//! ```text
//! cargo test -p protocol
//! cargo test -p protocol --target wasm32-unknown-unknown
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod action;
mod canonical_encoding;
mod display;
mod json;
mod message;
mod proof;
mod push;
mod push_verifier;
mod return_path;
mod sign_origin;
mod strategies;
mod test_actions;
mod user;
mod vectors;

/// `#[test]` for both targets. Every module imports it from here.
#[cfg(not(target_family = "wasm"))]
use core::prelude::v1::test;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;
