//! The signing frame as a whole: who it belongs to, what it remembers, and how it answers.

use std::{cell::RefCell, rc::Rc};

use actions::CATALOGUE;
use js_sys::{JSON, Reflect};
use protocol::{
    json,
    message::{Answer, FrameRequest, FromFrame, KeyStoreState, Refusal, ToFrame},
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
use push::Listening;

/// All that lives as long as the frame's page.
pub(crate) struct Frame {
    /// The page's origin, as the server wrote it into the frame's page.
    app_origin: String,
    /// The sign origin's host, as its `Host` header says it.
    sign_authority: String,
    /// The line to the page.
    port: Port,
    /// The server's time.
    clock: Clock,
    /// What may be signed.
    policy: RefCell<Policy>,
    /// How exact the times of pushed frames must be, as the server wrote it into the frame's page.
    tolerance: Tolerance,
    /// The connection for pushed frames.
    listening: RefCell<Option<Listening>>,
}

impl Frame {
    /// Meets the page and answers it from then on. Never returns when the frame is not directly in a top-level page:
    /// `frame-ancestors` keeps other pages out already; that the parent is the top keeps the app's own page from being put
    /// in a frame.
    pub(crate) async fn run() -> Result<(), JsValue> {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let number = |name| meta(name)?.parse().map_err(|_| JsValue::NULL);
        let app_origin = meta("pan-app-origin")?;
        let tolerance = Tolerance { skew: number("pan-clock-skew")?, replay: number("pan-replay-window")? };
        let sign_authority = window.location().host()?;
        let parent = window.parent()?.ok_or(JsValue::NULL)?;
        if parent == window || window.top()?.as_ref() != Some(&parent) {
            return Err("PAN's frame works directly inside the application's page only".into());
        }
        let port = Port::claim(&window, &parent, &app_origin).await?;

        let frame = Rc::new(Self {
            app_origin,
            sign_authority,
            port,
            clock: Clock::default(),
            policy: RefCell::new(Policy::new(CATALOGUE)),
            tolerance,
            listening: RefCell::default(),
        });
        let listening = Rc::clone(&frame);
        frame.port.listen(move |text| {
            let frame = Rc::clone(&listening);
            spawn_local(async move { frame.answer(&text).await });
        });
        let vault = if KeyStore::open().await.is_ok() { KeyStoreState::Open } else { KeyStoreState::Closed };
        frame.port.say(&FromFrame::Hello(vault));
        Ok(())
    }

    /// `@authority` of the requests that the page sends.
    fn app_authority(&self) -> &str {
        authority(&self.app_origin)
    }

    async fn answer(&self, text: &str) {
        let (id, answer) = match json::read::<ToFrame>(text.as_bytes()) {
            Ok(ToFrame { id, ask }) => (id, self.act(ask).await),
            // An answer needs an id; what has none is not worth one.
            Err(_) => match id_of(text) {
                Some(id) => (id, Err(Refusal::Malformed)),
                None => return,
            },
        };
        self.port.say(&FromFrame::Answer { id, answer });
    }

    async fn act(&self, ask: FrameRequest) -> Result<Answer, Refusal> {
        match ask {
            FrameRequest::Sign(ask) if push::is_ours(&ask.path) => Err(Refusal::UnknownAction),
            FrameRequest::Sign(ask) => request::sign(self, &ask).await.map(Answer::Signed),
            FrameRequest::Forget { session } => {
                let store = KeyStore::open().await.map_err(|_| Refusal::VaultClosed)?;
                store.forget_frame_key(&session).await.map_err(|_| Refusal::VaultClosed)?;
                Ok(Answer::Done {})
            }
            FrameRequest::Agree { session, nonce, renew } => push::agree(self, session, nonce, renew).await,
            FrameRequest::Open { nonce, after } => push::open(self, nonce, after).await,
            FrameRequest::Hear { frame } => push::hear(self, &frame).await,
        }
    }
}

/// The id of a message that is otherwise not understood.
fn id_of(text: &str) -> Option<u32> {
    let id = Reflect::get(&JSON::parse(text).ok()?, &"id".into()).ok()?.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared with what it came from")]
    let whole = id as u32;
    (f64::from(whole).to_bits() == id.to_bits()).then_some(whole)
}
