//! The pages of the demonstration: a small bank.
//!
//! What the server renders is the same for everybody who has, or has not, a session. Private data is asked for after
//! hydration, by signed calls.

use leptos::{html::Button, prelude::*, task::spawn_local};
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    NavigateOptions,
    components::{A, Route, Router, Routes},
    hooks::{use_location, use_navigate},
    path,
};

use crate::{
    error::AppError,
    pan::{
        self, confirmation,
        session::{Confirming, Session},
    },
    session_api,
};

pub mod account;
pub mod activity;
pub mod connection_status;
pub mod form;
pub mod home;
pub mod notifications;
pub mod private;
pub mod sessions;

use account::Account;
use activity::Activity;
use connection_status::ConnectionStatus;
use form::Alert;
use home::{Home, NotFound};
use notifications::Notifications;
use sessions::Sessions;

/// Everything inside `<body>` but the signing frame.
pub fn app(session: Session) -> impl IntoView {
    provide_meta_context();
    provide_context(session.clone());
    let hears = session.clone();
    view! {
        <Title text="PAN"/>
        <Router>
            <Banner/>
            <main id="main">
                <Outcome/>
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=Home/>
                    <Route path=path!("/account") view=Account/>
                    <Route path=path!("/sessions") view=Sessions/>
                    <Route path=path!("/activity") view=Activity/>
                </Routes>
            </main>
        </Router>
        <Show when=move || hears.is_in()><ConnectionStatus/></Show>
        <Confirmation/>
        <div class="progress" aria-live="polite">
            {move || session.is_slow().then(|| view! { <p>"Working…"</p> })}
        </div>
    }
}

/// Where a user goes on after signing in: from the first page, to the account.
pub fn return_path(path: &str) -> String {
    if path == "/" { "/account" } else { path }.to_owned()
}

/// What is shown while the confirmation window is open, or blocked.
#[component]
fn Confirmation() -> impl IntoView {
    let session = expect_context::<Session>();
    let button = NodeRef::<Button>::new();
    let confirming = Memo::new(move |_| session.confirming());
    // A blocked window takes a press: the button for it gets the focus.
    Effect::new(move || {
        if confirming.get() == Confirming::Blocked
            && let Some(button) = button.get()
        {
            // A button that cannot take the focus leaves it where it is.
            let _ = button.focus();
        }
    });
    let text = move || match confirming.get() {
        Confirming::No => "",
        Confirming::Open => "Confirm in the window that has opened. It shows exactly what will happen.",
        Confirming::Blocked => "Your browser has blocked the window in which you confirm.",
    };
    let press = move |_| match confirming.get_untracked() {
        Confirming::Blocked => confirmation::continue_in_window(),
        Confirming::Open | Confirming::No => confirmation::bring_to_front(),
    };
    let label = move || match confirming.get() {
        Confirming::Blocked => "Continue in a secure window",
        Confirming::Open | Confirming::No => "Show the window",
    };
    view! {
        <section class="confirming" aria-label="Confirmation" hidden=move || confirming.get() == Confirming::No>
            <p role="status">{text}</p>
            <div class="choices">
                <button type="button" class="action" node_ref=button on:click=press>{label}</button>
                <button type="button" class="quiet" on:click=|_| confirmation::cancel()>"Cancel"</button>
            </div>
        </section>
    }
}

/// What came of a request that was confirmed while the user had left this page.
#[component]
fn Outcome() -> impl IntoView {
    let session = expect_context::<Session>();
    let (done, failed) = (session.clone(), session);
    view! {
        <Alert sentence=move || failed.outcome().and_then(Result::err).map(|error| error.to_string())/>
        <p class="notice" role="status" hidden=move || !matches!(done.outcome(), Some(Ok(())))>
            "You confirmed it, and it was done."
        </p>
    }
}

/// The head of every page: where one is, and the way in or out.
#[component]
fn Banner() -> impl IntoView {
    let session = expect_context::<Session>();
    let path = use_location().pathname;
    let addresses = session.clone();
    let error = RwSignal::new(None::<AppError>);
    let leaving = RwSignal::new(false);
    // Before the page is hydrated a press would do nothing. Effects run in the browser only.
    let ready = RwSignal::new(false);
    Effect::new(move || ready.set(true));
    let leave = move |_| {
        if leaving.get_untracked() {
            return;
        }
        leaving.set(true);
        error.set(None);
        let navigate = use_navigate();
        spawn_local(async move {
            // Without a session or its key there is nothing left to end.
            let left = match session_api::sign_out().await {
                Err(error) if !error.wants_sign_in() => Err(error),
                _ => pan::forget().await,
            };
            leaving.set(false);
            match left {
                Ok(()) => navigate("/", NavigateOptions::default()),
                Err(wrong) => error.set(Some(wrong)),
            }
        });
    };
    view! {
        <header class="banner">
            <a class="skip" href="#main">"Skip to content"</a>
            <A href="/" attr:class="brand">"PAN"</A>
            <nav aria-label="Main">
                <Show
                    when=move || session.is_in()
                    fallback=move || {
                        let (register, sign_in) = (addresses.clone(), addresses.clone());
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
                        class="quiet"
                        disabled=move || !ready.get()
                        aria-disabled=move || leaving.get().to_string()
                        on:click=leave
                    >
                        "Sign out"
                    </button>
                </Show>
            </nav>
        </header>
        <Alert sentence=move || error.get().map(|error| error.to_string())/>
    }
}
