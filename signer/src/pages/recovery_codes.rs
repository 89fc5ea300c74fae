//! New recovery codes in the confirmation window: it makes and shows them, and only their hashes leave it.

use js_sys::{Function, Promise, Reflect};
use protocol::recovery::{CODES, CodeHash, RecoveryCode};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::HtmlElement;

use super::dom::{Dom, listen, set_text};
use crate::keys;

/// New codes, which the user has not confirmed yet.
pub(super) struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// Makes codes.
    pub(super) fn generate() -> Result<Self, JsValue> {
        (0..CODES).map(|_| keys::random().map(RecoveryCode::new)).collect::<Result<_, _>>().map(Self)
    }

    /// The hashes of the codes for the user of this handle.
    pub(super) fn hashes(&self, user: &str) -> Vec<CodeHash> {
        self.0.iter().map(|code| code.hash(user)).collect()
    }

    /// Shows the codes in a list, and lets the user copy and print them.
    pub(super) fn show(&self, dom: &Dom, list: &HtmlElement) -> Result<(), JsValue> {
        for code in &self.0 {
            dom.append(list, "li", code.reveal())?;
        }
        let text = self.0.iter().map(RecoveryCode::reveal).collect::<Vec<_>>().join("\n");
        let element = |id| dom.element::<HtmlElement>(id);
        let (result, window) = (element("copied")?, dom.window.clone());
        let (copy_button, print_button) = (element("copy")?, element("print")?);
        listen(&copy_button, "click", move |_| {
            let (text, result, navigator) = (JsValue::from_str(&text), result.clone(), window.navigator());
            spawn_local(async move {
                let sentence = match copy(&navigator, &text).await {
                    Ok(()) => "Copied. Paste them where you keep your secrets.",
                    Err(_) => "This browser did not copy them. Select the codes and copy them, or print them.",
                };
                set_text(&result, sentence);
            });
        })?;
        let window = dom.window.clone();
        listen(&print_button, "click", move |_| {
            // A browser that cannot print does nothing.
            let _ = window.print();
        })
    }
}

/// Writes a text to the clipboard.
async fn copy(navigator: &JsValue, text: &JsValue) -> Result<(), JsValue> {
    let clipboard = Reflect::get(navigator, &"clipboard".into())?;
    let write: Function = Reflect::get(&clipboard, &"writeText".into())?.dyn_into()?;
    let written: Promise = write.call1(&clipboard, text)?.dyn_into()?;
    JsFuture::from(written).await.map(drop)
}
