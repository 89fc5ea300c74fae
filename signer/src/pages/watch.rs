//! Observes the confirmation window until the user decides.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use js_sys::{Function, Promise};
use protocol::{
    message::WindowRejection,
    proof::{Kind, Proof, Recorder},
};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, KeyboardEvent, MouseEvent, Window};

use super::{
    Page,
    arming::{Activation, Arming, Geometry, Input, Obstacle, View},
    confirm_view::ConfirmView,
};
use crate::{clock, moment::steady};

/// How long the user may take, in ms: with the age of a nonce less than its lifetime.
pub(super) const TIMEOUT: u32 = 240_000;

/// The interval between observations of the window, in ms.
const TICK: i32 = 50;

/// The number of observations after which a clock that has not advanced stands still.
const TICKS_OF_CLOCK: u32 = 40;

/// The time of an event, which is before it is handled, on the clock of [`steady`].
fn time_of(event: &Event) -> f64 {
    // Some browsers use another clock here. Such a value is not usable.
    Some(event.time_stamp()).filter(|at| (0.0..=steady()).contains(at)).unwrap_or_else(steady)
}

/// Observes the window and its input until the user decides.
pub(super) struct Watch {
    view: Rc<ConfirmView>,
    window: Window,
    action: &'static str,
    /// How long the user may take, in ms.
    timeout: f64,
    began: f64,
    arming: RefCell<Arming>,
    /// Whether the content has been scrolled to its end.
    is_read: Cell<bool>,
    /// How often the window was observed.
    ticks: Cell<u32>,
    /// Whether the last press came too early to count.
    was_early: Cell<bool>,
    decision: RefCell<Option<Result<Proof, WindowRejection>>>,
    resolve: OnceCell<Function>,
    decided: OnceCell<Promise>,
}

impl Watch {
    pub(super) fn start(
        page: &Page,
        view: &Rc<ConfirmView>,
        action: &'static str,
        timeout: u32,
    ) -> Result<Rc<Self>, JsValue> {
        let watch = Rc::new(Self {
            view: Rc::clone(view),
            window: page.dom.window.clone(),
            action,
            timeout: f64::from(timeout),
            began: steady(),
            arming: RefCell::new(Arming::new(steady())),
            is_read: Cell::new(false),
            ticks: Cell::new(0),
            was_early: Cell::new(false),
            decision: RefCell::new(None),
            resolve: OnceCell::new(),
            decided: OnceCell::new(),
        });
        let decided = Promise::new(&mut |resolve, _| drop(watch.resolve.set(resolve)));
        // Both cells are empty until here.
        drop(watch.decided.set(decided));
        for name in ["click", "keydown", "pointerdown", "resize", "scroll", "focus", "blur", "visibilitychange"] {
            let listening = Rc::clone(&watch);
            page.dom.on_window(name, move |event| listening.event(event))?;
        }
        let ticking = Rc::clone(&watch);
        page.dom.every(TICK, move || ticking.tick())?;
        Ok(watch)
    }

    /// Waits for the user.
    pub(super) async fn decision(&self) -> Result<Proof, WindowRejection> {
        let decided = self.decided.get().cloned().ok_or(WindowRejection::Cancelled)?;
        JsFuture::from(decided).await.map_err(|_| WindowRejection::Cancelled)?;
        self.decision.borrow().clone().unwrap_or(Err(WindowRejection::Cancelled))
    }

    /// Sets the decision. Only the first one counts.
    fn decide(&self, decision: Result<Proof, WindowRejection>) {
        self.decision.borrow_mut().get_or_insert(decision);
        if let Some(resolve) = self.resolve.get() {
            // Calling resolve cannot fail.
            let _ = resolve.call0(&JsValue::NULL);
        }
    }

    fn tick(&self) {
        if self.decision.borrow().is_some() {
            return;
        }
        let now = steady();
        if now - self.began >= self.timeout {
            self.decide(Err(WindowRejection::TimedOut));
            return;
        }
        if self.is_steered() {
            self.decide(Err(WindowRejection::Cancelled));
            return;
        }
        if self.view.is_at_end() {
            self.is_read.set(true);
        }
        self.ticks.set(self.ticks.get().saturating_add(1));
        self.arming.borrow_mut().observe(self.observe(), now);
        let state = self.arming.borrow().state(now);
        self.view.show_state(state, self.was_early.get());
    }

