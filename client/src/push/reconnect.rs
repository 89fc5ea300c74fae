//! Keeps a push connection open while the user is signed in and the page is visible, and delivers its messages.

use std::rc::Rc;

use futures::{
    StreamExt,
    future::{Either, select},
};
use gloo_timers::future::TimeoutFuture;
use protocol::{
    message::{Answer, FrameRejection, FrameRequest},
    problem::Code,
    push::{Payload, Push},
    token::SessionHandle,
};

use super::{
    backoff,
    connection::{self, Messages},
};
use crate::{
    clock::now,
    connection_state::{ConnectionState, Transport},
    error::ClientError,
    fetch,
    nonce_pool::MAX_AGE,
    tab::Tab,
};

/// After this time without a message a connection counts as broken: ms. The server sends a message every 15 s.
const SILENCE: u32 = 35_000;

/// How long to wait before the next attempt to renew the key: ms. The old key stays valid for two minutes.
const RENEW_RETRY: u64 = 15_000;

/// A connection that lasted this long resets the back-off: ms.
const STABLE: u64 = 30_000;

/// Runs for the life of the page.
pub(crate) async fn run(tab: Rc<Tab>) {
    let mut transport = Transport::preferred(fetch::http_version().as_deref());
    let mut failures = 0;
    loop {
        let Some(session) = wanted(&tab) else {
            tab.session.set_connection(ConnectionState::Off);
            failures = 0;
            tab.activity.changed.notified().await;
            continue;
        };
        if failures == 0 {
            tab.session.set_connection(ConnectionState::Connecting);
        }
        let mut connection = Connection { tab: &tab, session, transport, accepted: 0, renew_key_at: None };
        let began = now();
        let result = connection.run().await;
        if connection.accepted == 0 {
            // A proxy may pass only one transport. Both carry only signed messages.
            transport = transport.other();
        }
        let was_stable = connection.accepted > 0 && now().abs_diff(began) > STABLE;
        failures = if was_stable { 1 } else { failures + 1 };
        if wanted(&tab) != Some(session) {
            continue;
        }
        tab.session.set_connection(ConnectionState::Waiting);
        let retry_after = match result {
            Err(ClientError::RateLimited { seconds }) => seconds,
            _ => None,
        };
        let pause = TimeoutFuture::new(backoff::delay(failures, js_sys::Math::random(), retry_after));
        select(pause, Box::pin(tab.activity.changed.notified())).await;
    }
}

/// The session that needs a connection.
fn wanted(tab: &Tab) -> Option<SessionHandle> {
    tab.session.handle().filter(|_| tab.activity.may_connect())
}

/// One connection, from agreeing its key to its end.
struct Connection<'a> {
    tab: &'a Tab,
    session: SessionHandle,
    transport: Transport,
    /// How many messages were accepted.
    accepted: u64,
    /// When to agree the next key (Unix ms), if the server has asked for one.
    renew_key_at: Option<u64>,
}

impl Connection<'_> {
    /// Opens the connection and receives until it breaks or is not wanted any more.
    async fn run(&mut self) -> Result<(), ClientError> {
        // A WebSocket may wait for minutes for a proxy that accepts it and does not answer.
        let opening = select(Box::pin(open(self.tab, self.session, self.transport)), TimeoutFuture::new(SILENCE));
        let Some(Either::Left((opened, _))) = self.while_wanted(now(), opening).await else { return Ok(()) };
        let mut messages = opened?;
        loop {
            let next = select(messages.next(), TimeoutFuture::new(SILENCE));
            match self.while_wanted(now(), next).await {
                Some(Either::Left((Some(message), _))) => self.receive(message).await?,
                _ => return Ok(()),
            }
            if self.renew_key_at.is_some_and(|at| at <= now()) {
                // The server signs with the new key from now on, and the frame must know it before the next message. If only
                // the response is lost, the frame never does, and the connection breaks at that message.
                let agreed = agree_key(self.tab, self.session, true).await;
                self.renew_key_at = agreed.is_err().then(|| now() + RENEW_RETRY);
            }
        }
    }

    async fn receive(&mut self, message: String) -> Result<(), ClientError> {
        let answer = self.tab.frame()?.request(FrameRequest::Verify { message }).await?;
        let Answer::Verified { payload } = answer else { return Err(ClientError::NoFrame) };
        // A newer server may push messages that this page does not know. They are signed, and skipped.
        let Ok(payload) = serde_json::from_str::<Payload>(&payload) else { return Ok(()) };
        self.accepted += 1;
        self.tab.session.set_connection(ConnectionState::Live(self.transport));
        if matches!(payload.push, Push::Rekey { .. }) {
            self.renew_key_at = Some(0);
        }
        self.tab.subscribers.deliver(self.session, &payload);
        Ok(())
    }

    /// Awaits `work`. Stops when the connection is not wanted any more, or the device has slept since `began`.
    async fn while_wanted<T>(&self, began: u64, work: impl Future<Output = T> + Unpin) -> Option<T> {
        let unwanted = async {
            // Timers stop while a device sleeps; the clock does not.
            while wanted(self.tab) == Some(self.session) && now().abs_diff(began) < u64::from(SILENCE) {
                self.tab.activity.changed.notified().await;
            }
        };
        match select(work, Box::pin(unwanted)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

async fn open(tab: &Tab, session: SessionHandle, transport: Transport) -> Result<Messages, ClientError> {
    agree_key(tab, session, false).await?;
    connection::open(tab, session, transport).await
}

/// Makes the frame agree a key with the sign origin: the first one of a new connection, or the next one of the open connection.
async fn agree_key(tab: &Tab, session: SessionHandle, renew: bool) -> Result<(), ClientError> {
    let mut may_refresh = true;
    loop {
        let nonce = tab.nonce(session, MAX_AGE).await?;
        let answer = tab.frame()?.try_request(FrameRequest::Agree { session, nonce, renew }).await?;
        match answer {
            Ok(Answer::Agreed { nonces }) => {
                tab.keep_nonces(session, nonces);
                return Ok(());
            }
            Ok(_) => return Err(ClientError::NoFrame),
            Err(FrameRejection::OriginRejected(Code::UseFreshNonce | Code::NonceUsed))
                if std::mem::take(&mut may_refresh) =>
            {
                tab.nonces.clear();
            }
            Err(FrameRejection::OriginRejected(Code::InvalidSession)) => {
                // The frame does not pass on the reason. The app origin does, unless the session still exists there.
                tab.request_nonces(session).await?;
                return Err(ClientError::Unavailable);
            }
            Err(rejection) => {
                let error = ClientError::from(rejection);
                tab.apply_error(session, &error).await;
                return Err(error);
            }
        }
    }
}
