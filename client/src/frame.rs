//! The page's end of the port to the signing frame. `protocol::message` describes the handshake.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::channel::oneshot;
use gloo_events::EventListener;
use leptos::prelude::document;
use protocol::{
    message::{Answer, CONNECT, FrameRejection, FrameRequest, FromFrame, KeyStoreState, READY, ToFrame},
    token::{Nonce, SessionHandle},
};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlIFrameElement, MessageChannel, MessageEvent, MessagePort};

use crate::{
    error::ClientError,
    markup::{FRAME_ID, SIGN_ORIGIN_META, meta},
    timeout::within,
};

/// How long the frame may take to load and to greet: ms. On a slow network it loads for a while.
const LOAD_TIMEOUT: u32 = 60_000;

/// How long the frame may take to answer: ms. Binding a key takes two more requests.
const ANSWER_TIMEOUT: u32 = 45_000;

type AnswerSender = oneshot::Sender<Result<Answer, FrameRejection>>;

/// The signing frame, as the page sees it.
pub(crate) struct Frame {
    element: HtmlIFrameElement,
    origin: String,
    /// The port on which the frame has greeted.
    port: RefCell<Option<MessagePort>>,
    /// The ports on which the frame may still greet.
    offered: RefCell<Vec<OfferedPort>>,
    /// Tasks that wait for the greeting.
    awaiting_greeting: RefCell<Vec<oneshot::Sender<KeyStoreState>>>,
    /// Tasks that wait for an answer, by the id of their request.
    awaiting_answer: RefCell<Vec<(u32, AnswerSender)>>,
    last_id: Cell<u32>,
    on_nonces: fn(SessionHandle, Vec<Nonce>),
}

/// A port that was offered to the frame. Dropping it stops listening.
struct OfferedPort {
    port: MessagePort,
    _listener: EventListener,
}

