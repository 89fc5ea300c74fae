//! Sign-in with a passkey: by the button, or among the suggestions of the login's input (conditional UI).
//!
//! The passkey signs the statement that names the new confirmation key, so the key is generated first. It is stored before the
//! assertion is sent, like at a sign-in with a password.

use std::{cell::Cell, rc::Rc};

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::{
    passkey::{self as wire, PasskeySignIn, PasskeySignedIn},
    problem::Code,
    sign_origin::{Challenged, SignedIn, sign_in_statement},
};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal};

use super::{
    dom::{listen, set_text},
    enter,
    entry_form::{EntryForm, FormError, NO_KEYS, REJECTED, WAITING, is_code, storage},
    passkey::{self, GET},
};
use crate::{
    http::{self, HttpError},
    key_store::KeyStore,
    keys::Key,
};

/// When the suggestions get a new challenge, in ms: before the server forgets the old one.
const RENEW: i32 = 100_000;

/// How often a page does that. After that the button is left.
const RENEWALS: u32 = 20;

const CANCELLED: &str = "No passkey was used. Try again, or sign in with your password.";
const UNKNOWN: &str = "This passkey is not one of an account here. Use another one, or sign in with your password.";
const LATE: &str = "That took too long. Try again.";

/// A passkey that the browser offers among its suggestions.
struct Suggestion {
    /// Ends the offer.
    signal: AbortSignal,
    /// Whether the user has chosen it.
    is_chosen: Cell<bool>,
}

impl EntryForm {
    /// Offers passkeys, if the page and the browser can.
    pub(super) fn offer_passkeys(self: &Rc<Self>) {
        let Ok(button) = self.page.dom.element::<web_sys::HtmlElement>("passkey") else { return };
        if !passkey::is_supported() {
            return;
        }
        button.set_hidden(false);
        let form = Rc::clone(self);
        // Without the listener the button does nothing.
        let _ = listen(&button, "click", move |_| {
            let form = Rc::clone(&form);
            spawn_local(async move {
                // Two requests for a passkey at once are an error.
                form.stop_suggestions();
                form.run(form.sign_in_with_passkey(None)).await;
            });
        });
        let form = Rc::clone(self);
        spawn_local(async move { form.suggest_passkeys().await });
    }

    /// Ends the suggestions, which wait for the user.
    pub(super) fn stop_suggestions(&self) {
        if let Some(control) = self.suggestions.take() {
            control.abort();
        }
    }

    async fn suggest_passkeys(self: Rc<Self>) {
        if !passkey::is_conditional_supported().await {
            return;
        }
        for _ in 0..RENEWALS {
            let Ok(control) = AbortController::new() else { return };
            if self.is_busy.get() {
                return;
            }
            self.suggestions.replace(Some(control.clone()));
            let suggestion = Suggestion { signal: control.signal(), is_chosen: Cell::new(false) };
            let _ = self.page.dom.after(RENEW, move || control.abort());
            match self.sign_in_with_passkey(Some(&suggestion)).await {
                Err(error) if suggestion.is_chosen.get() => {
                    self.fail(error);
                    return;
                }
                // Renewed.
                Err(_) if suggestion.signal.aborted() && self.suggestions.borrow().is_some() => {}
                // Done, stopped by another attempt, or the browser offers no suggestions.
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// Signs in with a passkey, which the browser asks for or offers among its suggestions.
    async fn sign_in_with_passkey(&self, suggestion: Option<&Suggestion>) -> Result<(), FormError> {
        let form = |text: &str| FormError::Form(text.to_owned());
        let key = Key::generate().await.map_err(|_| form(NO_KEYS))?;
        let exchange = http::post("/challenge", "{}", &[]).await.map_err(|error| self.explain(error))?;
        let Challenged { challenge, now } = exchange.read().map_err(|error| self.explain(error))?;
        self.page.clock.update(now, &exchange);
        let statement = sign_in_statement(&self.page.sign_authority, &challenge, &key.public().thumbprint());
        let signature = key.sign(&statement).await.map_err(|_| form(NO_KEYS))?;
        let hash = Base64UrlUnpadded::encode_string(&wire::challenge(&statement));
        let members = passkey::get_members(self.page.rp_id(), "");
        if suggestion.is_none() {
            set_text(&self.status, passkey::PROMPT);
        }
        let passkey =
            passkey::run(GET, &hash, &members, passkey::TIMEOUT, suggestion.map(|suggestion| &suggestion.signal))
                .await
                .map_err(|_| form(CANCELLED))?;
        set_text(&self.status, WAITING);
        self.is_busy.set(true);
        if let Some(suggestion) = suggestion {
            suggestion.is_chosen.set(true);
            self.suggestions.take();
        }

        let key_store = KeyStore::open().await.map_err(storage)?;
        let id = key_store.keep_confirmation_key(None, None, &key, "").await.map_err(storage)?;
        let request = PasskeySignIn { jwk: key.public().to_jwk(), challenge, signature, passkey };
        let json = serde_json::to_string(&request).map_err(|_| form(REJECTED))?;
        let response = match http::post("/sign-in/passkey", &json, &[]).await {
            Ok(response) => response.read::<PasskeySignedIn>(),
            Err(error) => Err(error),
        };
        let PasskeySignedIn { user, ticket, enter, now } = response.map_err(|error| self.explain_passkey(error))?;
        let session = ticket.token().handle();
        key_store.keep_confirmation_key(Some(id), Some(&session), &key, user.as_str()).await.map_err(storage)?;
        let response = SignedIn { ticket, enter, now };
        enter::submit(&self.page, &response, &key, &self.return_path).await.map_err(|_| form(REJECTED))
    }

    fn explain_passkey(&self, error: HttpError) -> FormError {
        if is_code(&error, Code::WrongCredentials) {
            FormError::Form(UNKNOWN.to_owned())
        } else if is_code(&error, Code::UseFreshNonce) {
            FormError::Form(LATE.to_owned())
        } else {
            self.explain(error)
        }
    }
}
