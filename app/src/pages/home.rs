//! The home page, and the page for unknown addresses.

use client::Session;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

/// The home page.
#[component]
pub fn Home() -> impl IntoView {
    let session = expect_context::<Session>();
    let register = session.register_url("/account");
    view! {
        <Title text="PAN – a stolen cookie is worth nothing"/>
        <section class="hero">
            <h1>"PAN"</h1>
            <p class="lead">
                "A session that a stolen cookie cannot use. Every request is signed by a key that never leaves your browser, and nothing important happens until you have confirmed it yourself."
            </p>
            <Show
                when=move || session.is_signed_in()
                fallback=move || view! {
                    <a href=register.clone() rel="external" class="action">"Open a demo account"</a>
                }
            >
                <A href="/account" attr:class="action">"See your balance"</A>
            </Show>
        </section>
        <ul class="facts">
            <li>
                <h2>"Isolated"</h2>
                <p>"The key lives in a frame of another origin. No script on this page can read it, copy it or take it away."</p>
            </li>
            <li>
                <h2>"Signed"</h2>
                <p>"The server reads each request anew and checks its signature. Each can be used once, within seconds."</p>
            </li>
            <li>
                <h2>"Meant"</h2>
                <p>"Before money moves, a window of its own shows you exactly what will be signed. No page can draw over it, and only you can confirm there."</p>
            </li>
        </ul>
    }
}

/// The page for unknown addresses.
#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <Title text="Not found – PAN"/>
        <section class="card narrow">
            <h1>"There is no such page"</h1>
            <p>"The address may be mistyped, or the page has moved."</p>
            <p><A href="/">"Go to the start"</A></p>
        </section>
    }
}
