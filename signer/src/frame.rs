//! The signing frame: its state, and how it answers the page's requests.

use std::{cell::RefCell, rc::Rc};

use actions::CATALOGUE;
use js_sys::{JSON, Reflect};
use protocol::{
    json,
    message::{Answer, FrameRejection, FrameRequest, FromFrame, KeyStoreState, ToFrame},
    push::Tolerance,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::{authority, clock::Clock, key_store::KeyStore, meta, port::Port};

mod bind;
mod ecdh;
mod policy;
mod push;
mod request;

use policy::Policy;
use push::PushConnection;

/// State of the signing frame. It lives as long as the frame's document.
pub(crate) struct Frame {
    /// The app origin, from the frame document's `pan-app-origin` meta element.
    app_origin: String,
    /// Host and port of the sign origin, as in its `Host` header.
    sign_authority: String,
    /// The message port to the page.
    port: Port,
    /// The estimate of the server's clock.
    clock: Clock,
    /// Decides what may be signed.
    policy: RefCell<Policy>,
    /// Time tolerances for push messages, from the frame document's meta elements.
    tolerance: Tolerance,
    /// The push connection, if the page has requested one.
    push: RefCell<Option<PushConnection>>,
}

impl Frame {
    /// Connects to the page and answers its requests.
    ///
    /// `frame-ancestors` already limits the frame to pages of the app origin. The check that the parent is the
    /// top-level page also rejects an application page that is itself in a frame.
    ///
    /// # Errors
    /// When the frame is not directly inside a top-level page, or its document lacks a meta element.
    pub(crate) async fn run() -> Result<(), JsValue> {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let number = |name| meta(name)?.parse().map_err(|_| JsValue::NULL);
        let app_origin = meta("pan-app-origin")?;
        let tolerance = Tolerance { skew: number("pan-clock-skew")?, replay: number("pan-replay-window")? };
        let sign_authority = window.location().host()?;
        let parent = window.parent()?.ok_or(JsValue::NULL)?;
        if parent == window || window.top()?.as_ref() != Some(&parent) {
            return Err("PAN's frame works only directly inside the application's page".into());
        }
        let port = Port::claim(&window, &parent, &app_origin).await?;

        let frame = Rc::new(Self {
            app_origin,
            sign_authority,
            port,
            clock: Clock::default(),
            policy: RefCell::new(Policy::new(CATALOGUE)),
            tolerance,
            push: RefCell::default(),
        });
        let for_port = Rc::clone(&frame);
        frame.port.listen(move |text| {
            let frame = Rc::clone(&for_port);
            spawn_local(async move { frame.answer(&text).await });
        });
        let state = if KeyStore::open().await.is_ok() { KeyStoreState::Open } else { KeyStoreState::Closed };
        frame.port.send(&FromFrame::Hello(state));
        Ok(())
    }

    /// The `@authority` of requests that the page sends.
    fn app_authority(&self) -> &str {
        authority(&self.app_origin)
    }

    async fn answer(&self, text: &str) {
        let (id, answer) = match json::read::<ToFrame>(text.as_bytes()) {
            Ok(ToFrame { id, request }) => (id, self.execute(request).await),
            // An answer needs an id, so a message without one gets no answer.
            Err(_) => match id_of(text) {
                Some(id) => (id, Err(FrameRejection::Malformed)),
                None => return,
            },
        };
        self.port.send(&FromFrame::Answer { id, answer });
    }

    async fn execute(&self, request: FrameRequest) -> Result<Answer, FrameRejection> {
        match request {
            FrameRequest::Sign(request) if push::is_frame_only(&request.path) => Err(FrameRejection::UnknownAction),
            FrameRequest::Sign(request) => request::sign(self, &request).await.map(Answer::Signed),
            FrameRequest::Forget { session } => {
                let store = KeyStore::open().await.map_err(|_| FrameRejection::KeyStoreClosed)?;
                store.forget_frame_key(&session).await.map_err(|_| FrameRejection::KeyStoreClosed)?;
                Ok(Answer::Done {})
            }
            FrameRequest::Agree { session, nonce, renew } => push::agree(self, session, nonce, renew).await,
            FrameRequest::Open { nonce, after } => push::open(self, nonce, after).await,
            FrameRequest::Verify { message } => push::verify_message(self, &message).await,
        }
    }
}

/// The id of a message that is malformed in other respects.
fn id_of(text: &str) -> Option<u32> {
    let id = Reflect::get(&JSON::parse(text).ok()?, &"id".into()).ok()?.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared with the original below")]
    let whole = id as u32;
    (f64::from(whole).to_bits() == id.to_bits()).then_some(whole)
}
