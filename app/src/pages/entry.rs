//! Registering and signing in.

use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use leptos_meta::Title;
use leptos_router::{NavigateOptions, hooks::use_navigate};
use protocol::value::UserName;

use super::form::{Field, Form, Submit, Wrong, clear, text};
use crate::{access, demo::api, fault::Fault, pan};

/// A new account.
#[component]
pub fn Register() -> impl IntoView {
    view! {
        <Entry
            title="Open an account"
            button="Register"
            password_kind="new-password"
            user_hint="3 to 32 of a–z, 0–9, - and _, beginning with a letter."
            enter=|user, password| Box::pin(api::register(user, password))
        />
    }
}

/// Back into an account.
#[component]
pub fn SignIn() -> impl IntoView {
    view! {
        <Entry
            title="Welcome back"
            button="Sign in"
            password_kind="current-password"
            enter=|user, password| Box::pin(access::sign_in(user, password))
        />
    }
}

/// Opens a session.
type Enter = fn(UserName, String) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Fault>>>>;

#[component]
fn Entry(
    title: &'static str,
    button: &'static str,
    password_kind: &'static str,
    #[prop(default = "")] user_hint: &'static str,
    enter: Enter,
) -> impl IntoView {
    let form = Form::start();
    let (user, password) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let check = move || {
        let name = UserName::parse(text(user).trim()).map_err(|_| {
            Wrong::field("user", "A user name has 3 to 32 of a–z, 0–9, - and _, and begins with a letter.")
        })?;
        let secret = text(password);
        if secret.is_empty() {
            return Err(Wrong::field("password", "Enter your password."));
        }
        Ok(async move {
            enter(name, secret).await?;
            pan::bind().await
        })
    };
    let navigate = use_navigate();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        form.send(check(), move |()| {
            clear(password);
            navigate("/account", NavigateOptions::default());
        });
    };
    view! {
        <Title text=format!("{button} – PAN")/>
        <section class="card narrow">
            <h1>{title}</h1>
            <form method="post" novalidate on:submit=submit>
                <Field form id="user" label="User name" input=user autocomplete="username" hint=user_hint/>
                <Field form id="password" label="Password" input=password kind="password" autocomplete=password_kind/>
                <Submit form label=button/>
            </form>
        </section>
    }
}
