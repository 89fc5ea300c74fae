//! What the sheet looks like: fills in the elements of `frame.html`.
//!
//! Only text is ever written, through `textContent`. Every value goes through [`visible`], and `bdi` elements keep its
//! direction from reordering what stands around it.

use std::cell::Cell;

use protocol::{action::Summary, value::visible};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement};

use crate::arming::{Obstacle, State};

/// The sheet's elements.
pub(crate) struct Dialog {
    document: Document,
    /// Fills the frame.
    pub(crate) backdrop: HtmlElement,
    /// The card that must be wholly in sight.
    pub(crate) sheet: HtmlElement,
    /// Says no.
    pub(crate) cancel: HtmlElement,
    /// Says yes.
    pub(crate) confirm: HtmlElement,
    /// What scrolls when there is little room.
    content: HtmlElement,
    title: HtmlElement,
    origin: HtmlElement,
    lines: HtmlElement,
    label: HtmlElement,
    status: HtmlElement,
    shown: Cell<Option<State>>,
}

impl Dialog {
    /// Finds the elements in the frame's page.
    pub(crate) fn find(document: &Document) -> Option<Self> {
        let element = |id: &str| document.get_element_by_id(id).map(JsCast::unchecked_into::<HtmlElement>);
        Some(Self {
            document: document.clone(),
            backdrop: element("backdrop")?,
            sheet: element("sheet")?,
            cancel: element("cancel")?,
            confirm: element("confirm")?,
            content: element("content")?,
            title: element("title")?,
            origin: element("origin")?,
            lines: element("lines")?,
            label: element("label")?,
            status: element("status")?,
            shown: Cell::new(None),
        })
    }

    /// Whether a sheet is open.
    pub(crate) fn is_open(&self) -> bool {
        self.shown.get().is_some()
    }

    /// Opens the sheet with an action's summary.
    pub(crate) fn open(&self, origin: &str, summary: &Summary) -> Result<(), JsValue> {
        self.origin.set_text_content(Some(&visible(origin)));
        self.title.set_text_content(Some(&visible(summary.title)));
        self.label.set_text_content(Some(&visible(&summary.button)));
        self.lines.set_text_content(None);
        for (name, value) in &summary.lines {
            let line = self.add(&self.lines, "div", "")?;
            self.add(&line, "dt", name)?;
            let shown = self.add(&line, "dd", "")?;
            self.add(&shown, "bdi", value)?;
        }
        self.show(State::Arming);
        self.backdrop.set_hidden(false);
        self.content.set_scroll_top(0);
        self.title.focus()
    }

    /// Leaves nothing on the screen.
    pub(crate) fn close(&self) {
        self.backdrop.set_hidden(true);
        self.lines.set_text_content(None);
        self.shown.set(None);
    }

    /// Shows whether the button works, and if not, why.
    pub(crate) fn show(&self, state: State) {
        if self.shown.replace(Some(state)) == Some(state) {
            return;
        }
        let (name, status) = match state {
            State::Armed => ("armed", "Ready. Check it, then confirm or cancel."),
            State::Arming | State::Blocked(None) => ("arming", "One moment, so that you can read this first."),
            State::Blocked(Some(obstacle)) => ("blocked", explain(obstacle)),
        };
        // Setting an attribute of these names cannot fail.
        let _ = self.confirm.set_attribute("aria-disabled", if state == State::Armed { "false" } else { "true" });
        let _ = self.sheet.set_attribute("data-state", if state == State::Blocked(None) { "waiting" } else { name });
        self.status.set_text_content(Some(status));
    }

    /// Whether the end of the content is in sight.
    pub(crate) fn at_end(&self) -> bool {
        self.content.scroll_top() + self.content.client_height() + 1 >= self.content.scroll_height()
    }

    /// Brings the focus back into the sheet when the frame has it, but nothing in the sheet: after a click beside it, or
    /// when the page gave it to the frame.
    pub(crate) fn hold_focus(&self) {
        let is_inside = self.sheet.contains(self.document.active_element().as_deref());
        if !is_inside && self.document.has_focus().unwrap_or(false) {
            // An element that cannot take the focus leaves it where it is.
            let _ = self.title.focus();
        }
    }

    /// Moves the focus to the next or previous stop, and round at the ends: it must not leave for the page behind.
    pub(crate) fn move_focus(&self, backwards: bool) {
        let scrolls = self.content.scroll_height() > self.content.client_height();
        let all = [&self.content, &self.cancel, &self.confirm];
        let stops = if scrolls { &all[..] } else { &all[1..] };
        let active = self.document.active_element();
        let here = stops.iter().position(|stop| active.as_ref() == Some(stop.unchecked_ref()));
        let last = stops.len() - 1;
        let next = match (here, backwards) {
            (Some(0) | None, true) => last,
            (Some(at), true) => at - 1,
            (Some(at), false) if at < last => at + 1,
            (_, false) => 0,
        };
        // An element that cannot take the focus leaves it where it is.
        let _ = stops[next].focus();
    }

    fn add(&self, parent: &Element, tag: &str, text: &str) -> Result<Element, JsValue> {
        let element = self.document.create_element(tag)?;
        element.set_text_content(Some(&visible(text)));
        parent.append_child(&element)?;
        Ok(element)
    }
}

fn explain(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Away => "The page is not showing this window yet.",
        Obstacle::Cut => "Part of this window is out of sight. Make the browser window larger.",
        Obstacle::Covered => "Something covers this window. It must be clear before you can confirm.",
        Obstacle::Unread => "There is more below. Scroll to the end to go on.",
    }
}
