//! The confirmation window: opened in the click, given one request, and awaited (docs/PROTOCOL.md §6).
//!
//! The window belongs to the sign origin. This page can close, focus and navigate it, but neither read nor change what it
//! shows. The window answers with a signature over exactly the request that it showed to the user, or with a rejection.

use std::{cell::RefCell, rc::Rc};

use futures::{
    StreamExt,
    channel::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
        oneshot,
    },
    future::{Either, select},
};
use gloo_events::EventListener;
use gloo_timers::{callback::Timeout, future::TimeoutFuture};
use leptos::prelude::window;
use protocol::message::{AttestedHeaders, CONNECT, FromWindow, READY, ToWindow};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageChannel, MessageEvent, MessagePort, Window};

use crate::{
    clock::steady,
    error::ClientError,
    redirect,
    session::{ConfirmationState, Session},
    timeout::SLOW,
};

/// Size and kind of the window.
const FEATURES: &str = "popup,width=480,height=640";

/// How often the page checks whether the window is closed: ms.
const POLL: u32 = 300;

/// How long a confirmation may take: ms. The window gives up earlier.
const TIMEOUT: f64 = 270_000.0;

/// After how many of these checks a window that has shown nothing counts as silent: about [`SLOW`].
const CHECKS_UNTIL_SILENT: u32 = SLOW / POLL;

/// What happens to a confirmation.
enum Event {
    /// The window is ready for a port.
    Ready,
    /// The window sent a message.
    Message(FromWindow),
    /// The user cancelled in this page.
    Cancel,
    /// This browser opens no windows: the user confirms in this tab and returns.
    Redirect,
}

/// The page's confirmation, of which at most one is open.
pub(crate) struct Confirmation {
    session: Session,
    current: RefCell<Option<Current>>,
}

struct Current {
    window: Option<Window>,
    events: UnboundedSender<Event>,
}

impl Confirmation {
    /// No confirmation yet.
    pub(crate) fn new(session: Session) -> Rc<Self> {
        Rc::new(Self { session, current: RefCell::default() })
    }

    /// Brings the window to the front.
    pub(crate) fn bring_to_front(&self) {
        if let Some(window) = self.window() {
            // A browser that does not allow it leaves the window where it is.
            let _ = window.focus();
        }
    }

    /// Cancels the confirmation that is open.
    pub(crate) fn cancel(&self) {
        self.send(Event::Cancel);
    }

    /// Opens the window that the browser has blocked; otherwise redirects. Call it in a click.
    pub(crate) fn continue_in_window(&self) {
        match self.open_window() {
            Some(window) => {
                if let Some(current) = &mut *self.current.borrow_mut() {
                    current.window = Some(window);
                }
                self.session.set_confirmation(ConfirmationState::Open);
            }
            None => self.send(Event::Redirect),
        }
    }

    fn send(&self, event: Event) {
        if let Some(current) = &*self.current.borrow() {
            // The confirmation may be over by now.
            let _ = current.events.unbounded_send(event);
        }
    }

    fn window(&self) -> Option<Window> {
        self.current.borrow().as_ref().and_then(|current| current.window.clone())
    }

    fn open_window(&self) -> Option<Window> {
        let url = [self.session.sign_origin(), "/confirm"].concat();
        window().open_with_url_and_target_and_features(&url, "_blank", FEATURES).ok().flatten()
    }

    /// Waits for the window's message that it is ready.
    fn listen(self: &Rc<Self>) -> EventListener {
        let confirmation = Rc::clone(self);
        EventListener::new(&window(), "message", move |event| {
            let event = event.unchecked_ref::<MessageEvent>();
            // Compared as plain values: a window of another origin does not reveal its type.
            let source = event.source().map(JsValue::from);
            let is_source = source.is_some() && source == confirmation.window().map(JsValue::from);
            let is_ready = event.data().as_string().as_deref() == Some(READY);
            if is_source && is_ready && event.origin() == confirmation.session.sign_origin() {
                confirmation.send(Event::Ready);
            }
        })
    }
}

/// A confirmation under way. Dropping it closes its window.
pub(crate) struct PendingConfirmation {
    confirmation: Rc<Confirmation>,
    events: UnboundedReceiver<Event>,
    began: f64,
    /// How often it was checked whether the window has shown the request.
    checks: u32,
    has_shown: bool,
    /// The ports that were offered to the window, one per ready message. The window takes one of them.
    ports: Vec<(MessagePort, EventListener)>,
    request: Option<ToWindow>,
    /// The window shows the result, and closes itself if there is nothing to read.
    has_answered: bool,
    _listener: EventListener,
}

impl PendingConfirmation {
    /// Opens the window. Call it in the click, before anything else is awaited: later the browser may block the window.
    ///
    /// # Errors
    /// [`ClientError::ConfirmationBusy`] when another confirmation is open.
    pub(crate) async fn open(confirmation: &Rc<Confirmation>) -> Result<Self, ClientError> {
        if confirmation.current.borrow().is_some() {
            return Err(ClientError::ConfirmationBusy);
        }
        let (sender, events) = unbounded();
        confirmation.current.replace(Some(Current { window: None, events: sender }));
        let pending = Self {
            confirmation: Rc::clone(confirmation),
            events,
            began: steady(),
            checks: 0,
            has_shown: false,
            ports: Vec::new(),
            request: None,
            has_answered: false,
            _listener: confirmation.listen(),
        };
        pending.open_window_in_timer().await;
        Ok(pending)
    }

