//! The browser half of PAN: talks to the signing frame, signs server-function calls, receives push messages.
//!
//! It depends on Leptos' reactive types, but on no pages and no application.
//!
//! ```no_run
//! # use leptos::{prelude::*, server_fn::{codec::{Json, JsonEncoding}, error::{FromServerFnError, ServerFnErrorErr}}};
//! # use serde::{Serialize, Deserialize};
//! use client::{ClientError, SignedClient};
//!
//! /// The application's error type wraps the client's.
//! #[derive(Debug, Serialize, Deserialize)]
//! enum AppError {
//!     Client(ClientError),
//! }
//! # impl std::fmt::Display for AppError {
//! #     fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) }
//! # }
//! # impl From<ClientError> for AppError { fn from(error: ClientError) -> Self { Self::Client(error) } }
//! # impl FromServerFnError for AppError {
//! #     type Encoder = JsonEncoding;
//! #     fn from_server_fn_error(_: ServerFnErrorErr) -> Self { Self::Client(ClientError::Unavailable) }
//! # }
//!
//! #[server(prefix = "/api", endpoint = "balance", input = Json, output = Json, client = SignedClient)]
//! async fn balance() -> Result<u64, AppError> {
//!     Ok(100)
//! }
//!
//! // In the browser, once, before the page is hydrated:
//! client::start::<AppError>(client::Session::from_page(), protocol::catalogue::Catalogue::new(&[]));
//! ```
//!
//! From the top down; a module uses only modules below it:
//!
//! | module | does |
//! |---|---|
//! | `signed_client` | [`SignedClient`], the client of server functions: signs what the catalogue protects |
//! | [`push`] | keeps a push connection open and delivers its messages |
//! | [`passkeys`] | lists, adds and removes the user's passkeys, and creates recovery codes |
//! | `call` | one call of a protected action: chooses the signer, signs, sends, retries |
//! | `redirect_answer` | takes the answer when the user returns from a confirmation in the same tab |
//! | `signed_request` | one signed request: nonce, signature, and the session's state from the response |
//! | `tab` | the state of one loaded page |
//! | `confirmation`, `redirect` | the confirmation window, and its substitute where the browser opens no windows |
//! | `frame` | the page's end of the port to the signing frame |
//! | `session` | [`Session`], which components read |
//! | `interaction_recorder`, `interaction` | records how the user last clicked, as an interaction proof |
//! | `subscribers`, `page_activity`, [`read_cursor`] | the receivers of push messages; whether a connection is needed; the last read message |
//! | `tab_sync` | notifies the other tabs of this browser when the session changes |
//! | `nonce_pool`, `notify` | unspent nonces; wakes waiting tasks |
//! | `clock`, `timeout` | the device's clocks; limits the time that is spent waiting |
//! | [`view`], `translation` | starts the page's view although other software may have changed the page |
//! | `fetch`, `response`, `error` | one POST; the application's response; [`ClientError`] |
//! | [`markup`] | what the server writes into every page for this crate to find |
//!
//! Everything lives in the browser's only thread. On the server, where this code compiles too so that a server function has
//! one definition, there is no [`Tab`], and every call fails.

use std::{fmt::Display, rc::Rc};

use futures::future::LocalBoxFuture;
use gloo_events::EventListener;
use leptos::{
    prelude::{document, window},
    server_fn::error::FromServerFnError,
};
use protocol::{action::Action, built_in::RestoreBrowser, catalogue::Catalogue};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::PageTransitionEvent;

mod call;
mod clock;
mod confirmation;
mod connection_state;
mod error;
mod fetch;
mod frame;
mod interaction;
mod interaction_recorder;
pub mod markup;
mod nonce_pool;
mod notify;
mod outcome;
mod page_activity;
pub mod passkeys;
pub mod push;
pub mod read_cursor;
mod redirect;
mod redirect_answer;
mod response;
mod session;
mod signed_client;
mod signed_request;
mod subscribers;
mod tab;
mod tab_sync;
mod timeout;
mod translation;
pub mod view;

pub use connection_state::{ConnectionState, Transport};
pub use error::ClientError;
pub use response::Response;
pub use session::{ConfirmationState, Progress, Session, SessionState};
pub use signed_client::{Request, SignedClient};

use tab::Tab;
use tab_sync::{LastSession, TabSync};

