//! Access to the document: elements, event listeners and text. Nothing here writes markup.

use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{AddEventListenerOptions, Document, Element, Event, EventTarget, HtmlElement, Window};

/// The document and its window.
#[derive(Clone)]
pub(super) struct Dom {
    pub(super) window: Window,
    pub(super) document: Document,
}

impl Dom {
    /// This document.
    pub(super) fn of_page() -> Result<Self, JsValue> {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let document = window.document().ok_or(JsValue::NULL)?;
        Ok(Self { window, document })
    }

    /// The value of `<body data-page>`.
    pub(super) fn page_name(&self) -> Option<String> {
        self.document.body()?.get_attribute("data-page")
    }

    /// Marks the document for the style sheet: the page's script runs.
    pub(super) fn set_ready(&self) -> Result<(), JsValue> {
        self.document.document_element().ok_or(JsValue::NULL)?.set_attribute("data-ready", "")
    }

    /// The element with this id.
    pub(super) fn element<T: JsCast>(&self, id: &str) -> Result<T, JsValue> {
        let element = self.document.get_element_by_id(id).ok_or_else(|| JsValue::from_str(id))?;
        element.dyn_into().map_err(Into::into)
    }

    /// Appends an element with a text.
    pub(super) fn append(&self, parent: &Element, tag: &str, text: &str) -> Result<Element, JsValue> {
        let element = self.document.create_element(tag)?;
        element.set_text_content(Some(text));
        parent.append_child(&element)?;
        Ok(element)
    }

    /// Listens for an event of the window in the capture phase, for the life of the page.
    pub(super) fn on_window(&self, event: &str, act: impl Fn(&Event) + 'static) -> Result<(), JsValue> {
        listen(&self.window, event, act)
    }

    /// Calls `act` every `ms`, for the life of the page.
    pub(super) fn every(&self, ms: i32, act: impl Fn() + 'static) -> Result<(), JsValue> {
        let callback = Closure::<dyn FnMut()>::new(act).into_js_value();
        self.window.set_interval_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), ms).map(drop)
    }

    /// Calls `act` once, after `ms`.
    pub(super) fn after(&self, ms: i32, act: impl FnOnce() + 'static) -> Result<(), JsValue> {
        let callback = Closure::once_into_js(act);
        self.window.set_timeout_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), ms).map(drop)
    }
}

/// Listens for an event in the capture phase, for the life of the page.
pub(super) fn listen(target: &EventTarget, event: &str, act: impl Fn(&Event) + 'static) -> Result<(), JsValue> {
    let callback = Closure::<dyn FnMut(Event)>::new(move |event: Event| act(&event)).into_js_value();
    let options = AddEventListenerOptions::new();
    options.set_capture(true);
    target.add_event_listener_with_callback_and_add_event_listener_options(event, callback.unchecked_ref(), &options)
}

/// Sets an element's text, unless it is unchanged: screen readers would announce a live region again.
pub(super) fn set_text(element: &HtmlElement, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}
