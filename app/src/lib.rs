//! An application under PAN.
//!
//! | part | what it is |
//! |---|---|
//! | [`pan`] | the browser half: talks to the signing frame, signs and sends server-function calls |
//! | [`error`] | everything that can go wrong, as sentences for people |
//! | [`session_api`] | signing out, sessions, activity |
//! | `authority`, `serve`, `shell` | the server half: proof of verification, routes, the HTML around every page |
//! | `audit_command`, `proofs_command` | `pan audit`, `pan proofs` |
//! | [`pages`] | sessions, activity, the bell |
//! | [`demo`] | a small bank, whose page is [`pages::account`]; an application of your own takes its place |
//!
//! The crate is built twice: with `ssr` as the server, with `hydrate` for the browser. Only this file knows.

#![recursion_limit = "256"]

pub mod error;
pub mod pages;
pub mod pan;
pub mod session_api;

/// The demonstration application: a bank account.
pub mod demo {
    pub mod api;
    #[cfg(feature = "ssr")]
    pub mod ledger;
}

#[cfg(feature = "ssr")]
pub mod audit_command;
#[cfg(feature = "ssr")]
pub mod proofs_command;
#[cfg(feature = "ssr")]
pub mod serve;
#[cfg(feature = "ssr")]
pub mod server_context;
#[cfg(feature = "ssr")]
pub mod shell;

/// Where the browser begins: takes over the page that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    if let Some(document) = leptos::prelude::document().document_element() {
        // The style sheet then does not say that the page has not started. An attribute of this name can always be set.
        let _ = document.set_attribute("data-ready", "");
    }
    let session = pan::session::Session::of_page();
    pan::start(session.clone());
    leptos::mount::hydrate_body(move || pages::app(session));
}
