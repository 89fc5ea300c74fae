//! Keeps a connection open for as long as somebody is signed in and looks, and hears it.

use std::rc::Rc;

use futures::{
    StreamExt,
    future::{Either, select},
};
use gloo_timers::future::TimeoutFuture;
use protocol::{
    message::{Answer, FrameRequest, Refusal},
    problem::Code,
    push::{Payload, Push},
    token::SessionHandle,
};

use super::{
    State, Transport, backoff,
    connection::{self, Line},
};
use crate::{
    error::AppError,
    pan::{Tab, nonces::LIFE, now},
};

/// A connection that says nothing for this time is dead: ms. The server says something every 15 s.
const SILENCE: u32 = 35_000;

/// How long to wait before the next key is asked for again: ms. The old one is good for two minutes more.
const RENEW_AGAIN: u64 = 15_000;

/// A connection that lived this long was a good one: ms.
const GOOD: u64 = 30_000;

/// Runs for the life of the page.
pub(in crate::pan) async fn run(tab: Rc<Tab>) {
    let mut transport = Transport::first();
    let mut failures = 0;
    loop {
        let Some(session) = wanted(&tab) else {
            tab.session.set_push(State::Off);
            failures = 0;
            tab.push.changed.next().await;
            continue;
        };
        if failures == 0 {
            tab.session.set_push(State::Opening);
        }
        let mut conversation = Conversation { tab: &tab, session, transport, heard: 0, wants_key: None };
        let began = now();
        let over = conversation.hold().await;
        if conversation.heard == 0 {
            // Perhaps something on the way takes the one and not the other. Neither is ever unsigned.
            transport = transport.other();
        }
        let was_good = conversation.heard > 0 && now().abs_diff(began) > GOOD;
        failures = if was_good { 1 } else { failures + 1 };
        if wanted(&tab) != Some(session) {
            continue;
        }
        tab.session.set_push(State::Waiting);
        let told = match over {
            Err(AppError::RateLimited { seconds }) => seconds,
            _ => None,
        };
        let pause = TimeoutFuture::new(backoff::wait(failures, js_sys::Math::random(), told));
        select(pause, Box::pin(tab.push.changed.next())).await;
    }
}

/// The session that there should be a connection for.
fn wanted(tab: &Tab) -> Option<SessionHandle> {
    tab.session.handle().filter(|_| tab.push.may_connect())
}

/// One connection, from its key to its end.
struct Conversation<'a> {
    tab: &'a Tab,
    session: SessionHandle,
    transport: Transport,
    /// How many frames were believed.
    heard: u64,
    /// The server has asked for the next key, and has none yet: when to agree it.
    wants_key: Option<u64>,
}

impl Conversation<'_> {
    /// Opens it and hears it until it breaks, or nobody wants it any more.
    async fn hold(&mut self) -> Result<(), AppError> {
        // A socket may wait for minutes for something on the way that takes it and says nothing.
        let opening = select(Box::pin(open(self.tab, self.session, self.transport)), TimeoutFuture::new(SILENCE));
        let Some(Either::Left((opened, _))) = self.unless_left(now(), opening).await else { return Ok(()) };
        let mut line = opened?;
        loop {
            let next = select(line.next(), TimeoutFuture::new(SILENCE));
            match self.unless_left(now(), next).await {
                Some(Either::Left((Some(frame), _))) => self.hear(frame).await?,
                _ => return Ok(()),
            }
            if self.wants_key.is_some_and(|at| at <= now()) {
                // Once it is agreed the server signs with it, and the frame must know it before it hears that. Was only the
                // answer lost, it never will, and the connection breaks at the next frame.
                let agreed = agree(self.tab, self.session, true).await;
                self.wants_key = agreed.is_err().then(|| now() + RENEW_AGAIN);
            }
        }
    }

    async fn hear(&mut self, frame: String) -> Result<(), AppError> {
        let Answer::Heard { payload } = self.tab.frame()?.ask(FrameRequest::Hear { frame }).await? else {
            return Err(AppError::NoFrame);
        };
        // A server of a later version may push what this page does not know. It was signed, and is passed over.
        let Ok(payload) = serde_json::from_str::<Payload>(&payload) else { return Ok(()) };
        self.heard += 1;
        self.tab.session.set_push(State::Live(self.transport));
        if matches!(payload.push, Push::Rekey { .. }) {
            self.wants_key = Some(0);
        }
        self.tab.push.tell(self.session, &payload);
        Ok(())
    }

    /// Waits for some work, unless nobody wants the connection any more, or the device has slept since `began`.
    async fn unless_left<T>(&self, began: u64, work: impl Future<Output = T> + Unpin) -> Option<T> {
        let left = async {
            // Timers stand still while a device sleeps; the clock on the wall does not.
            while wanted(self.tab) == Some(self.session) && now().abs_diff(began) < u64::from(SILENCE) {
                self.tab.push.changed.next().await;
            }
        };
        match select(work, Box::pin(left)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

async fn open(tab: &Tab, session: SessionHandle, transport: Transport) -> Result<Line, AppError> {
    agree(tab, session, false).await?;
    connection::open(tab, session, transport).await
}

/// Has the frame agree a key with its own origin: the first one of a new connection, or the next one of this.
async fn agree(tab: &Tab, session: SessionHandle, renew: bool) -> Result<(), AppError> {
    let mut may_refresh = true;
    loop {
        let nonce = tab.nonce(session, LIFE).await?;
        let answer = tab.frame()?.try_ask(FrameRequest::Agree { session, nonce, renew }).await?;
        match answer {
            Ok(Answer::Agreed { nonces }) => {
                tab.keep_nonces(session, nonces);
                return Ok(());
            }
            Ok(_) => return Err(AppError::NoFrame),
            Err(Refusal::OriginRejected(Code::UseFreshNonce)) if std::mem::take(&mut may_refresh) => tab.nonces.clear(),
            Err(Refusal::OriginRejected(Code::InvalidSession)) => {
                // The frame does not say why; the app origin does, and may know the session all the same.
                tab.refill(session).await?;
                return Err(AppError::Unavailable);
            }
            Err(refusal) => {
                let error = AppError::from(refusal);
                tab.heed_fault(session, &error).await;
                return Err(error);
            }
        }
    }
}
