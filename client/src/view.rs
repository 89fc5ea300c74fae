//! Starts the page's view, although extensions or a translator may have changed the page before.
//!
//! Leptos panics when it hydrates a page that is not as the server has rendered it. Then the page is loaded once more, and
//! what the server renders takes the place of what was changed in the moment before it is hydrated.

use leptos::prelude::{document, window};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, DomParser, Element, HtmlElement, Node, SupportedType};

use crate::{fetch, translation};

/// Marks the document for the style sheet: the view runs.
const READY: &str = "data-ready";

/// Marks the document for the style sheet: the view has not started, or has stopped.
const FAILED: &str = "data-failed";

/// The state of the history entry of a page that could not be hydrated. A reload keeps it.
const CHANGED: &str = "pan-changed";

/// Calls `hydrate` on a page that is as the server has rendered it. Call it once, before anything else.
pub fn start(hydrate: impl FnOnce() + 'static) {
    let is_second_try = window().history().and_then(|history| history.state()).is_ok_and(|state| state == CHANGED);
    std::panic::set_hook(Box::new(move |_| on_panic(is_second_try)));
    let hydrate = move || {
        hydrate();
        if let Some(document) = document().document_element() {
            // Not reached if hydration fails. An attribute of this name can always be set.
            let _ = document.set_attribute(READY, "");
        }
        translation::watch();
    };
    if is_second_try {
        set_history_state(&JsValue::NULL);
        spawn_local(async {
            // If this fails, the page shows that it has not started.
            if render_again().await.is_ok() {
                hydrate();
            }
        });
    } else {
        translation::flatten();
        hydrate();
    }
}

/// After a panic no code of this page runs any more.
fn on_panic(is_second_try: bool) {
    let Some(document) = document().document_element() else { return };
    if !document.has_attribute(READY) && !is_second_try && set_history_state(&CHANGED.into()) {
        // If this fails, the page shows that it has not started.
        let _ = window().location().reload();
        return;
    }
    let _ = document.remove_attribute(READY);
    let _ = document.set_attribute(FAILED, "");
}

fn set_history_state(state: &JsValue) -> bool {
    window().history().is_ok_and(|history| history.replace_state(state, "").is_ok())
}

/// Puts what the server renders in place of the body's content before the `<noscript>`.
async fn render_again() -> Result<(), JsValue> {
    let html = fetch::get(&window().location().href()?).await?;
    let rendered = DomParser::new()?.parse_from_string(&html, SupportedType::TextHtml)?;
    let (body, end) = view_of(&document())?;
    while let Some(old) = end.previous_sibling() {
        body.remove_child(&old)?;
    }
    let (rendered, rendered_end) = view_of(&rendered)?;
    while let Some(new) = rendered.first_child().filter(|node| node != &rendered_end) {
        body.insert_before(&new, Some(&end))?;
    }
    Ok(())
}

/// The body, and the first node after the view.
fn view_of(document: &Document) -> Result<(HtmlElement, Node), JsValue> {
    let end: Option<Element> = document.query_selector("body > noscript")?;
    Ok((document.body().ok_or(JsValue::NULL)?, end.ok_or(JsValue::NULL)?.into()))
}