    /// Opens the window from a timer, for which the click still counts.
    ///
    /// Firefox runs other events while it opens a window, and these start futures. If a future opened the window itself, the
    /// executor would be entered twice, which it cannot be, and no future would run again.
    async fn open_window_in_timer(&self) {
        let (sender, done) = oneshot::channel();
        let confirmation = Rc::clone(&self.confirmation);
        Timeout::new(0, move || {
            let window = confirmation.open_window();
            let state = if window.is_some() { ConfirmationState::Open } else { ConfirmationState::Blocked };
            confirmation.session.set_confirmation(state);
            if let Some(current) = &mut *confirmation.current.borrow_mut() {
                current.window = window;
            }
            // Fails only when the future is gone.
            let _ = sender.send(());
        })
        .forget();
        let _ = done.await;
    }

    /// Sends the request to the window as soon as it is complete, and waits for the signature.
    ///
    /// # Errors
    /// Why there is no signature.
    pub(crate) async fn sign(
        mut self,
        request: impl Future<Output = Result<ToWindow, ClientError>>,
    ) -> Result<AttestedHeaders, ClientError> {
        let request = match select(Box::pin(request), Box::pin(self.run())).await {
            Either::Left((request, _)) => request?,
            Either::Right((result, _)) => return result,
        };
        self.request = Some(request);
        self.ports.iter().for_each(|(port, _)| self.send_request(port));
        self.run().await
    }

    /// Waits until the confirmation is over.
    async fn run(&mut self) -> Result<AttestedHeaders, ClientError> {
        let mut redirects = false;
        loop {
            if let Some(request) = self.request.as_ref().filter(|_| redirects) {
                redirect::leave(&self.confirmation.session, request)?;
                // The browser leaves this page. If the page returns from the cache, the confirmation is cancelled.
                redirects = false;
            }
            match select(self.events.next(), TimeoutFuture::new(POLL)).await {
                Either::Left((Some(Event::Ready), _)) => {
                    self.connect();
                    self.check_silence();
                }
                Either::Left((Some(Event::Message(FromWindow::Shown {})), _)) => {
                    self.has_shown = true;
                    self.confirmation.session.set_confirmation(ConfirmationState::Open);
                }
                Either::Left((Some(Event::Message(FromWindow::Signed(headers))), _)) => {
                    self.has_answered = true;
                    return Ok(headers.into());
                }
                Either::Left((Some(Event::Message(FromWindow::Attested(headers))), _)) => {
                    self.has_answered = true;
                    return Ok(headers);
                }
                Either::Left((Some(Event::Message(FromWindow::Rejected(reason))), _)) => {
                    self.has_answered = true;
                    return Err(reason.into());
                }
                Either::Left((Some(Event::Cancel) | None, _)) => return Err(ClientError::Cancelled),
                Either::Left((Some(Event::Redirect), _)) => redirects = true,
                Either::Right(_) => {
                    let window = self.confirmation.window();
                    if window.as_ref().is_some_and(|window| window.closed().unwrap_or(true)) {
                        return Err(ClientError::Cancelled);
                    }
                    if steady() - self.began > TIMEOUT {
                        return Err(ClientError::ConfirmationTimedOut);
                    }
                    if window.is_some() {
                        self.check_silence();
                    }
                }
            }
        }
    }

    /// Shows that the window has shown nothing for a while. Checks are counted, because a clock may stand still.
    fn check_silence(&mut self) {
        self.checks += 1;
        if self.checks >= CHECKS_UNTIL_SILENT && !self.has_shown {
            self.confirmation.session.set_confirmation(ConfirmationState::Silent);
        }
    }

    /// Offers the window a port, and sends the request if it is complete. The window repeats its ready message until it has a
    /// port, and again after a reload, which cancels what it showed before.
    fn connect(&mut self) {
        let (Ok(channel), Some(window)) = (MessageChannel::new(), self.confirmation.window()) else { return };
        let port = channel.port1();
        let confirmation = Rc::clone(&self.confirmation);
        let listener = EventListener::new(&port, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
            if let Ok(message) = serde_json::from_str(&text) {
                confirmation.send(Event::Message(message));
            }
        });
        port.start();
        let ports = js_sys::Array::of1(&channel.port2());
        let origin = self.confirmation.session.sign_origin();
        // Fails only when the window has been navigated elsewhere: then no window takes the port.
        let _ = window.post_message_with_transfer(&JsValue::from_str(CONNECT), origin, &ports);
        self.send_request(&port);
        self.ports.push((port, listener));
    }

    /// Sends the request, if it is complete.
    fn send_request(&self, port: &MessagePort) {
        if let Some(request) = &self.request {
            let text = serde_json::to_string(request).unwrap_or_default();
            // A string can always be posted.
            let _ = port.post_message(&JsValue::from_str(&text));
        }
    }
}

impl Drop for PendingConfirmation {
    fn drop(&mut self) {
        let current = self.confirmation.current.take();
        self.confirmation.session.set_confirmation(ConfirmationState::Closed);
        if let Some(window) = current.and_then(|current| current.window).filter(|_| !self.has_answered) {
            let _ = window.close();
        }
    }
}
