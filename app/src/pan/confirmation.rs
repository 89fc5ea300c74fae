//! The confirmation window: opened in the click, handed one request, and awaited (docs/PROTOCOL.md §6).
//!
//! The window belongs to the sign origin. This page can close, focus and navigate it, but neither see nor change what it
//! shows; what comes back is a signature over the very request that the user has seen, or the reason why there is none.

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
use protocol::message::{CONNECT, FromWindow, READY, SignedHeaders, ToWindow};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageChannel, MessageEvent, MessagePort, Window};

use super::{Tab, now, redirect, session::Confirming};
use crate::error::AppError;

/// Size and kind of the window.
const FEATURES: &str = "popup,width=480,height=640";

/// How often the page looks whether the window is closed: ms.
const POLL: u32 = 300;

/// How long a confirmation may take: ms. The window gives up earlier.
const PATIENCE: u64 = 270_000;

/// What happens to a confirmation.
enum Event {
    /// The window can take a port.
    Ready,
    /// The window says something.
    Said(FromWindow),
    /// The user cancels in this page.
    Cancel,
    /// This browser opens no windows: the user goes to the confirmation and comes back.
    Leave,
}

/// The one confirmation that is open, if there is one.
#[derive(Default)]
pub(crate) struct Confirmation(RefCell<Option<Current>>);

struct Current {
    window: Option<Window>,
    events: UnboundedSender<Event>,
}

impl Confirmation {
    fn send(&self, event: Event) {
        if let Some(current) = &*self.0.borrow() {
            // It may be over by now.
            let _ = current.events.unbounded_send(event);
        }
    }

    fn window(&self) -> Option<Window> {
        self.0.borrow().as_ref().and_then(|current| current.window.clone())
    }
}

/// Brings the window to the front.
pub fn bring_to_front() {
    if let Some(window) = Tab::get().ok().and_then(|tab| tab.confirmation.window()) {
        // A browser that does not allow it leaves the window where it is.
        let _ = window.focus();
    }
}

/// Cancels the confirmation that is open.
pub fn cancel() {
    if let Ok(tab) = Tab::get() {
        tab.confirmation.send(Event::Cancel);
    }
}

/// Opens the window that the browser has blocked; call it in a click. Where that is blocked too, the user goes to the
/// confirmation in this tab and comes back.
pub fn continue_in_window() {
    let Ok(tab) = Tab::get() else { return };
    match open_window(&tab) {
        Some(window) => {
            if let Some(current) = &mut *tab.confirmation.0.borrow_mut() {
                current.window = Some(window);
            }
            tab.session.set_confirming(Confirming::Open);
        }
        None => tab.confirmation.send(Event::Leave),
    }
}

fn open_window(tab: &Tab) -> Option<Window> {
    let url = [tab.session.sign_origin(), "/confirm"].concat();
    window().open_with_url_and_target_and_features(&url, "_blank", FEATURES).ok().flatten()
}

/// A confirmation under way. Dropping it closes its window.
pub(super) struct Opened {
    tab: Rc<Tab>,
    events: UnboundedReceiver<Event>,
    began: u64,
    /// The ports that were offered to the window, one for each time that it said that it is ready. It takes one of them.
    ports: Vec<(MessagePort, EventListener)>,
    order: Option<ToWindow>,
    /// The window shows how it ended, and closes itself if there is nothing to read.
    has_answered: bool,
    _listener: EventListener,
}

impl Opened {
    /// Opens the window. Call it in the click that needs it, before anything else is awaited: later the browser may block it.
    pub(super) async fn open(tab: &Rc<Tab>) -> Result<Self, AppError> {
        if tab.confirmation.0.borrow().is_some() {
            return Err(AppError::ConfirmationBusy);
        }
        let (sender, events) = unbounded();
        tab.confirmation.0.replace(Some(Current { window: None, events: sender }));
        let tab = Rc::clone(tab);
        let listener = listen(&tab);
        let opened = Self {
            tab,
            events,
            began: now(),
            ports: Vec::new(),
            order: None,
            has_answered: false,
            _listener: listener,
        };
        opened.open_outside().await;
        Ok(opened)
    }

    /// Opens the window from a timer, which the click still counts for.
    ///
    /// Firefox runs other events while it opens a window, and these start futures. A future that opens the window itself
    /// would be in their way: the executor cannot be entered twice, and no future would ever run again.
    async fn open_outside(&self) {
        let (sender, done) = oneshot::channel();
        let tab = Rc::clone(&self.tab);
        Timeout::new(0, move || {
            let window = open_window(&tab);
            tab.session.set_confirming(if window.is_some() { Confirming::Open } else { Confirming::Blocked });
            if let Some(current) = &mut *tab.confirmation.0.borrow_mut() {
                current.window = window;
            }
            // Fails only when the future is gone.
            let _ = sender.send(());
        })
        .forget();
        let _ = done.await;
    }

