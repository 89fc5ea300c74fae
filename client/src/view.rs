//! Starts the page's view, although extensions or a translator may have changed the page before.
//!
//! Leptos panics when it hydrates a page that is not as the server has rendered it. Then the page is loaded once more, and
//! rendered in the browser.

use leptos::prelude::{document, window};
use wasm_bindgen::JsValue;
use web_sys::Element;

use crate::{markup::FRAME_ID, translation};

/// Marks the document for the style sheet: the view runs.
const READY: &str = "data-ready";

/// Marks the document for the style sheet: the view has not started, or has stopped.
const FAILED: &str = "data-failed";

/// The state of the history entry of a page that is to be rendered in the browser. A reload keeps it.
const RENDER: &str = "pan-render";

/// How to start the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Hydrate what the server has rendered.
    Hydrate,
    /// Mount the view into the body, which no longer has what the server has rendered.
    Mount,
}

/// Prepares the page for its view. Call it once, before anything else.
pub fn prepare() -> Start {
    let is_second_try = window().history().and_then(|history| history.state()).is_ok_and(|state| state == RENDER);
    std::panic::set_hook(Box::new(move |_| on_panic(is_second_try)));
    if is_second_try {
        set_history_state(&JsValue::NULL);
        remove_rendered();
        return Start::Mount;
    }
    translation::flatten();
    Start::Hydrate
}

/// Notes that the view runs. Call it once, after it was started.
pub fn started() {
    if let Some(document) = document().document_element() {
        // An attribute of this name can always be set.
        let _ = document.set_attribute(READY, "");
    }
    translation::watch();
}

/// After a panic no code of this page runs any more.
fn on_panic(is_second_try: bool) {
    let Some(document) = document().document_element() else { return };
    if !document.has_attribute(READY) && !is_second_try && set_history_state(&RENDER.into()) {
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

/// Removes what the server has rendered of the view, and what others have added to it.
fn remove_rendered() {
    let kept = [":scope > :not(#", FRAME_ID, ", noscript, .start-error)"].concat();
    let Some(rendered) = document().body().and_then(|body| body.query_selector_all(&kept).ok()) else { return };
    for element in (0..rendered.length()).filter_map(|at| rendered.item(at)) {
        wasm_bindgen::JsCast::unchecked_into::<Element>(element).remove();
    }
}
