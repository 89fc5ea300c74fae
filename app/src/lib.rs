//! The application, protected by PAN.
//!
//! | module | is |
//! |---|---|
//! | [`pages`] | every page: account, sessions, activity, notifications |
//! | [`session_api`] | the server functions about sessions and activity, which every application needs |
//! | [`account`] | the account: display name, server functions, records. Your own application begins here |
// <demo>
//! | [`bank`] | the demo: sending money. `scripts/delete-demo.sh` deletes it |
// </demo>
//! | [`error`] | the error of every server function |
//! | `serve`, `shell`, `server_context` | server only: routes, the HTML around every page, what a server function may use |
//! | `command`, `audit_command`, `proofs_command` | server only: the command line |
//!
//! The crate is built twice: with `ssr` as the server, with `hydrate` for the browser. Only this file knows these features.

#![recursion_limit = "256"]

pub mod account;
// <demo>
pub mod bank;
// </demo>
pub mod error;
pub mod pages;
pub mod session_api;

#[cfg(feature = "ssr")]
pub mod audit_command;
#[cfg(feature = "ssr")]
pub mod command;
#[cfg(feature = "ssr")]
pub mod proofs_command;
#[cfg(feature = "ssr")]
pub mod serve;
#[cfg(feature = "ssr")]
pub mod server_context;
#[cfg(feature = "ssr")]
pub mod shell;

/// The browser's entry point: hydrates the page that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    client::view::start(pages::ROOT_ID, |page| {
        let session = client::Session::from_page();
        client::start::<error::AppError>(session.clone(), actions::CATALOGUE);
        leptos::mount::hydrate_from(page, move || pages::app(session)).forget();
    });
}
