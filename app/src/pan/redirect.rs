//! Confirmation in a browser that opens no windows: the user goes to the confirmation in this tab, with the request in the
//! URL's fragment, and comes back with the answer in the fragment (docs/PROTOCOL.md §6). What was typed is kept meanwhile.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use base64ct::{Base64UrlUnpadded, Encoding};
use leptos::prelude::{document, window};
use protocol::message::{FromWindow, SignedHeaders, ToWindow, WindowLink};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlInputElement, Storage};

use super::{Tab, client, signed_request::Signed};
use crate::error::AppError;

/// What stands before the answer in the fragment.
const PREFIX: &str = "#pan=";

/// The entry of the tab's storage.
const KEY: &str = "pan-redirect";

/// What is kept while the user is away.
#[derive(Serialize, Deserialize)]
struct Kept {
    request: ToWindow,
    /// The text of each input, by its id.
    typed: HashMap<String, String>,
}

/// What was typed before the user went away, until the fields are there again.
#[derive(Default)]
pub(crate) struct Typed(RefCell<HashMap<String, String>>);

/// Leaves for the confirmation.
pub(super) fn leave(tab: &Tab, request: &ToWindow) -> Result<(), AppError> {
    let location = window().location();
    let kept = Kept { request: request.clone(), typed: typed() };
    let text = serde_json::to_string(&kept).map_err(|_| AppError::Malformed)?;
    storage().ok_or(AppError::StorageBlocked)?.set_item(KEY, &text).map_err(|_| AppError::StorageBlocked)?;
    let return_path = [location.pathname(), location.search()].map(Result::unwrap_or_default).concat();
    let link = WindowLink { request: kept.request, return_path };
    let json = serde_json::to_vec(&link).map_err(|_| AppError::Malformed)?;
    let url = [tab.session.sign_origin(), "/confirm#", &Base64UrlUnpadded::encode_string(&json)].concat();
    location.assign(&url).map_err(|_| AppError::NoFrame)
}

/// Takes the answer out of the URL, if the user comes back with one, and sends the request that was confirmed.
pub(super) fn come_back(tab: &Rc<Tab>) {
    let location = window().location();
    let fragment = location.hash().unwrap_or_default();
    let Some(encoded) = fragment.strip_prefix(PREFIX) else { return };
    let path = [location.pathname(), location.search()].map(Result::unwrap_or_default).concat();
    if let Ok(history) = window().history() {
        // What stays in the address bar is worthless: the signature is fresh for seconds, and its nonce is spent.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
    let Some(kept) = take_kept() else { return };
    let answer = Base64UrlUnpadded::decode_vec(encoded).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let tab = Rc::clone(tab);
    // Once the page is hydrated: until then it must look as the server rendered it.
    spawn_local(async move {
        let outcome = match answer {
            Some(FromWindow::Signed(headers)) => send(&tab, kept.request, headers).await,
            Some(FromWindow::Rejected(reason)) => Err(reason.into()),
            Some(FromWindow::Shown {}) | None => return,
        };
        if outcome.is_err() {
            tab.typed.0.replace(kept.typed);
        }
        tab.session.set_outcome(outcome);
    });
}

/// What was typed in a field before the user went away: once.
pub fn typed_before(id: &str) -> Option<String> {
    Tab::get().ok()?.typed.0.borrow_mut().remove(id)
}

async fn send(tab: &Tab, request: ToWindow, headers: SignedHeaders) -> Result<(), AppError> {
    let ToWindow { session, path, body, .. } = request;
    let sending = tab.send(session, &path, Signed { body, headers });
    client::application(tab.session.busy_while(sending).await?)?.accepted()
}

fn typed() -> HashMap<String, String> {
    let Ok(inputs) = document().query_selector_all("main input[id]") else { return HashMap::new() };
    let inputs = (0..inputs.length()).filter_map(|at| inputs.item(at)?.dyn_into::<HtmlInputElement>().ok());
    inputs.filter(|input| input.type_() != "password").map(|input| (input.id(), input.value())).collect()
}

fn take_kept() -> Option<Kept> {
    let storage = storage()?;
    let text = storage.get_item(KEY).ok()??;
    // What cannot be removed is overwritten the next time.
    let _ = storage.remove_item(KEY);
    serde_json::from_str(&text).ok()
}

fn storage() -> Option<Storage> {
    window().session_storage().ok()?
}
