//! The top-level pages of the sign origin: sign-in, registration and the confirmation window.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::{authority, clock::Clock, meta};

mod arming;
mod confirm;
mod confirm_view;
mod cooldown;
mod dom;
mod enter;
mod entry_form;
mod fragment;
mod request;

use dom::Dom;

/// What every page of the sign origin knows.
struct Page {
    dom: Dom,
    /// The application's origin.
    app_origin: String,
    /// The sign origin's host, as its `Host` header says it.
    sign_authority: String,
    /// The server's time.
    clock: Clock,
}

impl Page {
    /// The application's host, and port unless it is the default.
    fn app_authority(&self) -> &str {
        authority(&self.app_origin)
    }
}

/// Runs the page that this document is.
pub(crate) async fn run() -> Result<(), JsValue> {
    let dom = Dom::of_page()?;
    // A page of this origin inside another page could be covered. The server forbids it too.
    if dom.window.top()?.as_ref() != Some(&dom.window) {
        return Err("this page works at the top level only".into());
    }
    let page = Page {
        app_origin: meta("pan-app-origin")?,
        sign_authority: dom.window.location().host()?,
        clock: Clock::default(),
        dom,
    };
    // A document that comes back from the browser's cache is in the middle of what was done with it.
    page.dom.on_window("pageshow", |event| {
        let is_restored = Reflect::get(event, &"persisted".into()).is_ok_and(|persisted| persisted.is_truthy());
        if let Some(window) = web_sys::window().filter(|_| is_restored) {
            // Where it cannot be reloaded, the user can.
            let _ = window.location().reload();
        }
    })?;
    page.dom.set_ready()?;
    match page.dom.page_name().as_deref() {
        Some("confirm") => confirm::run(page).await,
        Some("register") => entry_form::run(page, "/register").await,
        _ => entry_form::run(page, "/sign-in").await,
    }
}