/// Starts the client in the browser, once, before the page is hydrated.
///
/// `E` is the error type of the application's server functions; `catalogue` lists its protected actions.
pub fn start<E>(session: Session, catalogue: Catalogue)
where
    E: FromServerFnError + From<ClientError> + Display,
{
    start_tab(session, catalogue, redirect_answer::outcome::<E>);
}

/// [`start`] without its type parameter, so that it is compiled in this crate only.
#[inline(never)]
fn start_tab(session: Session, catalogue: Catalogue, outcome: redirect_answer::ToOutcome) {
    let other_tabs = TabSync::join(|handle| {
        if let Ok(tab) = Tab::current() {
            tab.follow_session(handle);
        }
    });
    // Other tabs may still show the session from before the user signed in. Without a change nothing is sent: a message
    // drops pages from the back/forward cache.
    if TabSync::last() != Some(LastSession(session.handle())) {
        other_tabs.announce(session.handle());
    }
    let tab = Rc::new(Tab::new(session, catalogue, other_tabs));
    tab.activity.watch();
    watch_page_returns(&tab);
    redirect_answer::resume(&tab, outcome);
    spawn_local(push::run(Rc::clone(&tab)));
    tab.make_current();
}

/// Catches up when a page returns from the back/forward cache or becomes visible: it may have missed a session change.
fn watch_page_returns(tab: &Rc<Tab>) {
    let catch_up = |tab: &Tab| {
        if let Some(LastSession(session)) = TabSync::last() {
            tab.follow_session(session);
        }
    };
    let shown = Rc::clone(tab);
    EventListener::new(&window(), "pageshow", move |event| {
        if event.unchecked_ref::<PageTransitionEvent>().persisted() {
            shown.confirmation.cancel();
            catch_up(&shown);
        }
    })
    .forget();
    let visible = Rc::clone(tab);
    EventListener::new(&document(), "visibilitychange", move |_| {
        if !document().hidden() {
            catch_up(&visible);
        }
    })
    .forget();
}

/// Replaces the key that the signing frame has lost with its new one, once the user has confirmed it. Call it in a click.
///
/// # Errors
/// Why the key was not replaced.
#[inline(never)]
pub fn restore_browser() -> LocalBoxFuture<'static, Result<(), ClientError>> {
    // Boxed here, so that it is compiled in this crate only.
    Box::pin(restore())
}

async fn restore() -> Result<(), ClientError> {
    let tab = Tab::current()?;
    let (session, key) = tab.session.to_restore().ok_or_else(|| tab.session.absence_reason())?;
    let entry = tab.protected(RestoreBrowser::PATH).ok_or(ClientError::Malformed)?;
    let body = serde_json::to_string(&RestoreBrowser { key }).map_err(|_| ClientError::Malformed)?;
    let reply = call::Call { tab: Rc::clone(&tab), session, entry, body }.send().await?;
    reply.into_success()?;
    tab.set_session(SessionState::SignedIn(session));
    tab.other_tabs.announce(Some(session));
    Ok(())
}

/// Forgets the session that signing out has just ended, in this tab and the others.
///
/// # Errors
/// [`ClientError::Unverified`] on the server.
#[inline(never)]
pub fn forget_session() -> LocalBoxFuture<'static, Result<(), ClientError>> {
    Box::pin(forget())
}

async fn forget() -> Result<(), ClientError> {
    let tab = Tab::current()?;
    match tab.session.handle() {
        Some(session) => tab.end_session(session, SessionState::SignedOut).await,
        None => tab.set_session(SessionState::SignedOut),
    }
    tab.other_tabs.announce(None);
    Ok(())
}

/// Brings the confirmation window to the front.
pub fn show_confirmation() {
    if let Ok(tab) = Tab::current() {
        tab.confirmation.bring_to_front();
    }
}

/// Cancels the confirmation that is open.
pub fn cancel_confirmation() {
    if let Ok(tab) = Tab::current() {
        tab.confirmation.cancel();
    }
}

/// Opens the confirmation window that the browser has blocked; call it in a click. If the browser blocks it again, the user
/// confirms in this tab and returns.
pub fn continue_in_window() {
    if let Ok(tab) = Tab::current() {
        tab.confirmation.continue_in_window();
    }
}

/// Takes the text that the user had typed into the input of that id before leaving this page to confirm, once.
pub fn typed_before(id: &str) -> Option<String> {
    Tab::current().ok()?.typed_inputs.take(id)
}