impl Frame {
    /// Finds the frame in this page, and offers it a port now and whenever it is ready. `on_nonces` gets the nonces that the
    /// frame passes on after it has bound its key.
    pub(crate) fn find(on_nonces: fn(SessionHandle, Vec<Nonce>)) -> Option<Rc<Self>> {
        let element: HtmlIFrameElement = document().get_element_by_id(FRAME_ID)?.dyn_into().ok()?;
        let frame = Rc::new(Self {
            element,
            origin: meta(SIGN_ORIGIN_META)?,
            port: RefCell::default(),
            offered: RefCell::default(),
            awaiting_greeting: RefCell::default(),
            awaiting_answer: RefCell::default(),
            last_id: Cell::default(),
            on_nonces,
        });
        frame.listen();
        // The page can read an empty document, but not the frame's own. Only that one can take a port.
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
            // Compared as plain values: a window of another origin does not reveal its type.
            let source = event.source().map(JsValue::from);
            let is_source = source.is_some() && source == frame.element.content_window().map(JsValue::from);
            let is_frame = is_source && event.origin() == frame.origin;
            if is_frame && event.data().as_string().as_deref() == Some(READY) {
                frame.offer();
            }
        })
        .forget();
    }

    /// Offers a new port. The frame takes the first port that it receives; the others stay silent.
    fn offer(self: &Rc<Self>) {
        let (Ok(channel), Some(window)) = (MessageChannel::new(), self.element.content_window()) else { return };
        let port = channel.port1();
        let (frame, own) = (Rc::clone(self), port.clone());
        let listener = EventListener::new(&port, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string().unwrap_or_default();
            if let Ok(message) = serde_json::from_str(&text) {
                frame.receive(&own, message);
            }
        });
        port.start();
        self.offered.borrow_mut().push(OfferedPort { port, _listener: listener });
        let ports = js_sys::Array::of1(&channel.port2());
        // Fails only when the frame's document has another origin by now, and then no document takes the port.
        let _ = window.post_message_with_transfer(&JsValue::from_str(CONNECT), &self.origin, &ports);
    }

    fn receive(&self, port: &MessagePort, message: FromFrame) {
        if let FromFrame::Hello(key_store) = message {
            self.accept_greeting(port, key_store);
        } else if self.port.borrow().as_ref() == Some(port) {
            match message {
                FromFrame::Nonces { session, nonces } => (self.on_nonces)(session, nonces),
                FromFrame::Answer { id, answer } => {
                    if let Some(waiting) = self.take_awaiting(id) {
                        // The task may be gone.
                        let _ = waiting.send(answer);
                    }
                }
                FromFrame::Hello(_) => {}
            }
        }
    }

    /// Uses the port on which the frame has greeted. Requests on an earlier port are lost with it.
    fn accept_greeting(&self, port: &MessagePort, key_store: KeyStoreState) {
        self.awaiting_answer.borrow_mut().clear();
        self.port.replace(Some(port.clone()));
        for waiting in self.awaiting_greeting.take() {
            let _ = waiting.send(key_store);
        }
        self.offered.borrow_mut().retain(|offered| &offered.port == port);
    }

    /// Sends a request, and waits for the answer.
    ///
    /// # Errors
    /// The frame's rejection, or [`ClientError::NoFrame`] when it does not answer.
    pub(crate) async fn request(&self, request: FrameRequest) -> Result<Answer, ClientError> {
        self.try_request(request).await?.map_err(ClientError::from)
    }

    /// Sends a request, and waits for the answer or the rejection.
    ///
    /// # Errors
    /// [`ClientError::NoFrame`] when the frame does not answer.
    pub(crate) async fn try_request(
        &self,
        request: FrameRequest,
    ) -> Result<Result<Answer, FrameRejection>, ClientError> {
        let port = self.connected().await?;
        let id = self.last_id.get().wrapping_add(1);
        self.last_id.set(id);
        let (sender, answer) = oneshot::channel();
        self.awaiting_answer.borrow_mut().push((id, sender));
        let text = serde_json::to_string(&ToFrame { id, request }).map_err(|_| ClientError::Malformed)?;
        port.post_message(&JsValue::from_str(&text)).map_err(|_| ClientError::NoFrame)?;
        if let Some(Ok(answer)) = within(ANSWER_TIMEOUT, answer).await {
            return Ok(answer);
        }
        // The frame was reloaded, or does not answer.
        self.take_awaiting(id);
        Err(ClientError::NoFrame)
    }

    fn take_awaiting(&self, id: u32) -> Option<AnswerSender> {
        let mut awaiting = self.awaiting_answer.borrow_mut();
        let at = awaiting.iter().position(|(of, _)| *of == id)?;
        Some(awaiting.swap_remove(at).1)
    }

    /// Waits until the frame has loaded and greeted.
    ///
    /// # Errors
    /// [`ClientError::NoFrame`] when it does not, [`ClientError::StorageBlocked`] when its key store is closed. Later the
    /// store may have opened: the frame tries again when it must sign.
    pub(crate) async fn connected(&self) -> Result<MessagePort, ClientError> {
        if self.port.borrow().is_none() {
            let (sender, greeted) = oneshot::channel();
            self.awaiting_greeting.borrow_mut().push(sender);
            until_activated().await;
            if let Some(Ok(KeyStoreState::Closed)) = within(LOAD_TIMEOUT, greeted).await {
                return Err(ClientError::StorageBlocked);
            }
        }
        self.port.borrow().clone().ok_or(ClientError::NoFrame)
    }
}

/// Waits until the user visits the page that the browser has prerendered. Until then it does not load frames of other origins
/// (Prerendering Revamped, "Deferred loading of cross-origin iframes").
async fn until_activated() {
    let is_prerendering =
        || js_sys::Reflect::get(&document(), &"prerendering".into()).is_ok_and(|flag| flag.is_truthy());
    if is_prerendering() {
        let (sender, activated) = oneshot::channel();
        let sender = Cell::new(Some(sender));
        let _listener = EventListener::once(&document(), "prerenderingchange", move |_| {
            if let Some(sender) = sender.take() {
                // The task may be gone.
                let _ = sender.send(());
            }
        });
        // An error means that the document is gone.
        let _ = activated.await;
    }
}
