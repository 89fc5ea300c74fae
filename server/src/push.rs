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

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use protocol::{
    action::{self, Action, Entry},
    catalogue::{PushKeys, PushStream},
    push::{Push, SOCKET},
    token::SessionHandle,
    value::UserName,
};

mod bucket;
mod connection;
mod hub;
mod keys;
mod queue;
mod sources;
mod transport;

use connection::{Outlet, Over};
use hub::HubError;

pub(crate) use hub::Hub;
pub(crate) use keys::Root;
pub(crate) use sources::start as start_sources;

use crate::{
    Pan, VerifiedRequest,
    audit::{Event, Outcome},
    refusal::Reason,
    settings::per_minute,
    store::{News, Session},
};

impl Pan {
    /// Tells a user something, on all their open pages and on those that come back. It is in the log when this returns.
    ///
    /// ```no_run
    /// # async fn example(pan: server::Pan, request: server::VerifiedRequest) {
    /// use protocol::push::Push;
    /// let session = Some(*request.session());
    /// pan.publish(request.user(), Push::Activity { action: "rename".into(), session, note: "Ada".into() }).await;
    /// # }
    /// ```
    pub async fn publish(&self, user: &UserName, push: Push) {
        if !keys::fits(&push) {
            tracing::error!(topic = ?push.topic(), "a push is too long for a frame, and is not sent");
            return;
        }
        let news = News { user: user.clone(), push };
        if let Err(error) = self.store().publish(&news, self.settings().push.keep, self.now()).await {
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
pub(crate) fn router(pan: Pan) -> Router {
    Router::new().route(SOCKET, get(transport::socket)).with_state(pan)
}

/// Whether an action is what a page does by itself to go on listening, which is no use of the session by a person.
pub(crate) fn is_housekeeping(entry: &Entry) -> bool {
    entry.path == PushKeys::PATH || entry.path == PushStream::PATH
}

/// Answers a verified [`PushKeys`].
pub(crate) async fn agree(pan: &Pan, request: &VerifiedRequest, body: &[u8]) -> Result<Response, Reason> {
    let PushKeys { key, conn } = action::parse(body).map_err(|_| Reason::BodyMalformed)?;
    let limit = per_minute(pan.settings().push.keys_per_minute);
    pan.count("push_keys", &format!("push_keys:{}", request.session()), limit).await?;
    let agreed = pan.hub().agree(request.session(), conn, &key)?;
    Ok((StatusCode::OK, axum::Json(agreed)).into_response())
}

/// Answers a verified [`PushStream`].
pub(crate) async fn stream(
    pan: &Pan,
    request: &VerifiedRequest,
    session: &Session,
    body: &[u8],
) -> Result<Response, Reason> {
    Ok(transport::stream(pan.clone(), open(pan, request, session, body).await?))
}

/// Opens the connection that a verified request asks for.
async fn open(pan: &Pan, request: &VerifiedRequest, session: &Session, body: &[u8]) -> Result<Outlet, Reason> {
    let asked: PushStream = action::parse(body).map_err(|_| Reason::BodyMalformed)?;
    if let Some(rejected) = asked.rejected {
        // The signing frame says so. Somebody between here and there changes frames, or a clock is wrong.
        note(pan, request.session(), request.user(), "push_rejected", rejected.name());
    }
    Ok(pan.hub().open(*request.session(), session, &asked).await?)
}

/// Puts the end of a connection on record.
fn note_over(pan: &Pan, outlet: &Outlet, over: Over) {
    let connection = outlet.connection();
    let lost = connection.lost();
    tracing::debug!(session = %connection.session, over = over.name(), lost, "a push connection is over");
    if matches!(over, Over::Gone | Over::Stopping | Over::Lost) {
        return;
    }
    note(pan, &connection.session, &connection.user, "push_ended", over.name());
}

fn note(pan: &Pan, session: &SessionHandle, user: &UserName, action: &'static str, reason: &'static str) {
    pan.record(Event {
        session: Some(*session),
        user: Some(user.clone()),
        action: action.into(),
        outcome: Outcome::Noticed,
        reason: Some(reason.into()),
    });
}

impl From<HubError> for Reason {
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