    /// Hands over the request as soon as it is there, and waits for the signature.
    pub(super) async fn sign(
        mut self,
        order: impl Future<Output = Result<ToWindow, AppError>>,
    ) -> Result<SignedHeaders, AppError> {
        let order = match select(Box::pin(order), Box::pin(self.run())).await {
            Either::Left((order, _)) => order?,
            Either::Right((over, _)) => return over,
        };
        self.order = Some(order);
        self.ports.iter().for_each(|(port, _)| self.hand_over(port));
        self.run().await
    }

    /// Waits until the confirmation is over.
    async fn run(&mut self) -> Result<SignedHeaders, AppError> {
        let mut leaves = false;
        loop {
            if let Some(order) = self.order.as_ref().filter(|_| leaves) {
                redirect::leave(&self.tab, order)?;
                // The browser leaves this page. If it comes back from the cache, the confirmation is cancelled.
                leaves = false;
            }
            match select(self.events.next(), TimeoutFuture::new(POLL)).await {
                Either::Left((Some(Event::Ready), _)) => self.connect(),
                Either::Left((Some(Event::Said(FromWindow::Shown {})), _)) => {}
                Either::Left((Some(Event::Said(FromWindow::Signed(headers))), _)) => {
                    self.has_answered = true;
                    return Ok(headers);
                }
                Either::Left((Some(Event::Said(FromWindow::Rejected(reason))), _)) => {
                    self.has_answered = true;
                    return Err(reason.into());
                }
                Either::Left((Some(Event::Cancel) | None, _)) => return Err(AppError::Cancelled),
                Either::Left((Some(Event::Leave), _)) => leaves = true,
                Either::Right(_) => {
                    let is_closed = |window: Window| window.closed().unwrap_or(true);
                    if self.tab.confirmation.window().is_some_and(is_closed) {
                        return Err(AppError::Cancelled);
                    }
                    if now().abs_diff(self.began) > PATIENCE {
                        return Err(AppError::ConfirmationTimedOut);
                    }
                }
            }
        }
    }

    /// Offers the window a port, with the request on it if that is there already. The window says that it is ready until it
    /// has one. After it was reloaded it says so again; what it showed before, it has cancelled.
    fn connect(&mut self) {
        let (Ok(channel), Some(window)) = (MessageChannel::new(), self.tab.confirmation.window()) else { return };
        let port = channel.port1();
        let tab = Rc::clone(&self.tab);
        let listener = EventListener::new(&port, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
            if let Ok(message) = serde_json::from_str(&text) {
                tab.confirmation.send(Event::Said(message));
            }
        });
        port.start();
        let ports = js_sys::Array::of1(&channel.port2());
        let origin = self.tab.session.sign_origin();
        // Fails only when the window has been navigated elsewhere: then no window takes the port.
        let _ = window.post_message_with_transfer(&JsValue::from_str(CONNECT), origin, &ports);
        self.hand_over(&port);
        self.ports.push((port, listener));
    }

    /// Says what to confirm, once that is known.
    fn hand_over(&self, port: &MessagePort) {
        if let Some(order) = &self.order {
            let text = serde_json::to_string(order).unwrap_or_default();
            // A text can always be posted.
            let _ = port.post_message(&JsValue::from_str(&text));
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let current = self.tab.confirmation.0.take();
        self.tab.session.set_confirming(Confirming::No);
        if let Some(window) = current.and_then(|current| current.window).filter(|_| !self.has_answered) {
            let _ = window.close();
        }
    }
}

/// Listens for the window's word that it is ready.
fn listen(tab: &Rc<Tab>) -> EventListener {
    let tab = Rc::clone(tab);
    EventListener::new(&window(), "message", move |event| {
        let event = event.unchecked_ref::<MessageEvent>();
        // As plain values: a window of another origin does not even say that it is one.
        let source = event.source().map(JsValue::from);
        let is_source = source.is_some() && source == tab.confirmation.window().map(JsValue::from);
        let is_ready = event.data().as_string().as_deref() == Some(READY);
        if is_source && is_ready && event.origin() == tab.session.sign_origin() {
            tab.confirmation.send(Event::Ready);
        }
    })
}
