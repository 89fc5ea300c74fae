//! Starts the page's view, although extensions or a translator may have changed the page before.
//!
//! Leptos panics when it hydrates a page that is not as the server has rendered it. Then the page is loaded once more, and
//! what the server renders takes the place of what was changed in the moment before it is hydrated.

use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, DomParser, HtmlElement, SupportedType};

use crate::{fetch, translation};

/// Marks the document for the style sheet: the view runs.
const READY: &str = "data-ready";

/// Marks the document for the style sheet: the view has not started, or has stopped.
const FAILED: &str = "data-failed";

/// The state of the history entry of a page that could not be hydrated. A reload keeps it.
const CHANGED: &str = "pan-changed";

/// Calls `hydrate` with the element that contains the view, as the server has rendered it. Call it once, before anything else.
///
/// The view has an element of its own because browser extensions add elements to the body before this runs.
pub fn start(id: &'static str, hydrate: impl FnOnce(HtmlElement) + 'static) {
    let is_second_try = window().history().and_then(|history| history.state()).is_ok_and(|state| state == CHANGED);
    std::panic::set_hook(Box::new(move |_| on_panic(is_second_try)));
    let hydrate = move |view| {
        hydrate(view);
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
            if let Ok(view) = render_again(id).await {
                hydrate(view);
            }
        });
    } else if let Ok(view) = view(&document(), id) {
        translation::flatten();
        hydrate(view);
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

/// Puts what the server renders in place of the view.
async fn render_again(id: &str) -> Result<HtmlElement, JsValue> {
    let html = fetch::get(&window().location().href()?).await?;
    let rendered = DomParser::new()?.parse_from_string(&html, SupportedType::TextHtml)?;
    let view = view(&rendered, id)?;
    self::view(&document(), id)?.replace_with_with_node_1(&view)?;
    Ok(view)
}

fn view(document: &Document, id: &str) -> Result<HtmlElement, JsValue> {
    document.get_element_by_id(id).and_then(|element| element.dyn_into().ok()).ok_or(JsValue::NULL)
}
