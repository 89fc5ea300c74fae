//! The page's end of the port to the signing frame (`protocol::message` tells the handshake).

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use gloo_events::EventListener;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::document;
use protocol::message::{Answer, CONNECT, FrameRequest, FromFrame, KeyStoreState, READY, Refusal, ToFrame};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlIFrameElement, MessageChannel, MessageEvent, MessagePort};

use super::{Tab, session::meta};
use crate::error::AppError;

/// The id of the `<iframe>`.
pub const ID: &str = "pan-frame";

/// The name of the `<meta>` with the sign origin.
pub const ORIGIN_META: &str = "pan-sign-origin";

/// How long the frame may take to load and say hello: ms.
const LOADING: u32 = 20_000;

/// How long it may take to answer: ms. Binding a key takes two requests of its own.
const WORKING: u32 = 45_000;

/// The signing frame, as the page sees it.
pub struct Frame {
    element: HtmlIFrameElement,
    origin: String,
    /// The port on which the frame said hello, and those on which it may yet.
    port: RefCell<Option<(MessagePort, KeyStoreState)>>,
    offered: RefCell<Vec<Offered>>,
    /// Who waits for a hello, and who for which answer.
    greeted: RefCell<Vec<oneshot::Sender<()>>>,
    waiting: RefCell<HashMap<u32, oneshot::Sender<Result<Answer, Refusal>>>>,
    last_id: Cell<u32>,
}

/// A port that was offered to the frame. Dropping it stops listening.
struct Offered {
    port: MessagePort,
    _listener: EventListener,
}

impl Frame {
    /// Finds the frame in this page and offers it a port now and whenever it says that it is ready.
    pub fn find() -> Option<Rc<Self>> {
        let element: HtmlIFrameElement = document().get_element_by_id(ID)?.dyn_into().ok()?;
        let frame = Rc::new(Self {
            element,
            origin: meta(ORIGIN_META)?,
            port: RefCell::default(),
            offered: RefCell::default(),
            greeted: RefCell::default(),
            waiting: RefCell::default(),
            last_id: Cell::default(),
        });
        frame.listen();
        // An empty document is still ours to look into; the frame's own is not. Only that one can take a port.
        if frame.element.content_document().is_none() {
            frame.offer();
        }
        Some(frame)
    }

    fn listen(self: &Rc<Self>) {
        let Some(window) = web_sys::window() else { return };
        let frame = Rc::clone(self);
        EventListener::new(&window, "message", move |event| {
            let event = event.unchecked_ref::<MessageEvent>();
            // As plain values: a window of another origin does not even say that it is one.
            let source = event.source().map(JsValue::from);
            let is_source = source.is_some() && source == frame.element.content_window().map(JsValue::from);
            let is_frame = is_source && event.origin() == frame.origin;
            if is_frame && event.data().as_string().as_deref() == Some(READY) {
                frame.offer();
            }
        })
        .forget();
    }

    /// Offers a new port. The frame takes the first that it gets; a port that it did not take stays silent.
    fn offer(self: &Rc<Self>) {
        let (Ok(channel), Some(window)) = (MessageChannel::new(), self.element.content_window()) else { return };
        let port = channel.port1();
        let (frame, own) = (Rc::clone(self), port.clone());
        let listener = EventListener::new(&port, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
            if let Ok(message) = serde_json::from_str(&text) {
                frame.hear(&own, message);
            }
        });
        port.start();
        self.offered.borrow_mut().push(Offered { port, _listener: listener });
        let ports = js_sys::Array::of1(&channel.port2());
        // Fails only when the frame's document has another origin by now: then nobody is there to take the port.
        let _ = window.post_message_with_transfer(&JsValue::from_str(CONNECT), &self.origin, &ports);
    }

    fn hear(&self, port: &MessagePort, message: FromFrame) {
        if let FromFrame::Hello(vault) = message {
            self.greet(port, vault);
        } else if self.port.borrow().as_ref().is_some_and(|(current, _)| current == port) {
            match message {
                FromFrame::Nonces { session, nonces } => {
                    if let Ok(tab) = Tab::get() {
                        tab.keep_nonces(session, nonces);
                    }
                }
                FromFrame::Answer { id, answer } => {
                    if let Some(asker) = self.waiting.borrow_mut().remove(&id) {
                        // Nobody may be waiting any more.
                        let _ = asker.send(answer);
                    }
                }
                FromFrame::Hello(_) => {}
            }
        }
    }

    /// The port on which hello arrives is the one that counts. What was asked on an earlier one was lost with it.
    fn greet(&self, port: &MessagePort, vault: KeyStoreState) {
        self.waiting.borrow_mut().clear();
        self.port.replace(Some((port.clone(), vault)));
        for greeted in self.greeted.take() {
            let _ = greeted.send(());
        }
        self.offered.borrow_mut().retain(|offered| &offered.port == port);
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The refusal; or that the frame is not there, is gone, or is silent.
    pub async fn ask(&self, ask: FrameRequest) -> Result<Answer, AppError> {
        self.try_ask(ask).await?.map_err(AppError::from)
    }

    /// Asks, and waits for the answer or the refusal.
    ///
    /// # Errors
    /// That the frame is not there, is gone, or is silent.
    pub async fn try_ask(&self, ask: FrameRequest) -> Result<Result<Answer, Refusal>, AppError> {
        let port = self.connected().await?;
        let id = self.last_id.get().wrapping_add(1);
        self.last_id.set(id);
        let (sender, answer) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        let text = serde_json::to_string(&ToFrame { id, ask }).map_err(|_| AppError::Malformed)?;
        port.post_message(&JsValue::from_str(&text)).map_err(|_| AppError::NoFrame)?;
        if let Some(Ok(answer)) = within(WORKING, answer).await {
            return Ok(answer);
        }
        // The frame was loaded anew, or says nothing.
        self.waiting.borrow_mut().remove(&id);
        Err(AppError::NoFrame)
    }

    async fn connected(&self) -> Result<MessagePort, AppError> {
        if self.port.borrow().is_none() {
            let (sender, greeted) = oneshot::channel();
            self.greeted.borrow_mut().push(sender);
            within(LOADING, greeted).await;
        }
        match &*self.port.borrow() {
            Some((port, KeyStoreState::Open)) => Ok(port.clone()),
            Some((_, KeyStoreState::Closed)) => Err(AppError::StorageBlocked),
            None => Err(AppError::NoFrame),
        }
    }
}

async fn within<F: Future + Unpin>(patience: u32, work: F) -> Option<F::Output> {
    match select(work, TimeoutFuture::new(patience)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
