//! All open connections of this process, and the way from the log of events to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    key::PublicKey,
    push::{AgreedKey, ConnectionId, Cursor, Push, Security},
    token::SessionHandle,
    value::UserName,
};

use super::{
    connection::{Beginning, Connection, Outlet, Over},
    keys::{FrameKey, KeyError, Root},
};
use crate::{
    clock::Clock,
    settings::PushSettings,
    store::{News, SharedStore, Since, StoreError},
};

/// How long an agreed key waits for its connection: ms.
const OPEN_WITHIN: u64 = 60_000;

/// How many events are read from the log at once.
const AT_ONCE: usize = 256;

/// How long a look for new events waits, and how long the next one waits after an error.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// The connections, and the keys that wait for theirs.
pub(crate) struct Hub {
    store: SharedStore,
    clock: Clock,
    settings: PushSettings,
    root: Root,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    agreed: HashMap<ConnectionId, Agreed>,
    open: HashMap<ConnectionId, Arc<Connection>>,
    /// Everything in the log up to here was told to the connections.
    known: Cursor,
}

struct Agreed {
    session: SessionHandle,
    key: FrameKey,
    /// Until when it waits: Unix ms.
    until: u64,
}

/// Why a key is not agreed, or a connection not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// As many connections as a session, or this server, may have.
    #[error("too many connections")]
    TooMany,
    /// There is no key for that connection, or it is another session's.
    #[error("no key was agreed for this connection")]
    NoKey,
    /// The key could not be agreed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Starts following the log.
    pub(crate) fn start(store: SharedStore, clock: Clock, settings: PushSettings, root: Root) -> Arc<Self> {
        let hub = Arc::new(Self { store, clock, settings, root, state: Mutex::default() });
        let weak = Arc::downgrade(&hub);
        tokio::spawn(async move {
            let mut from = None;
            while let Some(hub) = weak.upgrade() {
                if let Err(error) = hub.follow(&mut from).await {
                    tracing::error!(%error, "the log of events cannot be followed");
                    drop(hub);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        hub
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Agrees a key for a connection: a new one, or the next one of one that is open.
    pub(crate) fn agree(
        &self,
        session: &SessionHandle,
        conn: ConnectionId,
        theirs: &PublicKey,
    ) -> Result<AgreedKey, HubError> {
        let now = self.clock.now();
        let (reply, key) = self.root.agree(session, &conn, theirs, now)?;
        let mut state = self.state();
        if let Some(open) = state.open.get(&conn) {
            if open.session != *session {
                return Err(HubError::NoKey);
            }
            open.take_key(key);
            return Ok(reply);
        }
        state.agreed.retain(|_, agreed| now < agreed.until);
        let is_theirs = |other: &SessionHandle| other == session;
        let waiting = state.agreed.values().filter(|agreed| is_theirs(&agreed.session)).count();
        let open = state.open.values().filter(|open| is_theirs(&open.session)).count();
        let is_full = state.agreed.len() + state.open.len() >= self.settings.connections;
        if is_full || waiting + open >= self.settings.connections_per_session {
            return Err(HubError::TooMany);
        }
        state.agreed.insert(conn, Agreed { session: *session, key, until: now + OPEN_WITHIN });
        Ok(reply)
    }

    /// Opens a connection that has a key. `expires` is when its session is over at the latest (Unix ms).
    pub(crate) async fn open(
        self: &Arc<Self>,
        session: SessionHandle,
        user: UserName,
        expires: u64,
        conn: ConnectionId,
        after: Option<Cursor>,
    ) -> Result<Outlet, HubError> {
        // From here on it is told what happens; what was before is read from the log below.
        let (connection, known) = {
            let now = self.clock.now();
            let mut state = self.state();
            let known = state.known;
            let is_good = |agreed: &Agreed| agreed.session == session && now < agreed.until;
            let agreed = state.agreed.remove(&conn).filter(is_good).ok_or(HubError::NoKey)?;
            let from = after.unwrap_or_default().max(known);
            let buffer = self.settings.buffer;
            let connection = Arc::new(Connection::new(conn, session, user.clone(), agreed.key, from, buffer));
            state.open.insert(conn, connection.clone());
            (connection, known)
        };
        let closing = Closing { hub: self.clone(), id: conn };
        let known_now = |first| Beginning { first, missed: Vec::new(), cursor: known, expires };
        let beginning = match after {
            None => known_now(Push::Hb { latest: 0 }),
            Some(after) => match self.missed(&user, after, known).await? {
                Some(missed) => Beginning { first: Push::Hb { latest: 0 }, missed, cursor: after, expires },
                None => known_now(Push::Reset {}),
            },
        };
        Ok(Outlet::new(connection, self.clock.clone(), &self.settings, beginning, closing))
    }

    /// What a user was told between two places of the log; `None` when that is no longer known, or is too much.
    async fn missed(
        &self,
        user: &UserName,
        after: Cursor,
        until: Cursor,
    ) -> Result<Option<Vec<(Cursor, Push)>>, StoreError> {
        let mut missed = Vec::new();
        let mut at = after;
        loop {
            let Since::News(page) = self.store.news_since(at, AT_ONCE).await? else { return Ok(None) };
            let Some(&(last, _)) = page.last() else { break };
            at = last;
            let theirs = page.into_iter().filter(|(cursor, news)| *cursor <= until && news.user == *user);
            missed.extend(theirs.map(|(cursor, news)| (cursor, news.push)));
            if missed.len() > self.settings.buffer {
                return Ok(None);
            }
            if at >= until {
                break;
            }
        }
        Ok(Some(missed))
    }

    /// Waits for the next events of the log, and tells them to whom they concern. `from` is where it had got to.
    async fn follow(&self, from: &mut Option<Cursor>) -> Result<(), StoreError> {
        let Some(after) = *from else {
            *from = Some(self.store.news_head().await?);
            self.state().known = from.unwrap_or_default();
            return Ok(());
        };
        match self.store.wait_news(after, AT_ONCE, PATIENCE).await? {
            Since::News(page) => {
                for (cursor, news) in page {
                    self.tell(cursor, &news);
                    *from = Some(cursor);
                }
            }
            Since::Gone => {
                // The store was replaced by an empty or an older one: nobody knows what was missed.
                *from = None;
                let open: Vec<_> = self.state().open.values().cloned().collect();
                for connection in open {
                    connection.mention(Push::Reset {});
                }
            }
        }
        Ok(())
    }

    fn tell(&self, cursor: Cursor, News { user, push }: &News) {
        let mut state = self.state();
        for connection in state.open.values().filter(|connection| connection.user == *user) {
            connection.tell(cursor, push.clone());
        }
        for connection in state.open.values() {
            connection.advance(cursor);
        }
        state.known = state.known.max(cursor);
        drop(state);
        if let Push::Security(Security::Ended { session, .. }) = push {
            self.end(session);
        }
    }

    /// Tells everybody something that is in no log.
    pub(crate) fn mention(&self, push: &Push) {
        let state = self.state();
        for connection in state.open.values() {
            connection.mention(push.clone());
        }
    }

    /// Closes all connections of a session, at once.
    pub(crate) fn end(&self, session: &SessionHandle) {
        let mut state = self.state();
        state.agreed.retain(|_, agreed| agreed.session != *session);
        for connection in state.open.values().filter(|connection| connection.session == *session) {
            connection.end(Over::Session);
        }
    }

    /// Closes all connections: the server stops.
    pub(crate) fn stop(&self) {
        for connection in self.state().open.values() {
            connection.end(Over::Stopping);
        }
    }

    /// How many connections are open, and how many users have one.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        let users: HashSet<&UserName> = state.open.values().map(|connection| &connection.user).collect();
        (state.open.len(), users.len())
    }
}

/// Has the hub forget a connection when it goes.
pub(crate) struct Closing {
    hub: Arc<Hub>,
    id: ConnectionId,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.hub.state().open.remove(&self.id);
    }
}
