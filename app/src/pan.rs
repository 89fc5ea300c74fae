//! The browser half of PAN. It knows no page: give it any application.
//!
//! | module | does |
//! |---|---|
//! | [`client`] | [`SignedClient`](client::SignedClient), the client of server functions: signs what the catalogue protects, sends, retries |
//! | `exchange` | one signed request: nonce, signature, and what the reply says of the session |
//! | [`confirmation`] | opens the confirmation window and awaits it |
//! | [`redirect`] | the same in browsers that open no windows |
//! | [`push`] | hears what the server pushes |
//! | [`frame`] | talks to the signing frame over a port |
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

use actions::CATALOGUE;
use gloo_events::EventListener;
use leptos::prelude::{document, window};
use protocol::{action::Action, built_in::RestoreBrowser, message::FrameRequest, token::SessionHandle};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::PageTransitionEvent;

use crate::error::AppError;

pub mod client;
pub mod confirmation;
pub mod fetch;
pub mod frame;
pub mod interaction;
pub mod interaction_recorder;
pub mod nonces;
mod notify;
pub mod push;
pub mod redirect;
pub mod session;
mod signed_request;
pub mod tab_sync;

use confirmation::Confirmation;
use frame::Frame;
use interaction_recorder::InteractionRecorder;
use nonces::Nonces;
use session::{Session, SessionState};
use tab_sync::TabSync;

thread_local! {
    static TAB: OnceCell<Rc<Tab>> = const { OnceCell::new() };
}

/// What a loaded page holds.
pub(crate) struct Tab {
    frame: Option<Rc<Frame>>,
    tracker: InteractionRecorder,
    nonces: Nonces,
    session: Session,
    push: push::Push,
    confirmation: Confirmation,
    typed: redirect::Typed,
    other_tabs: TabSync,
}

impl Tab {
    /// This page's.
    fn get() -> Result<Rc<Self>, AppError> {
        TAB.with(|tab| tab.get().cloned()).ok_or(AppError::Unverified)
    }

    /// The frame, or the sentence that says why there is none.
    fn frame(&self) -> Result<&Rc<Frame>, AppError> {
        self.frame.as_ref().ok_or(AppError::NoFrame)
    }

    /// The session stands like this from now on.
    fn stand(&self, state: SessionState) {
        self.session.set(state);
        self.push.changed.tell();
    }

    /// Another tab has signed in or out: this one follows.
    fn follow(&self, session: Option<SessionHandle>) {
        if self.session.handle() != session {
            self.nonces.clear();
            self.stand(session.map_or(SessionState::Out, SessionState::In));
        }
    }

    /// That session cannot go on: its key is destroyed, its nonces are worthless, and the page is told.
    async fn end(&self, session: SessionHandle, state: SessionState) {
        // Another tab may have signed in meanwhile; then only the old key goes.
        let own = self.session.handle().or_else(|| self.session.to_restore().map(|(session, _)| session));
        if own == Some(session) {
            self.nonces.clear();
            self.stand(state);
            TabSync::note_end();
        }
        if let Ok(frame) = self.frame() {
            // The key of an ended session opens nothing: failing to destroy it is no reason to say more.
            let _ = frame.ask(FrameRequest::Forget { session }).await;
        }
    }
}

/// Starts in the browser, once, before the page is hydrated: listens to the person, looks for the frame.
pub fn start(session: Session) {
    let other_tabs = TabSync::join(|handle| {
        if let Ok(tab) = Tab::get() {
            tab.follow(handle);
        }
    });
    // Others may still show the session that was here before the user signed in. Without a change nothing is said: a
    // message drops pages from the back/forward cache.
    if TabSync::last() != Some(session.handle()) {
        other_tabs.tell(session.handle());
    }
    let tab = Rc::new(Tab {
        frame: Frame::find(),
        tracker: InteractionRecorder::start(),
        nonces: Nonces::default(),
        session,
        push: push::Push::default(),
        confirmation: Confirmation::default(),
        typed: redirect::Typed::default(),
        other_tabs,
    });
    push::Push::watch(&tab);
    watch_returns(&tab);
    redirect::come_back(&tab);
    spawn_local(push::run(Rc::clone(&tab)));
    TAB.with(|slot| {
        // Only ever filled once: the browser hydrates a page once.
        let _ = slot.set(tab);
    });
}

/// A page that comes back from the browser's cache, or is looked at again, may have missed that the session has changed.
fn watch_returns(tab: &Rc<Tab>) {
    let catch_up = |tab: &Tab| {
        if let Some(session) = TabSync::last() {
            tab.follow(session);
        }
    };
    let shown = Rc::clone(tab);
    EventListener::new(&window(), "pageshow", move |event| {
        if event.unchecked_ref::<PageTransitionEvent>().persisted() {
            confirmation::cancel();
            catch_up(&shown);
        }
    })
    .forget();
    let seen = Rc::clone(tab);
    EventListener::new(&document(), "visibilitychange", move |_| {
        if !document().hidden() {
            catch_up(&seen);
        }
    })
    .forget();
}

/// Replaces the key that the signing frame has lost by its new one, once the user has confirmed it. Call it in a click.
///
/// # Errors
/// Why it was not replaced.
pub async fn restore_browser() -> Result<(), AppError> {
    let tab = Tab::get()?;
    let (session, key) = tab.session.to_restore().ok_or_else(|| tab.session.absence())?;
    let entry = CATALOGUE.at(RestoreBrowser::PATH).ok_or(AppError::Malformed)?;
    let body = serde_json::to_string(&RestoreBrowser { key }).map_err(|_| AppError::Malformed)?;
    let reply = client::Call { tab: Rc::clone(&tab), session, entry, body }.make().await?;
    reply.accepted()?;
    tab.stand(SessionState::In(session));
    tab.other_tabs.tell(Some(session));
    Ok(())
}

/// Forgets the session that signing out has just ended, here and in the other tabs.
///
/// # Errors
/// [`AppError::Unverified`] on the server.
pub async fn forget() -> Result<(), AppError> {
    let tab = Tab::get()?;
    match tab.session.handle() {
        Some(session) => tab.end(session, SessionState::Out).await,
        None => tab.stand(SessionState::Out),
    }
    tab.other_tabs.tell(None);
    Ok(())
}

/// The device's clock: Unix time in ms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock is positive and below 2^53")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}
