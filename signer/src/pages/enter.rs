//! Enters the application after signing in. This page submits the ticket in a form, so that no script of the
//! application sees it (docs/PROTOCOL.md §4).

use protocol::sign_origin::{SignedIn, enter_statement};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{HtmlFormElement, HtmlInputElement};

use super::Page;
use crate::keys::Key;

/// Submits the form, which navigates the browser to the app origin.
pub(super) async fn submit(page: &Page, response: &SignedIn, key: &Key, return_path: &str) -> Result<(), JsValue> {
    let is_application = response.enter.strip_prefix(&page.app_origin).is_some_and(|path| path.starts_with('/'));
    if !is_application {
        return Err("the ticket is for another origin".into());
    }
    let session = response.ticket.token().handle();
    let signature = key.sign(&enter_statement(page.app_authority(), &session, return_path)).await?;

    let document = &page.dom.document;
    let form: HtmlFormElement = document.create_element("form")?.unchecked_into();
    form.set_method("post");
    form.set_action(&response.enter);
    for (name, value) in
        [("ticket", &*response.ticket.reveal()), ("signature", &signature.to_string()), ("return", return_path)]
    {
        let input: HtmlInputElement = document.create_element("input")?.unchecked_into();
        input.set_type("hidden");
        input.set_name(name);
        input.set_value(value);
        form.append_child(&input)?;
    }
    document.body().ok_or(JsValue::NULL)?.append_child(&form)?;
    form.submit()
}
