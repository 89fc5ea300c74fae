//! Gives the frame the whole window while it asks the person, and takes it back.
//!
//! How the open frame looks is in the style sheet (`#pan-frame[data-open]`). Nothing of the page may lie over it: the
//! frame would see that it is covered and not let the person confirm.

use std::cell::RefCell;

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlIFrameElement};

/// The window's owner while a sheet is open.
pub struct Sheet {
    frame: HtmlIFrameElement,
    /// Where the focus was when the frame was asked.
    asked_from: RefCell<Option<HtmlElement>>,
    /// What was made inert while it is open.
    covered: RefCell<Option<Vec<Element>>>,
}

impl Sheet {
    /// A closed sheet of that frame.
    pub fn of(frame: HtmlIFrameElement) -> Self {
        Self { frame, asked_from: RefCell::default(), covered: RefCell::default() }
    }

    /// Remembers where the focus is. The frame may take it before it says that its sheet is open.
    pub fn expect(&self) {
        self.asked_from.replace(document().active_element().and_then(|element| element.dyn_into().ok()));
    }

    /// Shows the frame alone: over everything, and the only thing that can have the focus.
    pub fn open(&self) {
        if self.covered.borrow().is_some() {
            return;
        }
        let others = self.others();
        for element in &others {
            // Setting an attribute with a valid name cannot fail.
            let _ = element.set_attribute("inert", "");
        }
        self.covered.replace(Some(others));
        let _ = self.frame.set_attribute("data-open", "");
        let _ = self.frame.focus();
    }

    /// Gives the page back, and the focus to where it was.
    pub fn close(&self) {
        let Some(others) = self.covered.take() else { return };
        let _ = self.frame.remove_attribute("data-open");
        for element in others {
            let _ = element.remove_attribute("inert");
        }
        if let Some(element) = self.asked_from.take() {
            let _ = element.focus();
        }
    }

    /// Everything beside the frame that is not inert already.
    fn others(&self) -> Vec<Element> {
        let Some(body) = document().body() else { return Vec::new() };
        let children = body.children();
        (0..children.length())
            .filter_map(|at| children.item(at))
            .filter(|element| element != self.frame.as_ref() as &Element && !element.has_attribute("inert"))
            .collect()
    }
}
