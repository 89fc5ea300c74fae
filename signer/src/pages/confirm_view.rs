//! The view of the confirmation window: fills in the elements of `confirm.html`.
//!
//! It writes text only, never markup. Every value goes through [`visible`], and `bdi` elements keep its text direction
//! from reordering the text around it.
//!
//! A translator may change the sentences. Names and amounts are `translate="no"`, and are compared with what was written.

use std::cell::{Cell, OnceCell};

use protocol::{display::visible, message::WindowRejection};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{HtmlElement, Node};

use super::{
    arming::{Obstacle, State},
    dom::{Dom, set_text},
    passkey,
    recovery_codes::RecoveryCodes,
    request::Request,
};

/// The longest leading value that is shown in large type, in characters.
const LARGE: usize = 40;

/// The elements of the confirmation window.
pub(super) struct ConfirmView {
    dom: Dom,
    app: HtmlElement,
    user: HtmlElement,
    waiting: HtmlElement,
    waiting_title: HtmlElement,
    request: HtmlElement,
    title: HtmlElement,
    lines: HtmlElement,
    status: HtmlElement,
    codes: HtmlElement,
    code_list: HtmlElement,
    actions: HtmlElement,
    label: HtmlElement,
    /// The button that confirms.
    pub(super) confirm: HtmlElement,
    /// The button that cancels.
    pub(super) cancel: HtmlElement,
    outcome: HtmlElement,
    outcome_title: HtmlElement,
    outcome_text: HtmlElement,
    /// The button that closes the window after the outcome.
    pub(super) close: HtmlElement,
    /// What was written of the request: the application's host, the user, the lines, the recovery codes and the button's label.
    written: OnceCell<[String; 5]>,
    /// The state that is shown, and whether a press came too early.
    state: Cell<Option<(State, bool)>>,
}

impl ConfirmView {
    /// Finds the elements.
    pub(super) fn find(dom: &Dom) -> Result<Self, JsValue> {
        Ok(Self {
            dom: dom.clone(),
            app: dom.element("app")?,
            user: dom.element("user")?,
            waiting: dom.element("waiting")?,
            waiting_title: dom.element("waiting-title")?,
            request: dom.element("request")?,
            title: dom.element("title")?,
            lines: dom.element("lines")?,
            status: dom.element("status")?,
            codes: dom.element("codes")?,
            code_list: dom.element("code-list")?,
            actions: dom.element("actions")?,
            label: dom.element("label")?,
            confirm: dom.element("confirm")?,
            cancel: dom.element("cancel")?,
            outcome: dom.element("outcome")?,
            outcome_title: dom.element("outcome-title")?,
            outcome_text: dom.element("outcome-text")?,
            close: dom.element("close")?,
            written: OnceCell::new(),
            state: Cell::new(None),
        })
    }

    /// Shows that the window is still waiting: for the request, or for its check. A request that arrives later is still
    /// shown.
    pub(super) fn show_slow(&self, has_request: bool) {
        // The request or its outcome is already shown, or the window waits for the user.
        if self.waiting.hidden() || self.waiting_title.text_content().as_deref() == Some(passkey::PROMPT) {
            return;
        }
        let (title, text) = if has_request {
            (
                "This takes long",
                "The server or this browser's storage does not answer. Wait, or close this window and try again.",
            )
        } else {
            (
                "Nothing to confirm yet",
                "The page that opened this window has not said what to confirm. Close this window and try again.",
            )
        };
        self.show_outcome(title, text);
    }

    /// Shows a request. Called once; the request does not change afterwards.
    pub(super) fn show_request(
        &self,
        request: &Request,
        user: &str,
        codes: Option<&RecoveryCodes>,
    ) -> Result<(), JsValue> {
        set_text(&self.title, &visible(request.summary.title));
        set_text(&self.label, &visible(&request.summary.button));
        set_text(&self.user, &visible(user));
        self.dom.element::<HtmlElement>("signed-in")?.set_hidden(false);
        for (at, (name, value)) in request.summary.lines.iter().enumerate() {
            let line = self.dom.append(&self.lines, "div", "")?;
            if at < 2 && value.chars().count() <= LARGE {
                line.set_attribute("class", "large")?;
            }
            self.dom.append(&line, "dt", &visible(name))?;
            let shown = self.dom.append(&line, "dd", "")?;
            self.dom.append(&shown, "bdi", &visible(value))?;
        }
        if let Some(codes) = codes {
            codes.show(&self.dom, &self.code_list)?;
            self.codes.set_hidden(false);
        }
        // Empty until here.
        drop(self.written.set(self.texts()));
        self.waiting.set_hidden(true);
        self.outcome.set_hidden(true);
        self.request.set_hidden(false);
        self.title.focus()
    }

    /// Whether the names and amounts are still as they were written.
    pub(super) fn is_intact(&self) -> bool {
        self.written.get() == Some(&self.texts())
    }

    fn texts(&self) -> [String; 5] {
        [&self.app, &self.user, &self.lines, &self.code_list, &self.label]
            .map(|element| element.text_content().unwrap_or_default())
    }

    /// Hides the request while it is signed.
    pub(super) fn show_signing(&self) {
        set_text(&self.waiting_title, "One moment…");
        self.request.set_hidden(true);
        self.waiting.set_hidden(false);
    }

