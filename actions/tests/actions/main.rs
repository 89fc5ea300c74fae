//! The application's actions, natively and as WebAssembly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod catalogue;
// <demo>
mod money;
mod transfer;
mod worked_example;
// </demo>
mod values;

/// `#[test]` for both targets. Every module imports it from here.
#[cfg(not(target_family = "wasm"))]
use core::prelude::v1::test;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;
