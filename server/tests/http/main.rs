//! HTTP tests of the verification layer and the sign origin, without a network: valid and manipulated requests.

#![allow(clippy::unwrap_used)]

mod audit;
mod authenticator;
mod bind;
mod browser;
mod clocks;
mod cookies;
mod costs;
mod device;
mod enter;
mod existing_axum;
mod instances;
mod known_devices;
mod limits;
mod metrics;
mod mixed_stores;
mod origins;
mod outcomes;
mod own_users;
mod passkey_actions;
mod passkey_sign_in;
mod passkeys;
mod push;
mod push_client;
mod recovery;
mod recovery_codes;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod requests;
mod sessions;
mod sign_in;
mod store_outage;
#[path = "../../../protocol/tests/wire/test_actions.rs"]
mod test_actions;
mod test_app;

use std::num::NonZeroU32;

use http::StatusCode;
use server::store::Stores;

use browser::Browser;
use test_actions::{Order, ReadNotes, Rename};
use test_app::TestApp;

fn app() -> TestApp {
    TestApp::new(Stores::memory())
}

fn read() -> ReadNotes {
    ReadNotes {}
}

fn rename() -> Rename {
    Rename { name: "Ada".parse().unwrap() }
}

fn order() -> Order {
    Order { to: "bob".parse().unwrap(), amount: NonZeroU32::new(1200).unwrap(), note: "rent".parse().unwrap() }
}

/// Checks that the session still works: rejected requests have not spent the owner's nonce.
async fn owner_still_acts(app: &TestApp, browser: &mut Browser) {
    let reply = browser.call(app, &read()).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.body, b"ada");
}
