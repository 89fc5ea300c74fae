//! Asking a person: opens the sheet, follows how it is seen and used, and writes the proof.
//!
//! Everything that is registered here is undone when [`Opened`] is dropped, however the asking ends.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use js_sys::{Array, Function, Promise, Reflect};
use protocol::{
    action::Summary,
    message::{FromFrame, Refusal},
    proof::{Kind, Proof, Recorder},
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AddEventListenerOptions, Event, IntersectionObserver, IntersectionObserverEntry,
    IntersectionObserverInit, KeyboardEvent, MouseEvent, Node, PointerEvent, Window,
};

use crate::{
    arming::{Arming, Click, Pointer, Sight},
    clock::steady,
    dialog::Dialog,
    frame::Frame,
};

/// How long a person may take, in ms: less than a nonce lives.
const PATIENCE: f64 = 240_000.0;

/// How often the sheet looks at itself, in ms.
const TICK: i32 = 50;

/// How much of the frame must be within the window. Not all: a scroll bar of the page may take a little.
const FRAME_SEEN: f64 = 0.98;

const EVENTS: [&str; 8] =
    ["click", "keydown", "pointerdown", "pointermove", "pointerover", "resize", "scroll", "visibilitychange"];

/// Shows the summary and waits for an answer. The proof's time is the device's.
pub(crate) async fn confirm(frame: &Frame, action: &str, summary: &Summary) -> Result<Proof, Refusal> {
    if frame.dialog.is_open() {
        return Err(Refusal::Busy);
    }
    // Whatever the browser refuses here, no person has been asked.
    let opened = Opened::open(frame, action, summary).map_err(|_| Refusal::Cancelled)?;
    JsFuture::from(opened.answered.clone()).await.map_err(|_| Refusal::Cancelled)?;
    opened.watch.answer.borrow_mut().take().unwrap_or(Err(Refusal::Cancelled))
}

/// What the browser calls while the sheet is open.
type Callbacks = (Closure<dyn FnMut(Event)>, Closure<dyn FnMut(Array)>, Closure<dyn FnMut()>);

/// The open sheet with all that watches it.
struct Opened<'a> {
    frame: &'a Frame,
    watch: Rc<Watch>,
    answered: Promise,
    window: Window,
    listening: AbortController,
    observer: IntersectionObserver,
    ticking: i32,
    _callbacks: Callbacks,
}

impl<'a> Opened<'a> {
    fn open(frame: &'a Frame, action: &str, summary: &Summary) -> Result<Self, JsValue> {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let watch = Rc::new(Watch::new(Rc::clone(&frame.dialog), action, &window));
        let answered = Promise::new(&mut |resolve, _| drop(watch.resolve.set(resolve)));

        let for_event = Rc::clone(&watch);
        let on_event = Closure::<dyn FnMut(Event)>::new(move |event: Event| for_event.event(&event));
        let for_seen = Rc::clone(&watch);
        let on_seen = Closure::<dyn FnMut(Array)>::new(move |entries: Array| for_seen.seen(&entries));
        let for_tick = Rc::clone(&watch);
        let on_tick = Closure::<dyn FnMut()>::new(move || for_tick.tick());

        let listening = AbortController::new()?;
        let options = AddEventListenerOptions::new();
        options.set_capture(true);
        options.set_signal(&listening.signal());
        for name in EVENTS {
            let callback = on_event.as_ref().unchecked_ref();
            window.add_event_listener_with_callback_and_add_event_listener_options(name, callback, &options)?;
        }
        let observer = IntersectionObserver::new_with_options(on_seen.as_ref().unchecked_ref(), &observation()?)?;
        let ticking =
            window.set_interval_with_callback_and_timeout_and_arguments_0(on_tick.as_ref().unchecked_ref(), TICK)?;

        let callbacks = (on_event, on_seen, on_tick);
        let opened = Self { frame, watch, answered, window, listening, observer, ticking, _callbacks: callbacks };
        frame.dialog.open(frame.app_authority(), summary)?;
        opened.observer.observe(&frame.dialog.sheet);
        opened.observer.observe(&frame.dialog.backdrop);
        frame.port.say(&FromFrame::Sheet { open: true });
        Ok(opened)
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.window.clear_interval_with_handle(self.ticking);
        self.observer.disconnect();
        self.listening.abort();
        self.frame.dialog.close();
        self.frame.port.say(&FromFrame::Sheet { open: false });
    }
}

/// `IntersectionObserver` v2 where the browser has it; others ignore what they do not know.
fn observation() -> Result<IntersectionObserverInit, JsValue> {
    let init = IntersectionObserverInit::new();
    init.set_threshold(&Array::of3(&0.into(), &FRAME_SEEN.into(), &1.into()));
    Reflect::set(&init, &"trackVisibility".into(), &true.into())?;
    // The shortest that the standard allows, in ms.
    Reflect::set(&init, &"delay".into(), &100.into())?;
    Ok(init)
}

/// Whether the browser can tell that something is covered.
fn tracks_visibility(window: &Window) -> bool {
    Reflect::get(window, &"IntersectionObserverEntry".into())
        .and_then(|class| Reflect::get(&class, &"prototype".into()))
        .and_then(|prototype| Reflect::has(&prototype, &"isVisible".into()))
        .unwrap_or(false)
}

/// What is known while the sheet is open.
struct Watch {
    dialog: Rc<Dialog>,
    action: String,
    window: Window,
    tracks_visibility: bool,
    opened: f64,
    arming: RefCell<Arming>,
    sheet_whole: Cell<bool>,
    frame_whole: Cell<bool>,
    clear: Cell<bool>,
    read: Cell<bool>,
    pointer: Cell<Option<Pointer>>,
    answer: RefCell<Option<Result<Proof, Refusal>>>,
    resolve: OnceCell<Function>,
}

