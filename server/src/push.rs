//! Jitterbug: signed push messages from the server to the pages (docs/PROTOCOL.md §9).
//!
//! | module | responsibility |
//! |---|---|
//! | `keys` | key agreement with the signing frame, and signatures of push messages |
//! | `hub` | the open connections; follows the event log and delivers its events |
//! | `connection` | one connection: orders, numbers, signs and rate-limits its messages |
//! | `queue` | the messages that wait for a connection, with an overflow policy per topic |
//! | `token_bucket` | the rate limit of a connection |
//! | `transport` | event stream and WebSocket |
//! | `telemetry` | load of the server process and user activity |
//!
//! An event goes into the store's event log first. Every server reads it from there and signs it for its own
//! connections. So all pages see the same events in the same order, and a page that reconnects resumes at its cursor.
//! An unsigned push message cannot be sent.

use axum::{Json, Router, extract::State, response::Response, routing::get};
use protocol::{
    built_in::{PushKeys, PushStream},
    push::{AgreedKey, Push, SOCKET},
    token::SessionHandle,
};

mod connection;
mod hub;
mod keys;
mod message_stream;
mod queue;
mod telemetry;
mod token_bucket;
mod transport;

use connection::CloseReason;
use hub::HubError;
use message_stream::MessageStream;

pub(crate) use hub::Hub;
pub(crate) use keys::Root;
pub(crate) use telemetry::start as start_telemetry;

use crate::{
    Server, Verified,
    audit::{Event, Outcome},
    model::UserId,
    rejection::Rejection,
    settings::per_minute,
    store::UserEvent,
};

impl Server {
    /// Publishes an event to all open pages of a user, and to pages that reconnect later.
    ///
    /// The event is in the store's event log when this returns. An error is only logged.
    ///
    /// ```no_run
    /// # async fn example(server: server::Server, request: server::VerifiedRequest) {
    /// use protocol::push::Push;
    /// let session = Some(*request.session());
    /// server.publish(request.user(), Push::Activity { action: "rename".into(), session, note: "Ada".into() }).await;
    /// # }
    /// ```
    pub async fn publish(&self, user: &UserId, push: Push) {
        if !keys::fits(&push) {
            tracing::error!(topic = ?push.topic(), "push message is too long and is not sent");
            return;
        }
        let event = UserEvent { user: user.clone(), push };
        if let Err(error) = self.stores().event_log.publish(&event, self.settings().push.keep, self.now()).await {
            // A failed notification must not fail the action that it reports.
            tracing::error!(%error, "event could not be published");
        }
    }

    /// Number of open push connections on this server.
    pub fn push_connections(&self) -> usize {
        self.hub().size().0
    }
}

/// Times the encoding of `count` push messages, with or without their signatures. For `examples/fanout.rs`.
#[doc(hidden)]
pub fn measure(count: u32, signed: bool) -> std::time::Duration {
    keys::measure(count, signed)
}

/// The WebSocket's route: a GET that the page authenticates only after the upgrade.
pub(crate) fn router(server: Server) -> Router {
    Router::new().route(SOCKET, get(transport::socket)).with_state(server)
}

/// `POST /api/jitterbug/keys` on the sign origin. The signing frame sends it, so page script cannot forge the response.
pub(crate) async fn agree_keys(
    State(server): State<Server>,
    request: Verified<PushKeys>,
) -> Result<Json<AgreedKey>, Rejection> {
    let PushKeys { key, conn } = request.action();
    let limit = per_minute(server.settings().push.keys_per_minute);
    server.count("push_keys", format!("push_keys:{}", request.session()), limit).await?;
    Ok(Json(server.hub().agree(request.session(), request.user(), *conn, key)?))
}

/// `POST /api/jitterbug/stream`: opens a push connection as an event stream.
pub(crate) async fn stream(State(server): State<Server>, request: Verified<PushStream>) -> Result<Response, Rejection> {
    let messages = open(&server, &request).await?;
    Ok(transport::stream(server, messages))
}

/// Opens the push connection of a verified request.
async fn open(server: &Server, request: &Verified<PushStream>) -> Result<MessageStream, Rejection> {
    let action = request.action();
    if action.after.is_some() {
        // Resuming reads the event log.
        let limit = per_minute(server.settings().push.resumes_per_minute_and_user);
        server.count("push_resumes", format!("push_resumes:{}", request.user()), limit).await?;
    }
    if let Some(rejected) = action.rejected {
        // The signing frame rejected a message: it was altered on the way, or a clock is wrong.
        record(server, request.session(), request.user(), "push_rejected", rejected.name());
    }
    Ok(server.hub().open(*request.session(), request.session_state(), action).await?)
}

/// Logs the end of a connection, and records it in the audit log if the server closed it.
fn record_close(server: &Server, messages: &MessageStream, reason: CloseReason) {
    let connection = messages.connection();
    let lost = connection.lost();
    tracing::debug!(session = %connection.session, reason = reason.name(), lost, "push connection closed");
    if matches!(reason, CloseReason::Disconnected | CloseReason::ShuttingDown | CloseReason::EventLogLost) {
        return;
    }
    record(server, &connection.session, &connection.user, "push_ended", reason.name());
}

fn record(server: &Server, session: &SessionHandle, user: &UserId, action: &'static str, reason: &'static str) {
    server.record(Event {
        session: Some(*session),
        user: Some(user.clone()),
        action: action.into(),
        outcome: Outcome::Noticed,
        reason: Some(reason.into()),
    });
}

impl From<HubError> for Rejection {
    fn from(error: HubError) -> Self {
        match error {
            HubError::TooMany => Self::TooManyConnections,
            HubError::NoKey | HubError::Key(keys::KeyError::Unknown) => Self::NoPushKey,
            HubError::Key(keys::KeyError::BadPoint) => Self::BadKey,
            HubError::Key(keys::KeyError::Randomness(error)) => Self::Randomness(error),
            HubError::Key(error) => Self::Store(crate::store::StoreError(Box::new(error))),
            HubError::Store(error) => Self::Store(error),
        }
    }
}
