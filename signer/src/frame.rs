//! The frame as a whole: who it belongs to, what it remembers, and how it answers.

use std::{cell::RefCell, rc::Rc};

use js_sys::{JSON, Reflect};
use protocol::{
    json,
    message::{Answer, Ask, FromFrame, Refusal, ToFrame, Vault as VaultState},
    push::Tolerance,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::{
    bind::bind,
    clock::Clock,
    dialog::Dialog,
    policy::Policy,
    port::Port,
    push::{self, Listening},
    sign::sign,
    vault::Vault,
};

/// All that lives as long as the frame's page.
pub(crate) struct Frame {
    /// The page's origin, as the server wrote it into the frame's page.
    app_origin: String,
    /// The sign origin's host, as its `Host` header says it.
    authority: String,
    /// The line to the page.
    pub(crate) port: Port,
    /// The server's time.
    pub(crate) clock: Clock,
    /// What may be signed.
    pub(crate) policy: RefCell<Policy>,
    /// Where a person confirms.
    pub(crate) dialog: Rc<Dialog>,
    /// How exact the times of pushed frames must be, as the server wrote it into the frame's page.
    pub(crate) tolerance: Tolerance,
    /// The connection for pushed frames.
    pub(crate) listening: RefCell<Option<Listening>>,
}

impl Frame {
    /// Meets the page and answers it from then on.
    pub(crate) async fn run() -> Result<(), JsValue> {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let document = window.document().ok_or(JsValue::NULL)?;
        let meta = |name: &str| {
            let meta = document.query_selector(&["meta[name=", name, "]"].concat())?;
            meta.and_then(|meta| meta.get_attribute("content")).ok_or(JsValue::NULL)
        };
        let number = |name| meta(name)?.parse().map_err(|_| JsValue::NULL);
        let app_origin = meta("pan-app-origin")?;
        let tolerance = Tolerance { skew: number("pan-clock-skew")?, replay: number("pan-replay-window")? };
        let dialog = Rc::new(Dialog::find(&document).ok_or(JsValue::NULL)?);
        let authority = window.location().host()?;
        let port = Port::claim(&window, &app_origin).await?;

        let frame = Rc::new(Self {
            app_origin,
            authority,
            port,
            clock: Clock::default(),
            policy: RefCell::default(),
            dialog,
            tolerance,
            listening: RefCell::default(),
        });
        let listening = Rc::clone(&frame);
        frame.port.listen(move |text| {
            let frame = Rc::clone(&listening);
            spawn_local(async move { frame.answer(&text).await });
        });
        let vault = if Vault::open().await.is_ok() { VaultState::Open } else { VaultState::Closed };
        frame.port.say(&FromFrame::Hello(vault));
        Ok(())
    }

    /// The page's host, and port unless it is the default: `@authority` of every request that the frame signs.
    pub(crate) fn app_authority(&self) -> &str {
        // An origin has no path: what follows its last slash. (A search for "://" would weigh 3 KB.)
        self.app_origin.rsplit_once('/').map_or("", |(_scheme, authority)| authority)
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

    async fn act(&self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Bind {} => bind(&self.authority, &self.clock).await,
            Ask::Sign(ask) if push::is_ours(&ask.path) => Err(Refusal::UnknownAction),
            Ask::Sign(ask) => sign(self, &ask).await.map(Answer::Signed),
            Ask::Forget { session } => {
                let vault = Vault::open().await.map_err(|_| Refusal::VaultClosed)?;
                vault.forget(&session).await.map_err(|_| Refusal::VaultClosed)?;
                Ok(Answer::Done {})
            }
            Ask::Agree { session, nonce, renew } => push::agree(self, session, nonce, renew).await,
            Ask::Agreed(key) => push::agreed(self, key).await,
            Ask::Open { nonce, after } => push::open(self, nonce, after).await,
            Ask::Hear { frame } => push::hear(self, &frame).await,
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