impl Watch {
    fn new(dialog: Rc<Dialog>, action: &str, window: &Window) -> Self {
        Self {
            dialog,
            action: action.to_owned(),
            window: window.clone(),
            tracks_visibility: tracks_visibility(window),
            opened: steady(),
            arming: RefCell::new(Arming::new(steady())),
            sheet_whole: Cell::new(false),
            frame_whole: Cell::new(false),
            clear: Cell::new(false),
            read: Cell::new(false),
            pointer: Cell::new(None),
            answer: RefCell::new(None),
            resolve: OnceCell::new(),
        }
    }

    /// The first answer counts.
    fn finish(&self, answer: Result<Proof, Refusal>) {
        self.answer.borrow_mut().get_or_insert(answer);
        if let Some(resolve) = self.resolve.get() {
            // Calling resolve cannot fail.
            let _ = resolve.call0(&JsValue::NULL);
        }
    }

    fn tick(&self) {
        let now = steady();
        if now - self.opened >= PATIENCE {
            self.finish(Err(Refusal::TimedOut));
        }
        let whole = self.sheet_whole.get() && self.frame_whole.get();
        if whole && self.dialog.at_end() {
            self.read.set(true);
        }
        let awake = self.window.document().is_some_and(|document| !document.hidden());
        let sight = Sight { awake, whole, clear: self.clear.get(), read: self.read.get() };
        self.arming.borrow_mut().look(sight, now);
        self.dialog.show(self.arming.borrow().state(now));
        self.dialog.hold_focus();
    }

    fn restart(&self) {
        self.arming.borrow_mut().restart(steady());
    }

    fn seen(&self, entries: &Array) {
        for entry in entries.iter().map(JsCast::unchecked_into::<IntersectionObserverEntry>) {
            let ratio = entry.intersection_ratio();
            if entry.target() == *self.dialog.sheet {
                let is_visible = Reflect::get(&entry, &"isVisible".into()).is_ok_and(|visible| visible.is_truthy());
                self.clear.set(is_visible || !self.tracks_visibility);
                self.sheet_whole.set(ratio >= 1.0);
            } else {
                self.frame_whole.set(ratio >= FRAME_SEEN);
            }
        }
        self.tick();
    }

    fn event(&self, event: &Event) {
        if !event.is_trusted() {
            return;
        }
        match event.type_().as_str() {
            "click" => self.click(event.unchecked_ref()),
            "keydown" => self.key(event.unchecked_ref()),
            "pointerdown" | "pointermove" | "pointerover" => self.point(event.unchecked_ref()),
            "resize" => {
                self.read.set(false);
                self.restart();
            }
            _ => {}
        }
        self.tick();
    }

    fn key(&self, event: &KeyboardEvent) {
        match event.key().as_str() {
            "Escape" => self.finish(Err(Refusal::Cancelled)),
            "Tab" => {
                event.prevent_default();
                self.dialog.move_focus(event.shift_key());
            }
            "Enter" | " " if is_on(event, &self.dialog.confirm) => {
                if event.repeat() {
                    // A key held since before the sheet was there.
                    event.prevent_default();
                } else {
                    self.arming.borrow_mut().press(steady());
                }
            }
            _ => {}
        }
    }

    fn point(&self, event: &PointerEvent) {
        // Fingers and pens come from nowhere by nature.
        if event.pointer_type() == "mouse" {
            let pointer = Pointer {
                screen: [event.screen_x(), event.screen_y()],
                frame: [event.client_x(), event.client_y()],
                at: steady(),
            };
            if pointer.appears(self.pointer.replace(Some(pointer))) {
                self.restart();
            }
        }
        if event.type_() == "pointerdown" && is_on(event, &self.dialog.confirm) {
            self.arming.borrow_mut().press(steady());
        }
    }

    fn click(&self, event: &MouseEvent) {
        if is_on(event, &self.dialog.cancel) {
            self.finish(Err(Refusal::Cancelled));
        } else if is_on(event, &self.dialog.confirm) {
            let by_pointer = event.detail() != 0;
            let click = self.arming.borrow_mut().click(by_pointer, steady());
            if let Some(click) = click.filter(|_| self.is_active()) {
                self.finish(Ok(self.proof(click, event)));
            }
        }
    }

    /// Whether the browser attests a person's gesture, where it can.
    fn is_active(&self) -> bool {
        let activation = Reflect::get(&self.window.navigator(), &"userActivation".into()).unwrap_or_default();
        activation.is_undefined()
            || Reflect::get(&activation, &"isActive".into()).is_ok_and(|active| active.is_truthy())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "pixels and times fit, and `as` saturates"
    )]
    fn proof(&self, click: Click, event: &MouseEvent) -> Proof {
        let area = self.dialog.confirm.get_bounding_client_rect();
        let pixels = |length: f64| length.round() as i32;
        Proof {
            v: 1,
            by: Recorder::Signer,
            action: self.action.clone(),
            kind: Kind::Confirm,
            at: js_sys::Date::now() as u64,
            hold: click.hold as u32,
            path: Vec::new(),
            target: [pixels(area.x()), pixels(area.y()), pixels(area.width()), pixels(area.height())],
            hit: [event.client_x(), event.client_y()],
            dwell: Some(click.dwell as u32),
            visible: self.tracks_visibility.then_some(true),
        }
    }
}

fn is_on(event: &Event, element: &Node) -> bool {
    event.target().is_some_and(|target| element.contains(Some(target.unchecked_ref())))
}
