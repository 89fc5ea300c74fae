//! The confirmation window: receives one request, shows it, and signs it when the user confirms.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use actions::{CATALOGUE, SUMMARIES};
use js_sys::{Function, Promise};
use protocol::{
    message::{AttestedHeaders, FromWindow, WindowRejection},
    proof::{self, Kind, Proof, Recorder},
    token::Nonce,
};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, KeyboardEvent, MouseEvent, Storage, Window};

use super::{
    Page,
    arming::{Activation, Arming, Geometry, Input, Obstacle, View},
    confirm_view::{ConfirmView, rejection},
    cooldown::Cooldown,
    dom::listen,
    fragment,
    request::Request,
    session_passkeys::SessionPasskeys,
};
use crate::{
    clock::{self, server_time},
    key_store::KeyStore,
    keys, locks,
    moment::steady,
    port::Port,
    sign::UnsignedRequest,
    wait::SLOW,
};

/// How long the user may take, in ms: less than the lifetime of a nonce.
const TIMEOUT: f64 = 240_000.0;

/// The interval between observations of the window, in ms.
const TICK: i32 = 50;

/// How long the outcome is shown before the window closes itself, in ms.
const CLOSE_DELAY: i32 = 700;

/// The number of observations after which a clock that has not advanced stands still.
const TICKS_OF_CLOCK: u32 = 40;

/// The lock held while a confirmation is open: one at a time in this browser profile.
const LOCK: &str = "pan-confirm";

/// The `localStorage` key of the times of unwanted confirmations.
const COOLDOWN: &str = "pan-unwanted";

/// Receives the request from the fragment or the opener, and answers it.
pub(super) async fn run(page: Page) -> Result<(), JsValue> {
    let view = Rc::new(ConfirmView::find(&page.dom)?);
    match fragment::take(&page)? {
        Some(Ok(link)) => {
            let decided = decide(&page, &view, Request::check(CATALOGUE, SUMMARIES, link.request), || {}).await;
            return fragment::answer(&page, &link.return_path, &message(decided));
        }
        Some(Err(reason)) => {
            show_rejection(&view, reason);
            return Ok(());
        }
        None => {}
    }
    let opener = page.dom.window.opener()?;
    let window = page.dom.window.clone();
    listen(&view.close, "click", move |_| close(&window))?;
    if opener.is_null() {
        view.show_outcome("Nothing to confirm", "This page opens by itself when there is something to confirm.");
        return Ok(());
    }
    let has_request = Rc::new(Cell::new(false));
    let (slow, received) = (Rc::clone(&view), Rc::clone(&has_request));
    page.dom.after(SLOW, move || slow.show_slow(received.get()))?;
    let port = Rc::new(Port::claim(&page.dom.window, opener.unchecked_ref::<Window>(), &page.app_origin).await?);
    let request = Request::from_message(CATALOGUE, SUMMARIES, &port.first().await?);
    has_request.set(true);

    // Closing, reloading or navigating the window cancels the request.
    let is_decided = Rc::new(Cell::new(false));
    let (leaving, undecided) = (Rc::clone(&port), Rc::clone(&is_decided));
    page.dom.on_window("pagehide", move |_| {
        if !undecided.get() {
            leaving.send(&FromWindow::Rejected(WindowRejection::Cancelled));
        }
    })?;
    let decided = decide(&page, &view, request, || port.send(&FromWindow::Shown {})).await;
    is_decided.set(true);
    let has_codes = matches!(&decided, Ok(headers) if headers.recovery_codes.is_some());
    let closes = !has_codes && matches!(decided, Ok(_) | Err(WindowRejection::Cancelled));
    match decided {
        Ok(_) => view.show_confirmed(has_codes),
        Err(reason) => show_rejection(&view, reason),
    }
    port.send(&message(decided));
    if closes {
        let window = page.dom.window.clone();
        page.dom.after(CLOSE_DELAY, move || close(&window))?;
    }
    Ok(())
}

fn show_rejection(view: &ConfirmView, reason: WindowRejection) {
    let (title, text) = rejection(reason);
    view.show_outcome(title, &text);
}

fn message(decided: Result<AttestedHeaders, WindowRejection>) -> FromWindow {
    match decided {
        Ok(AttestedHeaders { signed, passkey: None, new_passkey: None, recovery_codes: None }) => {
            FromWindow::Signed(signed)
        }
        Ok(headers) => FromWindow::Attested(headers),
        Err(reason) => FromWindow::Rejected(reason),
    }
}

