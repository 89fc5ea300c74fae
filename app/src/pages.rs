//! The pages of the demonstration: a small bank.
//!
//! What the server renders is the same for everybody who has, or has not, a session. Private data is asked for after
//! hydration, by signed calls.

use leptos::{prelude::*, task::spawn_local};
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    NavigateOptions,
    components::{A, Route, Router, Routes},
    hooks::use_navigate,
    path,
};

use crate::{
    access,
    fault::Fault,
    pan::{self, session::Session},
};

pub mod account;
pub mod activity;
pub mod bell;
pub mod entry;
pub mod form;
pub mod home;
pub mod private;
pub mod pulse;
pub mod sessions;

use account::Account;
use activity::Activity;
use bell::Bell;
use entry::{Register, SignIn};
use form::Alert;
use home::{Home, NotFound};
use pulse::Pulse;
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
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=Home/>
                    <Route path=path!("/register") view=Register/>
                    <Route path=path!("/sign-in") view=SignIn/>
                    <Route path=path!("/account") view=Account/>
                    <Route path=path!("/sessions") view=Sessions/>
                    <Route path=path!("/activity") view=Activity/>
                </Routes>
            </main>
        </Router>
        <Show when=move || hears.is_in()><Pulse/></Show>
        <div class="progress" aria-live="polite">
            {move || session.is_slow().then(|| view! { <p>"Working…"</p> })}
        </div>
    }
}

/// The head of every page: where one is, and the way in or out.
#[component]
fn Banner() -> impl IntoView {
    let session = expect_context::<Session>();
    let fault = RwSignal::new(None::<Fault>);
    let leaving = RwSignal::new(false);
    let leave = move |_| {
        if leaving.get_untracked() {
            return;
        }
        leaving.set(true);
        fault.set(None);
        let navigate = use_navigate();
        spawn_local(async move {
            // Without a session or its key there is nothing left to end.
            let left = match access::sign_out().await {
                Err(fault) if !fault.wants_sign_in() => Err(fault),
                _ => pan::forget().await,
            };
            leaving.set(false);
            match left {
                Ok(()) => navigate("/", NavigateOptions::default()),
                Err(wrong) => fault.set(Some(wrong)),
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
                    fallback=|| view! {
                        <A href="/register">"Register"</A>
                        <A href="/sign-in">"Sign in"</A>
                    }
                >
                    <A href="/account">"Account"</A>
                    <A href="/sessions">"Sessions"</A>
                    <A href="/activity">"Activity"</A>
                    <Bell/>
                    <button type="button" class="quiet" aria-disabled=move || leaving.get().to_string() on:click=leave>
                        "Sign out"
                    </button>
                </Show>
            </nav>
        </header>
        <Alert sentence=move || fault.get().map(|fault| fault.to_string())/>
    }
}
