//! Confirmation in a browser that opens no windows: this tab goes to the confirmation page, with the request in the URL's
//! fragment, and returns with the answer in the fragment (docs/PROTOCOL.md §6). What the user typed is kept meanwhile.

use std::cell::RefCell;

use base64ct::{Base64UrlUnpadded, Encoding};
use leptos::prelude::{document, window};
use protocol::message::{FromWindow, ToWindow, WindowLink};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlInputElement, Storage};

use crate::{error::ClientError, session::Session};

/// The prefix of the answer in the fragment.
const PREFIX: &str = "#pan=";

/// The entry of the tab's storage.
const KEY: &str = "pan-redirect";

/// What the tab's storage keeps while the user is away.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingRedirect {
    pub(crate) request: ToWindow,
    /// The id and the text of each input.
    pub(crate) typed: Vec<(String, String)>,
}

/// What the user had typed before the redirect, until the inputs exist again.
#[derive(Default)]
pub(crate) struct TypedInputs(RefCell<Vec<(String, String)>>);

impl TypedInputs {
    /// Replaces all texts.
    pub(crate) fn set(&self, typed: Vec<(String, String)>) {
        self.0.replace(typed);
    }

    /// Takes the text of the input of that id.
    pub(crate) fn take(&self, id: &str) -> Option<String> {
        let mut typed = self.0.borrow_mut();
        let at = typed.iter().position(|(of, _)| of == id)?;
        Some(typed.swap_remove(at).1)
    }
}

/// Leaves this page for the confirmation page.
///
/// # Errors
/// [`ClientError::StorageBlocked`], [`ClientError::NoFrame`].
pub(crate) fn leave(session: &Session, request: &ToWindow) -> Result<(), ClientError> {
    let location = window().location();
    let pending = PendingRedirect { request: request.clone(), typed: typed() };
    let text = serde_json::to_string(&pending).map_err(|_| ClientError::Malformed)?;
    storage().ok_or(ClientError::StorageBlocked)?.set_item(KEY, &text).map_err(|_| ClientError::StorageBlocked)?;
    let return_path = [location.pathname(), location.search()].map(Result::unwrap_or_default).concat();
    let link = WindowLink { request: pending.request, return_path };
    let json = serde_json::to_vec(&link).map_err(|_| ClientError::Malformed)?;
    let url = [session.sign_origin(), "/confirm#", &Base64UrlUnpadded::encode_string(&json)].concat();
    location.assign(&url).map_err(|_| ClientError::NoFrame)
}

/// Takes the answer out of the URL, and what it answers out of the tab's storage, if the user has returned with one.
pub(crate) fn take_answer() -> Option<(PendingRedirect, FromWindow)> {
    let location = window().location();
    let fragment = location.hash().unwrap_or_default();
    let encoded = fragment.strip_prefix(PREFIX)?;
    let path = [location.pathname(), location.search()].map(Result::unwrap_or_default).concat();
    if let Ok(history) = window().history() {
        // What stays in the address bar is worthless: the signature expires within seconds, and its nonce is spent.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
    let pending = take_pending()?;
    let answer = Base64UrlUnpadded::decode_vec(encoded).ok().and_then(|json| serde_json::from_slice(&json).ok())?;
    Some((pending, answer))
}

fn typed() -> Vec<(String, String)> {
    let Ok(inputs) = document().query_selector_all("main input[id]") else { return Vec::new() };
    let inputs = (0..inputs.length()).filter_map(|at| inputs.item(at)?.dyn_into::<HtmlInputElement>().ok());
    inputs.filter(|input| input.type_() != "password").map(|input| (input.id(), input.value())).collect()
}

fn take_pending() -> Option<PendingRedirect> {
    let storage = storage()?;
    let text = storage.get_item(KEY).ok()??;
    // If it cannot be removed, the next redirect overwrites it.
    let _ = storage.remove_item(KEY);
    serde_json::from_str(&text).ok()
}

fn storage() -> Option<Storage> {
    window().session_storage().ok()?
}
