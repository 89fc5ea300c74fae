//! The top-level pages of the sign origin: sign-in, registration, recovery and the confirmation window.

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
mod passkey;
mod passkey_sign_in;
mod recovery_codes;
mod request;
mod session_passkeys;
mod watch;

use dom::Dom;

/// Common state of the pages of the sign origin.
struct Page {
    dom: Dom,
    /// The app origin.
    app_origin: String,
    /// Host and port of the sign origin, as in its `Host` header.
    sign_authority: String,
    /// The estimate of the server's clock.
    clock: Clock,
}

impl Page {
    /// Host of the app origin, and port unless it is the scheme's default.
    fn app_authority(&self) -> &str {
        authority(&self.app_origin)
    }

    /// The RP ID of passkeys: the host of the sign origin.
    fn rp_id(&self) -> &str {
        self.sign_authority.split(':').next().unwrap_or_default()
    }
}

/// Runs the page for sign-in, registration or recovery, by the document's `data-page` attribute.
pub(crate) async fn run_entry() -> Result<(), JsValue> {
    let page = start()?;
    let path = match page.dom.page_name().as_deref() {
        Some("register") => entry_form::REGISTER,
        Some("recover") => entry_form::RECOVER,
        _ => entry_form::SIGN_IN,
    };
    entry_form::run(page, path).await
}

/// Runs the confirmation window.
pub(crate) async fn run_confirm() -> Result<(), JsValue> {
    confirm::run(start()?).await
}

fn start() -> Result<Page, JsValue> {
    let dom = Dom::of_page()?;
    // Another page could cover a page inside a frame. The server's headers forbid framing too.
    if dom.window.top()?.as_ref() != Some(&dom.window) {
        return Err("this page works only as a top-level page".into());
    }
    let page = Page {
        app_origin: meta("pan-app-origin")?,
        sign_authority: dom.window.location().host()?,
        clock: Clock::default(),
        dom,
    };
    // A document from the back/forward cache has the state in which the user left it, so it is reloaded.
    page.dom.on_window("pageshow", |event| {
        let is_restored = Reflect::get(event, &"persisted".into()).is_ok_and(|persisted| persisted.is_truthy());
        if let Some(window) = web_sys::window().filter(|_| is_restored) {
            // If this fails, the user can reload the page.
            let _ = window.location().reload();
        }
    })?;
    page.dom.set_ready()?;
    Ok(page)
}