fn close(window: &Window) {
    // If the browser does not allow this, the text asks the user to close the window.
    let _ = window.close();
}

/// Shows a request and waits for the user. Returns the headers to send with the request.
async fn decide(
    page: &Page,
    view: &Rc<ConfirmView>,
    request: Result<Request, WindowRejection>,
    shown: impl FnOnce(),
) -> Result<AttestedHeaders, WindowRejection> {
    let request = request?;
    let closed = |_| WindowRejection::KeyStoreClosed;
    let (key, user) = {
        // Closed before the user decides: an open database keeps a newer version of this page from opening it.
        let store = KeyStore::open().await.map_err(closed)?;
        store.confirmation_key(&request.to_sign.session).await.map_err(closed)?.ok_or(WindowRejection::NoKey)?
    };
    let _lock = locks::try_take(LOCK).await.ok_or(WindowRejection::Busy)?;
    let storage = page.dom.window.local_storage().ok().flatten().ok_or(WindowRejection::KeyStoreClosed)?;
    let began = clock::now();
    let mut unwanted = unwanted(&storage, began);
    if let Some(seconds) = unwanted.pause(began) {
        return Err(WindowRejection::Paused { seconds });
    }
    page.clock.offset(false).await?;
    let passkeys = if request.needs_passkey { Some(SessionPasskeys::fetch(&request).await?) } else { None };

    let shown_at = clock::now();
    unwanted.add(shown_at);
    storage.set_item(COOLDOWN, &unwanted.to_text()).map_err(closed)?;
    // If these steps fail, the user has not seen the request.
    let watch = Watch::start(page, view, request.entry.name).map_err(|_| WindowRejection::Malformed)?;
    let codes = passkeys.as_ref().and_then(SessionPasskeys::codes);
    view.show_request(&request, &user, codes).map_err(|_| WindowRejection::Malformed)?;
    shown();
    let mut proof = watch.decision().await?;
    view.show_signing();
    let slow = Rc::clone(view);
    // If this fails, the window shows "One moment…" until the server has answered.
    let _ = page.dom.after(SLOW, move || slow.show_slow(true));
    let mut unwanted = self::unwanted(&storage, clock::now());
    unwanted.remove(shown_at);
    // If storage is full, the pause only starts sooner.
    let _ = storage.set_item(COOLDOWN, &unwanted.to_text());

    let offset = page.clock.offset(false).await?;
    proof.at = server_time(js_sys::Date::now(), offset);
    let nonce = match request.to_sign.nonce {
        Some(nonce) => nonce,
        None => keys::random().map(Nonce::new).map_err(|_| WindowRejection::Malformed)?,
    };
    let unsigned = UnsignedRequest {
        authority: page.app_authority(),
        path: request.entry.path,
        body: &request.to_sign.body,
        session: &request.to_sign.session,
        nonce,
        proof: proof::header(Some(&proof)).map_err(|_| WindowRejection::Malformed)?,
    };
    let (headers, base) = unsigned.sign_base(&key, offset).await.map_err(|_| WindowRejection::SigningFailed)?;
    let mut headers = headers.into();
    if let Some(passkeys) = passkeys {
        if passkeys.is_used() {
            view.show_passkey_prompt();
        }
        passkeys.sign(page, &key, &user, &base, &mut headers).await?;
    }
    Ok(headers)
}

fn unwanted(storage: &Storage, now: u64) -> Cooldown {
    Cooldown::parse(&storage.get_item(COOLDOWN).ok().flatten().unwrap_or_default(), now)
}

/// The time of an event, which is before it is handled, on the clock of [`steady`].
fn time_of(event: &Event) -> f64 {
    // Some browsers use another clock here. Such a value is not usable.
    Some(event.time_stamp()).filter(|at| (0.0..=steady()).contains(at)).unwrap_or_else(steady)
}

/// Observes the window and its input until the user decides.
struct Watch {
    view: Rc<ConfirmView>,
    window: Window,
    action: &'static str,
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
    fn start(page: &Page, view: &Rc<ConfirmView>, action: &'static str) -> Result<Rc<Self>, JsValue> {
        let watch = Rc::new(Self {
            view: Rc::clone(view),
            window: page.dom.window.clone(),
            action,
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
    async fn decision(&self) -> Result<Proof, WindowRejection> {
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
        if now - self.began >= TIMEOUT {
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