    /// Shows that the browser asks the user for a passkey.
    pub(super) fn show_passkey_prompt(&self) {
        set_text(&self.waiting_title, passkey::PROMPT);
        self.outcome.set_hidden(true);
        self.waiting.set_hidden(false);
    }

    /// Whether the end of the content is in view.
    pub(super) fn is_at_end(&self) -> bool {
        let height = self.dom.window.inner_height().ok().and_then(|height| height.as_f64()).unwrap_or_default();
        !self.request.hidden() && self.actions.get_bounding_client_rect().bottom() <= height + 2.0
    }

    /// Whether an event came from an element, or from within it.
    pub(super) fn is_on(element: &HtmlElement, event: &web_sys::Event) -> bool {
        // The target of some events is the window, which is not a node.
        event.target().is_some_and(|target| target.dyn_ref::<Node>().is_some_and(|node| element.contains(Some(node))))
    }

    /// Shows whether the button works, and if not, why. `was_early`: a press came before the button worked.
    pub(super) fn show_state(&self, state: State, was_early: bool) {
        if self.state.replace(Some((state, was_early))) == Some((state, was_early)) {
            return;
        }
        let (name, text) = match state {
            State::Armed => ("armed", "Check every line, then confirm or cancel."),
            State::Waiting => ("waiting", "You can confirm in a moment, when you have had time to read this."),
            State::Blocked(obstacle) => ("blocked", explain(obstacle)),
        };
        let text = match (state, was_early) {
            (State::Armed, true) => "Not confirmed: that press began too early. You can confirm now.".to_owned(),
            (_, true) => ["Not confirmed yet. ", text].concat(),
            (_, false) => text.to_owned(),
        };
        // Setting these attributes cannot fail.
        let _ = self.confirm.set_attribute("aria-disabled", if state == State::Armed { "false" } else { "true" });
        let _ = self.request.set_attribute("data-state", name);
        set_text(&self.status, &text);
    }

    /// Shows that the request is confirmed. The recovery codes stay for a user who has not saved them yet.
    pub(super) fn show_confirmed(&self, with_codes: bool) {
        let text = if with_codes {
            // Fails only if the page has no such elements.
            let _ = self.outcome.insert_before(&self.codes, Some(&self.close));
            "The codes work as soon as the page that opened this window says so. Close it when you have saved them."
        } else {
            "You can close this window."
        };
        self.show_outcome("Confirmed", text);
    }

    /// Shows a heading, a text and a button that closes the window, in place of the request.
    pub(super) fn show_outcome(&self, title: &str, text: &str) {
        for section in [&self.waiting, &self.request] {
            section.set_hidden(true);
        }
        set_text(&self.outcome_title, title);
        set_text(&self.outcome_text, text);
        self.outcome.set_hidden(false);
        // If the element cannot take the focus, the focus stays where it is.
        let _ = self.outcome_title.focus();
    }
}

fn explain(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Background => "This window is in the background. Select it to go on.",
        Obstacle::Small => "This window is too small to read. Make it larger to go on.",
        Obstacle::ZoomedOut => "The page is zoomed out too far to read. Zoom in to go on.",
        Obstacle::Unread => "There is more below. Scroll to the end to go on.",
        Obstacle::Altered => {
            "Other software has changed what this window shows. Turn off translation and extensions here, cancel, and start again."
        }
        Obstacle::NoClock => {
            "This browser's clock stands still. Turn off extensions that stop it, or use another browser."
        }
    }
}

/// Heading and text for a request that was not confirmed.
pub(super) fn rejection(rejection: WindowRejection) -> (&'static str, String) {
    let (title, text) = match rejection {
        WindowRejection::Cancelled => ("Cancelled", "Nothing was done. You can close this window."),
        WindowRejection::TimedOut => {
            ("Too late", "You did not answer in time, so nothing was done. Close this window and start again.")
        }
        WindowRejection::Busy => {
            ("Another confirmation is open", "Answer that one first. Nothing was done here; you can close this window.")
        }
        WindowRejection::Paused { seconds } => {
            let wait = [
                "Several confirmations were cancelled or ignored, so there are none for ",
                &seconds.to_string(),
                " seconds. If you did not ask for them, close the page that did, and do not go on there.",
            ];
            return ("Confirmations are paused", wait.concat());
        }
        WindowRejection::NoKey => (
            "Sign in again",
            "This browser cannot confirm for your session any more. Close this window and sign in again.",
        ),
        WindowRejection::NoPasskey => (
            "The passkey was not used",
            "Nothing was done. Close this window and try again, with the passkey that belongs to your account.",
        ),
        WindowRejection::SignInRequired => (
            "Sign in again first",
            "Nothing was done. Close this window, sign out, sign in, and add your first passkey within five minutes.",
        ),
        WindowRejection::NothingToRecover => (
            "Add a passkey first",
            "Recovery codes are for users who have lost their passkeys, and you have none. You can close this window.",
        ),
        WindowRejection::Malformed => (
            "This cannot be confirmed",
            "The page asked for something unknown. Close this window, reload the page and try again.",
        ),
        WindowRejection::KeyStoreClosed => (
            "Your key cannot be read",
            "This browser blocks the storage that keeps it. Allow site data for this address, then try again.",
        ),
        WindowRejection::SigningFailed => {
            ("The browser could not sign", "Nothing was done. Close this window, reload the page and try again.")
        }
        WindowRejection::Unreachable => {
            ("The server cannot be reached", "Check your connection. Then close this window and try again.")
        }
    };
    (title, text.to_owned())
}