    /// Whether the opener has navigated the window to a fragment, which scrolls it and moves the focus without a load.
    /// This page never navigates to a fragment.
    fn is_steered(&self) -> bool {
        self.window.location().hash().map_or(true, |fragment| !fragment.is_empty())
    }

    fn observe(&self) -> View {
        let number = |value: Result<JsValue, JsValue>| value.ok().and_then(|value| value.as_f64()).unwrap_or_default();
        let window = &self.window;
        let document = window.document();
        let screen = window.screen().ok();
        let side = |side: Option<Result<i32, JsValue>>| side.and_then(Result::ok).map_or(f64::INFINITY, f64::from);
        View {
            is_visible: document.as_ref().is_some_and(|document| !document.hidden()),
            is_focused: document.is_some_and(|document| document.has_focus().unwrap_or(false)),
            is_read: self.is_read.get(),
            interference: self.interference(),
            geometry: Geometry {
                inner: [number(window.inner_width()), number(window.inner_height())],
                outer: [number(window.outer_width()), number(window.outer_height())],
                screen: [
                    side(screen.as_ref().map(web_sys::Screen::width)),
                    side(screen.as_ref().map(web_sys::Screen::height)),
                ],
                pixel_ratio: window.device_pixel_ratio(),
                position: [number(window.screen_x()), number(window.screen_y())],
            },
        }
    }

    fn interference(&self) -> Option<Obstacle> {
        if !self.view.is_intact() {
            Some(Obstacle::Altered)
        } else if self.ticks.get() > TICKS_OF_CLOCK && steady() <= self.began {
            Some(Obstacle::NoClock)
        } else {
            None
        }
    }

    fn event(&self, event: &Event) {
        if !event.is_trusted() || self.decision.borrow().is_some() {
            return;
        }
        if self.is_steered() {
            self.decide(Err(WindowRejection::Cancelled));
            return;
        }
        let is_on_confirm = ConfirmView::is_on(&self.view.confirm, event);
        match event.type_().as_str() {
            "click" => self.click(event.unchecked_ref()),
            "keydown" => self.key(event.unchecked_ref(), is_on_confirm),
            "pointerdown" if is_on_confirm => self.press(event),
            "pointerdown" => self.arming.borrow_mut().input(Input::Moving, steady()),
            "resize" => self.is_read.set(false),
            _ => {}
        }
        self.tick();
    }

    fn press(&self, event: &Event) {
        self.arming.borrow_mut().press(time_of(event), steady());
    }

    fn key(&self, event: &KeyboardEvent, is_on_confirm: bool) {
        let key = event.key();
        match key.as_str() {
            "Escape" => self.decide(Err(WindowRejection::Cancelled)),
            "Enter" | " " if is_on_confirm => {
                if event.repeat() {
                    // The key has been held since before the window opened.
                    event.prevent_default();
                    self.was_early.set(true);
                } else {
                    self.press(event);
                }
            }
            "Shift" | "Control" | "Alt" | "AltGraph" | "Meta" => {}
            "Tab" | "PageUp" | "PageDown" | "Home" | "End" => self.arming.borrow_mut().input(Input::Moving, steady()),
            arrow if arrow.starts_with("Arrow") => self.arming.borrow_mut().input(Input::Moving, steady()),
            _ => self.arming.borrow_mut().input(Input::Stray, steady()),
        }
    }

    fn click(&self, event: &MouseEvent) {
        if ConfirmView::is_on(&self.view.cancel, event) {
            self.decide(Err(WindowRejection::Cancelled));
        } else if ConfirmView::is_on(&self.view.confirm, event) {
            let activation = self.arming.borrow_mut().activate(time_of(event), steady());
            match activation.filter(|_| self.view.is_intact()) {
                Some(activation) => self.decide(Ok(self.proof(activation, event))),
                None => self.was_early.set(true),
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "pixels and times fit, and `as` saturates"
    )]
    fn proof(&self, activation: Activation, event: &MouseEvent) -> Proof {
        let area = self.view.confirm.get_bounding_client_rect();
        let pixels = |length: f64| length.round() as i32;
        Proof {
            v: 1,
            by: Recorder::Signer,
            action: self.action.to_owned(),
            kind: Kind::Confirm,
            at: clock::now(),
            hold: activation.hold as u32,
            path: Vec::new(),
            target: [pixels(area.x()), pixels(area.y()), pixels(area.width()), pixels(area.height())],
            hit: [event.client_x(), event.client_y()],
            dwell: Some(activation.dwell as u32),
        }
    }
}
