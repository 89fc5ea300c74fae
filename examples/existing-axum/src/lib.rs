//! An existing axum application that adopts PAN. `GET /` stays as it is. `POST /api/close_account` is verified from now on;
//! `POST /api/nickname` is still being introduced: unsigned requests are let through and counted
//! (`pan_noticed_total{action="nickname",reason="unsigned"}`) until every client signs.
//!
//! The signing frame must know the actions too: make them the crate that `signer/` depends on as `actions`.

use axum::{Router, extract::State, routing::get};
use protocol::{action::Summary, catalogue::Catalogue};
use server::{Functions, Server, Verified, extract::ActionRouter};

protocol::actions! {
    /// Changes the nickname.
    Rename at "nickname" needs Interaction {
        /// The new nickname.
        name: String,
    }
    summary |rename| Summary {
        title: "Change your nickname",
        lines: vec![("Nickname", rename.name.clone())],
        button: "Change nickname".into(),
    }

    /// Closes the account.
    CloseAccount at "close_account" needs Confirmed {}
    summary |_close| Summary::plain("Close your account", "Close account")
}

/// Which routes are protected.
pub fn functions() -> Functions {
    // Once no unsigned request is counted any more, remove the path from this list.
    Functions::new(Catalogue::new(ACTIONS)).observed(&["/api/nickname"])
}

/// The application's router.
pub fn router(server: Server) -> Router {
    Router::new()
        .route("/", get(async || "Welcome"))
        .route("/api/nickname", axum::routing::post(rename))
        .action(close_account)
        .with_state(server)
}

async fn rename(request: Option<Verified<Rename>>) -> String {
    match request {
        Some(request) => format!("{} is now called {}", request.user(), request.action().name),
        None => "changed without a signature".to_owned(),
    }
}

async fn close_account(_: State<Server>, request: Verified<CloseAccount>) -> String {
    format!("{} has closed the account", request.user())
}
