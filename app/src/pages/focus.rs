//! The keyboard focus: where it goes when the user opens another page, or when the focused element disappears.

use std::sync::atomic::{AtomicBool, Ordering};

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Whether the browser has shown a page of this document. It sets the focus of the first one itself.
static HAS_PAGE: AtomicBool = AtomicBool::new(false);

/// Focuses the heading of the page that is shown now, unless it is the first one. So screen readers announce the page, and Tab
/// continues below its heading.
pub fn show_page() {
    if cfg!(feature = "hydrate") && HAS_PAGE.swap(true, Ordering::Relaxed) {
        request_animation_frame(|| focus(heading()));
    }
}

/// The element with the focus, if any visible element has it. The browser takes it from a hidden one only later.
pub fn focused() -> Option<Element> {
    let is_visible = |element: &Element| element.get_bounding_client_rect().height() > 0.0;
    document().active_element().filter(|element| element.tag_name() != "BODY" && is_visible(element))
}

/// Restores the focus after the next update of the page, if no element has it then: to `previous`, or to the heading if that
/// is gone.
pub fn restore(previous: Option<Element>) {
    request_animation_frame(move || {
        if focused().is_none() {
            focus(previous.filter(|previous| previous.is_connected()).or_else(heading));
        }
    });
}

fn heading() -> Option<Element> {
    document().query_selector("h1").ok().flatten()
}

/// Focuses the element, if there is one.
pub fn focus(element: Option<Element>) {
    if let Some(element) = element {
        // An element that cannot be focused leaves the focus where it is.
        let _ = element.unchecked_into::<HtmlElement>().focus();
    }
}
