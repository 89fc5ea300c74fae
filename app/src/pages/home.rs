//! The home page, and the page for unknown addresses.

use client::Session;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use super::focus;

/// The home page.
#[component]
pub fn Home() -> impl IntoView {
    focus::show_page();
    let session = expect_context::<Session>();
    let register = session.register_url("/account");
    view! {
        <Title text="PAN – a stolen cookie is worth nothing"/>
        <section class="hero">
            <h1 tabindex="-1">"PAN"</h1>
            <p class="lead">
                "Sessions that a stolen cookie cannot open. Your browser signs every request with a key that never leaves it, and nothing important happens until you confirm it."
            </p>
            <Show
                when=move || session.is_signed_in()
                fallback=move || view! {
                    <a href=register.clone() rel="external" class="primary">"Open an account"</a>
                }
            >
                <A href="/account" attr:class="primary">"See your account"</A>
            </Show>
        </section>
        <ul class="features">
            <li>
                <h2>"Isolated"</h2>
                <p>"Your key is kept by another origin. No script on this page can read it or copy it."</p>
            </li>
            <li>
                <h2>"Signed"</h2>
                <p>"The server checks the signature of every request. Each request works once, within seconds."</p>
            </li>
            <li>
                <h2>"Confirmed"</h2>
                <p>"Before anything important happens, a separate window shows exactly what will be signed. No page can draw over it, and only you can confirm there."</p>
            </li>
        </ul>
    }
}

/// The page for unknown addresses.
#[component]
pub fn NotFound() -> impl IntoView {
    focus::show_page();
    view! {
        <Title text="Not found – PAN"/>
        <section class="card narrow">
            <h1 tabindex="-1">"Page not found"</h1>
            <p>"The address may be mistyped, or the page has moved."</p>
            <p><A href="/">"Go to the home page"</A></p>
        </section>
    }
}
