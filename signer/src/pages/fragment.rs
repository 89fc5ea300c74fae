//! Confirmation in a browser that opens no windows: the request arrives in the fragment of this page's URL, and the
//! answer returns in the fragment of the application's.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use protocol::{
    message::{FromWindow, WindowLink, WindowRejection},
    return_path,
};
use wasm_bindgen::JsValue;

use super::{Page, request::link_from};

/// Reads the request from the URL, and removes it from the URL and the history entry.
pub(super) fn take(page: &Page) -> Result<Option<Result<WindowLink, WindowRejection>>, JsValue> {
    let location = page.dom.window.location();
    let fragment = location.hash()?;
    let Some(text) = fragment.strip_prefix('#').filter(|text| !text.is_empty()) else { return Ok(None) };
    page.dom.window.history()?.replace_state_with_url(&JsValue::NULL, "", Some(&location.pathname()?))?;
    let link = Base64UrlUnpadded::decode_vec(text).map_err(|_| WindowRejection::Malformed);
    Ok(Some(link.and_then(|bytes| link_from(&bytes))))
}

/// Navigates to the application with the answer.
pub(super) fn answer(page: &Page, return_path: &str, message: &FromWindow) -> Result<(), JsValue> {
    let json = serde_json::to_vec(message).map_err(|_| JsValue::NULL)?;
    let encoded = Base64UrlUnpadded::encode_string(&json);
    let url = [&page.app_origin, return_path::check(return_path), "#pan=", &encoded].concat();
    page.dom.window.location().replace(&url)
}
