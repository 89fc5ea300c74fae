//! Jitterbug: tells the pages what happens, and signs all of it (docs/PROTOCOL.md §9).
//!
//! | module | does |
//! |---|---|
//! | `keys` | agrees a connection's key with its frame, and signs frames |
//! | `hub` | knows the open connections; follows the log of events and tells them |
//! | `connection` | one connection: what comes next, signed, numbered, never too fast |
//! | `queue` | what waits for a connection, with a policy for each topic |
//! | `bucket` | how fast |
//! | `transport` | event stream and WebSocket |
//! | `sources` | what the server says of itself |
//!
//! An event goes into the store's log first, and from there to the connections of every server, each of which signs for
//! its own. So all see the same events in the same order, and a page that was away goes on from its place in the log.
//! There is no way to send a frame that is not signed.

use axum::{Json, Router, extract::State, response::Response, routing::get};
use protocol::{
    built_in::{PushKeys, PushStream},
    push::{AgreedKey, Push, SOCKET},
    token::SessionHandle,
    user::UserName,
};

mod connection;
mod hub;
mod keys;
mod queue;
mod telemetry;
mod token_bucket;
mod transport;

use connection::{CloseReason, MessageStream};
use hub::HubError;

pub(crate) use hub::Hub;
pub(crate) use keys::Root;
pub(crate) use telemetry::start as start_sources;

use crate::{
    Server, Verified,
    audit::{Event, Outcome},
    rejection::Rejection,
    settings::per_minute,
    store::UserEvent,
};

impl Server {
    /// Tells a user something, on all their open pages and on those that come back. It is in the log when this returns.
    ///
    /// ```no_run
    /// # async fn example(server: server::Server, request: server::VerifiedRequest) {
    /// use protocol::push::Push;
    /// let session = Some(*request.session());
    /// server.publish(request.user(), Push::Activity { action: "rename".into(), session, note: "Ada".into() }).await;
    /// # }
    /// ```
    pub async fn publish(&self, user: &UserName, push: Push) {
        if !keys::fits(&push) {
            tracing::error!(topic = ?push.topic(), "a push is too long for a frame, and is not sent");
            return;
        }
        let news = UserEvent { user: user.clone(), push };
        if let Err(error) = self.stores().event_log.publish(&news, self.settings().push.keep, self.now()).await {
            // What happened has happened; that it is not told must not undo it.
            tracing::error!(%error, "an event could not be published");
        }
    }

    /// How many push connections are open on this server.
    pub fn push_connections(&self) -> usize {
        self.hub().size().0
    }
}

/// For `examples/fanout.rs`: how long it takes to make so many frames, or their texts without signing them.
#[doc(hidden)]
pub fn measure(frames: u32, signed: bool) -> std::time::Duration {
    keys::measure(frames, signed)
}

/// The socket's route, which is a GET and says who asks only after it is open.
pub(crate) fn router(server: Server) -> Router {
    Router::new().route(SOCKET, get(transport::socket)).with_state(server)
}

/// `POST /api/jitterbug/keys` on the sign origin: the frame asks by itself, so page script cannot answer for the server.
pub(crate) async fn agree_keys(
    State(server): State<Server>,
    request: Verified<PushKeys>,
) -> Result<Json<AgreedKey>, Rejection> {
    let PushKeys { key, conn } = request.action();
    let limit = per_minute(server.settings().push.keys_per_minute);
    server.count("push_keys", &format!("push_keys:{}", request.session()), limit).await?;
    Ok(Json(server.hub().agree(request.session(), *conn, key)?))
}

/// `POST /api/jitterbug/stream`: a push connection as an event stream.
pub(crate) async fn stream(State(server): State<Server>, request: Verified<PushStream>) -> Result<Response, Rejection> {
    let messages = open(&server, &request).await?;
    Ok(transport::stream(server, messages))
}

/// Opens the connection that a verified request asks for.
async fn open(server: &Server, request: &Verified<PushStream>) -> Result<MessageStream, Rejection> {
    let asked = request.action();
    if let Some(rejected) = asked.rejected {
        // Something between server and frame changes messages, or a clock is wrong.
        note(server, request.session(), request.user(), "push_rejected", rejected.name());
    }
    Ok(server.hub().open(*request.session(), request.session_state(), asked).await?)
}

/// Puts the end of a connection on record.
fn note_over(server: &Server, outlet: &MessageStream, over: CloseReason) {
    let connection = outlet.connection();
    let lost = connection.lost();
    tracing::debug!(session = %connection.session, over = over.name(), lost, "a push connection is over");
    if matches!(over, CloseReason::Gone | CloseReason::Stopping | CloseReason::Lost) {
        return;
    }
    note(server, &connection.session, &connection.user, "push_ended", over.name());
}

fn note(server: &Server, session: &SessionHandle, user: &UserName, action: &'static str, reason: &'static str) {
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
