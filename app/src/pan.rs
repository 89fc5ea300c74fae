//! The browser half of PAN. It knows no page: give it any application.
//!
//! | module | does |
//! |---|---|
//! | [`client`] | [`Pan`](client::Pan), the client of server functions: signs what the catalogue protects, sends, retries |
//! | `exchange` | one signed request: nonce, signature, and what the reply says of the session |
//! | [`push`] | hears what the server pushes |
//! | [`frame`] | talks to the signing frame over a port |
//! | [`sheet`] | gives the frame the whole window while it asks the person |
//! | [`tracker`] | records how the person last clicked, as an interaction proof |
//! | [`interaction`] | what is recorded of a click, and the proof made of it; knows no browser |
//! | [`nonces`] | keeps the server's nonces |
//! | [`session`] | which session the page has, for components to follow |
//! | [`tabs`] | keeps the tabs of one browser of one mind |
//! | [`wire`] | sends one POST and reads its reply |
//! | `changed` | says that something has changed |
//!
//! A [`Tab`] is everything that one loaded page holds. It lives in the browser's only thread; on the server, where this
//! code compiles too so that a server function has one definition, there is none, and every call fails.

use std::{cell::OnceCell, rc::Rc};

use protocol::{
    message::{Answer, Ask},
    token::SessionHandle,
};

use wasm_bindgen_futures::spawn_local;

use crate::fault::Fault;

mod changed;
pub mod client;
mod exchange;
pub mod frame;
pub mod interaction;
pub mod nonces;
pub mod push;
pub mod session;
pub mod sheet;
pub mod tabs;
pub mod tracker;
pub mod wire;

use frame::Frame;
use nonces::Nonces;
use session::{Session, Standing};
use tabs::OtherTabs;
use tracker::Tracker;

thread_local! {
    static TAB: OnceCell<Rc<Tab>> = const { OnceCell::new() };
}

/// What a loaded page holds.
pub(crate) struct Tab {
    frame: Option<Rc<Frame>>,
    tracker: Tracker,
    nonces: Nonces,
    session: Session,
    push: push::Push,
    other_tabs: OtherTabs,
}

impl Tab {
    /// This page's.
    fn get() -> Result<Rc<Self>, Fault> {
        TAB.with(|tab| tab.get().cloned()).ok_or(Fault::Unverified)
    }

    /// The frame, or the sentence that says why there is none.
    fn frame(&self) -> Result<&Rc<Frame>, Fault> {
        self.frame.as_ref().ok_or(Fault::NoFrame)
    }

    /// The session stands like this from now on.
    fn stand(&self, standing: Standing) {
        self.session.set(standing);
        self.push.changed.tell();
    }

    /// That session cannot go on: its key is destroyed, its nonces are worthless, and the page is told.
    async fn end(&self, session: SessionHandle, standing: Standing) {
        // Another tab may have signed in meanwhile; then only the old key goes.
        if self.session.handle() == Some(session) {
            self.nonces.clear();
            self.stand(standing);
        }
        if let Ok(frame) = self.frame() {
            // The key of an ended session opens nothing: failing to destroy it is no reason to say more.
            let _ = frame.ask(Ask::Forget { session }).await;
        }
    }
}

/// Starts in the browser, once, before the page is hydrated: listens to the person, looks for the frame.
pub fn start(session: Session) {
    let other_tabs = OtherTabs::join(|handle| {
        if let Ok(tab) = Tab::get() {
            tab.nonces.clear();
            tab.stand(handle.map_or(Standing::Out, Standing::In));
        }
    });
    let tab = Rc::new(Tab {
        frame: Frame::find(),
        tracker: Tracker::start(),
        nonces: Nonces::default(),
        session,
        push: push::Push::default(),
        other_tabs,
    });
    push::Push::watch(&tab);
    spawn_local(push::run(Rc::clone(&tab)));
    TAB.with(|slot| {
        // Only ever filled once: the browser hydrates a page once.
        let _ = slot.set(tab);
    });
}

/// Binds a fresh key to the session that signing in has just opened. Then the page is signed in.
///
/// # Errors
/// Why the frame did not.
pub async fn bind() -> Result<(), Fault> {
    let tab = Tab::get()?;
    let asked = async { tab.frame()?.ask(Ask::Bind {}).await };
    match tab.session.busy_while(asked).await? {
        Answer::Bound { session, nonces } => {
            tab.nonces.clear();
            tab.nonces.put(nonces, now());
            tab.stand(Standing::In(session));
            tab.other_tabs.tell(Some(session));
            Ok(())
        }
        Answer::Signed(_) | Answer::Written { .. } | Answer::Heard { .. } | Answer::Done {} => Err(Fault::NoFrame),
    }
}

/// Forgets the session that signing out has just ended, here and in the other tabs.
///
/// # Errors
/// [`Fault::Unverified`] on the server.
pub async fn forget() -> Result<(), Fault> {
    let tab = Tab::get()?;
    match tab.session.handle() {
        Some(session) => tab.end(session, Standing::Out).await,
        None => tab.stand(Standing::Out),
    }
    tab.other_tabs.tell(None);
    Ok(())
}

/// The device's clock: Unix time in ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock is positive and below 2^53")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}
