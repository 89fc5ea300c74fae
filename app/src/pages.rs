//! The application's pages.
//!
//! The server renders the same page for every user with a session, and the same for every user without. Private data is
//! loaded after hydration, by signed calls.

use client::{ConfirmationState, Session};
use leptos::{html::Button, prelude::*, task::spawn_local};
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    NavigateOptions,
    components::{A, Route, Router, Routes},
    hooks::{use_location, use_navigate},
    path,
};

use crate::{error::AppError, session_api};

pub mod account;
pub mod activity;
pub mod changes;
pub mod connection_status;
pub mod focus;
pub mod form;
pub mod home;
pub mod notifications;
pub mod passkeys;
pub mod private;
pub mod sessions;

use account::Account;
use activity::Activity;
use connection_status::ConnectionStatus;
use form::{Alert, live};
use home::{Home, NotFound};
use notifications::Notifications;
use passkeys::Passkeys;
use sessions::Sessions;

/// The id of the element that contains [`app`].
pub const ROOT_ID: &str = "app";

/// Everything inside `<body>` except the signing frame.
pub fn app(session: Session) -> impl IntoView {
    provide_meta_context();
    provide_context(session.clone());
    let signed_in = session.clone();
    view! {
        <Title text="PAN"/>
        <Router>
            <Banner/>
            <main id="main" tabindex="-1">
                <RedirectOutcome/>
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=Home/>
                    <Route path=path!("/account") view=Account/>
                    <Route path=path!("/sessions") view=Sessions/>
                    <Route path=path!("/passkeys") view=Passkeys/>
                    <Route path=path!("/activity") view=Activity/>
                </Routes>
            </main>
        </Router>
        <Show when=move || signed_in.is_signed_in()><ConnectionStatus/></Show>
        <Confirmation/>
        <div class="progress" aria-live="polite">
            {move || session.progress().map(|progress| view! { <p>{progress.sentence()}</p> })}
        </div>
    }
}

/// The path to which the user returns after signing in: from the home page, the account.
pub fn return_path(path: &str) -> String {
    if path == "/" { "/account" } else { path }.to_owned()
}

/// Shown while the confirmation window is open or blocked.
#[component]
fn Confirmation() -> impl IntoView {
    let session = expect_context::<Session>();
    let button = NodeRef::<Button>::new();
    let state = Memo::new(move |_| session.confirmation());
    // What had the focus before.
    let mut previous = None;
    // A blocked window needs another click: focus its button.
    Effect::new(move || match state.get() {
        ConfirmationState::Closed => {
            if let Some(previous) = previous.take() {
                focus::restore(previous);
            }
        }
        now => {
            previous.get_or_insert_with(focus::focused);
            if now == ConfirmationState::Blocked
                && let Some(button) = button.get()
            {
                // A button that cannot be focused leaves the focus where it is.
                let _ = button.focus();
            }
        }
    });
    let text = move || match state.get() {
        ConfirmationState::Closed => "",
        ConfirmationState::Open => "Confirm in the window that has opened. It shows exactly what will happen.",
        ConfirmationState::Silent => {
            "The confirmation window has not loaded yet. Wait, or cancel here, turn off what may block it, and try again."
        }
        ConfirmationState::Blocked => "Your browser blocked the confirmation window.",
    };
    let press = move |_| match state.get_untracked() {
        ConfirmationState::Blocked => client::continue_in_window(),
        ConfirmationState::Open | ConfirmationState::Silent | ConfirmationState::Closed => client::show_confirmation(),
    };
    let label = move || match state.get() {
        ConfirmationState::Blocked => "Continue in a secure window",
        ConfirmationState::Open | ConfirmationState::Silent | ConfirmationState::Closed => "Show the window",
    };
    view! {
        // The text is also in a live region, which must exist before its text changes.
        <p class="visually-hidden" role="status">{text}</p>
        <section class="confirmation-prompt" aria-label="Confirmation" hidden=move || state.get() == ConfirmationState::Closed>
            <p>{text}</p>
            <div class="buttons">
                <button type="button" class="primary" node_ref=button on:click=press>{label}</button>
                <button type="button" class="secondary" on:click=|_| client::cancel_confirmation()>"Cancel"</button>
            </div>
        </section>
    }
}

/// The result of a request that the user confirmed after leaving this page.
#[component]
fn RedirectOutcome() -> impl IntoView {
    let session = expect_context::<Session>();
    let (done, failed) = (session.clone(), session);
    let confirmed =
        move || matches!(done.redirect_outcome(), Some(Ok(()))).then(|| "Confirmed. The change was made.".to_owned());
    view! {
        <Alert sentence=move || failed.redirect_outcome().and_then(Result::err)/>
        {live(None, "status", "notice", Box::new(confirmed))}
    }
}

/// The head of every page: navigation, notifications, signing in and out.
#[component]
fn Banner() -> impl IntoView {
    let session = expect_context::<Session>();
    let path = use_location().pathname;
    let links = session.clone();
    let error = RwSignal::new(None::<AppError>);
    let pending = RwSignal::new(false);
    // Before hydration a click does nothing. Effects run in the browser only.
    let ready = RwSignal::new(false);
    Effect::new(move || ready.set(true));
    let sign_out = move |_| {
        if pending.get_untracked() {
            return;
        }
        pending.set(true);
        error.set(None);
        let navigate = use_navigate();
        spawn_local(async move {
            // Without a session or its key there is nothing to end.
            let result = match session_api::sign_out().await {
                Err(error) if !error.requires_sign_in() => Err(error),
                _ => client::forget_session().await.map_err(AppError::from),
            };
            pending.set(false);
            match result {
                Ok(()) => {
                    navigate("/", NavigateOptions::default());
                    // On the home page, only the button disappears.
                    focus::restore(None);
                }
                Err(failed) => error.set(Some(failed)),
            }
        });
    };
    view! {
        <header class="banner">
            // The router would not move the focus.
            <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
            <A href="/" attr:class="brand">"PAN"</A>
            <nav aria-label="Main">
                <Show
                    when=move || session.is_signed_in()
                    fallback=move || {
                        let (register, sign_in) = (links.clone(), links.clone());
                        view! {
                            <a href=move || register.register_url(&return_path(&path.get())) rel="external">"Register"</a>
                            <a href=move || sign_in.sign_in_url(&return_path(&path.get())) rel="external">"Sign in"</a>
                        }
                    }
                >
                    <A href="/account">"Account"</A>
                    <A href="/sessions">"Sessions"</A>
                    <A href="/activity">"Activity"</A>
                    <Notifications/>
                    <button
                        type="button"
                        class="secondary"
                        disabled=move || !ready.get()
                        aria-disabled=move || pending.get().to_string()
                        on:click=sign_out
                    >
                        "Sign out"
                    </button>
                </Show>
            </nav>
        </header>
        <Alert sentence=move || error.get().map(|error| error.to_string())/>
    }
}
