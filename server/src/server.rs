//! [`Server`]: settings, store, accounts, audit log, push and clock in one cheap handle.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::response::{IntoResponse, Response};
use protocol::{catalogue::Catalogue, token::SessionHandle, user::UserName};

use crate::{
    audit::{self, Chain, EntryBody, Event, Outcome},
    auth::accounts::Accounts,
    clock::{self, Clock},
    metrics::Metrics,
    middleware::{security_headers, verified_request::VerifiedRequest},
    push::{self, Hub, Root},
    rejection::Rejection,
    serve::Stopping,
    settings::{Environment, Settings},
    store::{StoreError, Stores, Write, instrumented::instrument, memory::MemoryStore, redis::RedisStore},
};

/// Why the server does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be reached.
    #[error("Redis at {at} cannot be used: {}; redis.url (REDIS_URL) says where it is", .error.0)]
    Store {
        /// Where it was looked for.
        at: String,
        /// Why not.
        error: StoreError,
    },
    /// A server function would be served that nobody has decided about.
    #[error("the server function {0} is neither in the catalogue nor declared public")]
    Unprotected(String),
    /// A function cannot be both.
    #[error("the server function {0} is declared public and is in the catalogue")]
    Ambiguous(String),
    /// Only the application's own actions can be observed.
    #[error("{0} cannot be observed: it is no action of the application")]
    NotObservable(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness(#[from] getrandom::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
}

/// The application's endpoints.
#[derive(Clone, Debug)]
pub struct Functions {
    pub(crate) catalogue: Catalogue,
    pub(crate) public: &'static [&'static str],
    pub(crate) observed: &'static [&'static str],
    pub(crate) served: Vec<&'static str>,
    pub(crate) register: Option<NewAccount>,
}

impl Functions {
    /// The protected actions.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, public: &[], observed: &[], served: Vec::new(), register: None }
    }

    /// Paths that anyone may POST to from the app origin.
    #[must_use]
    pub fn public(mut self, paths: &'static [&'static str]) -> Self {
        self.public = paths;
        self
    }

    /// Paths of the catalogue that are introduced gradually: an unsigned request with the token of a live session is let
    /// through and counted, but has no [`Verified`](crate::Verified). **Such a path is not protected yet.**
    #[must_use]
    pub fn observed(mut self, paths: &'static [&'static str]) -> Self {
        self.observed = paths;
        self
    }

    /// Every path that the application's router serves as a function. Each must be public or in the catalogue, or the server
    /// does not start.
    #[must_use]
    pub fn served(mut self, paths: Vec<&'static str>) -> Self {
        self.served = paths;
        self
    }

    /// Lets users register, with these records of the application. Without it there is no registration page.
    #[must_use]
    pub fn register(mut self, new_account: NewAccount) -> Self {
        self.register = Some(new_account);
        self
    }
}

/// Gives the records that the application writes together with a new account: both or neither are written.
pub type NewAccount = fn(&UserName) -> Result<Vec<Write>, StoreError>;

/// The house: settings, store, accounts and clock. Cloning it is cheap.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    settings: Settings,
    stores: Stores,
    accounts: Accounts,
    audit: audit::Writer,
    hub: Arc<Hub>,
    metrics: Metrics,
    stopping: Stopping,
    /// How many requests were let through.
    verified: AtomicU64,
    clock: Clock,
}

impl Server {
    /// Opens the store that the settings name and starts.
    ///
    /// # Errors
    /// [`StartError::Store`] when the store cannot be reached; [`StartError::Randomness`].
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let stores = open_stores(&settings).await?;
        // A request for nonces that was signed before now may have been answered by the server before this one, so those of
        // this very second are refused. Nobody shall meet that.
        clock::next_second().await;
        Self::with(settings, stores, Clock::system())
    }

    /// Puts the parts together. Must be called inside a tokio runtime, in which the audit log is written and the log of
    /// events followed.
    ///
    /// # Errors
    /// [`StartError::Randomness`].
    pub fn with(settings: Settings, stores: Stores, clock: Clock) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let stores = instrument(stores, &metrics.store());
        let hosts = [settings.origins.app.host(), settings.origins.sign.host()];
        let accounts = Accounts::new(stores.records.clone())
            .with_context_words(hosts.into_iter().flat_map(|host| host.split('.')));
        let audit =
            audit::Writer::start(stores.audit_log.clone(), Chain::new(&settings.audit.secret), settings.audit.keep);
        let root = Root::new(&settings.push)?;
        let hub = Hub::start(&stores, clock.clone(), &settings, root);
        let (stopping, verified) = (Stopping::default(), AtomicU64::new(0));
        let inner = Arc::new(Inner { settings, stores, accounts, audit, hub, metrics, stopping, verified, clock });
        let weak = Arc::downgrade(&inner);
        let verified = move || weak.upgrade().map_or(0, |inner| inner.verified.load(Ordering::Relaxed));
        push::start_sources(&inner.hub, verified);
        Ok(Self(inner))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn stopping(&self) -> &Stopping {
        &self.0.stopping
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn count_verified(&self) {
        self.0.verified.fetch_add(1, Ordering::Relaxed);
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The stores. An application keeps its own records in `records`.
    pub fn stores(&self) -> &Stores {
        &self.0.stores
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Leaves an event for the audit log, and counts it.
    pub fn record(&self, event: Event) {
        self.0.metrics.count(&event);
        if !self.0.audit.try_record(self.now(), event) {
            self.0.metrics.lose();
        }
    }

    /// Waits until everything that was recorded is in the store's audit log.
    pub async fn flush(&self) {
        self.0.audit.flush().await;
    }

    /// What whoever asks has done, and what was done to their sessions: newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub async fn activity(&self, request: &VerifiedRequest) -> Result<Vec<EntryBody>, StoreError> {
        let entries = self.stores().audit_log.entries_of_user(request.user()).await?;
        Ok(entries.into_iter().map(|entry| entry.body).collect())
    }

    /// Rejects a request of no known session, and records that.
    pub(crate) fn reject(&self, action: &'static str, reason: Rejection) -> Response {
        self.record_rejection(None, None, action, &reason);
        reason.into_response()
    }

    /// Puts a rejected request on record.
    pub(crate) fn record_rejection(
        &self,
        session: Option<SessionHandle>,
        user: Option<UserName>,
        action: &'static str,
        reason: &Rejection,
    ) {
        match reason {
            Rejection::Store(error) => tracing::error!(%reason, action, source = ?error.0, "refused"),
            Rejection::Randomness(_) | Rejection::NoAddress | Rejection::Conflict => {
                tracing::error!(%reason, action, "refused");
            }
            // Anybody can make these: what is logged of them must not depend on how often.
            _ => tracing::debug!(%reason, action, "refused"),
        }
        let (outcome, reason) = (Outcome::Refused, Some(reason.name().into()));
        self.record(Event { session, user, action: action.into(), outcome, reason });
    }

    /// Records an unsigned request that was let through to an observed path.
    pub(crate) fn record_observed(&self, session: SessionHandle, user: UserName, action: &'static str) {
        let (outcome, reason) = (Outcome::Noticed, Some("unsigned".into()));
        self.record(Event { session: Some(session), user: Some(user), action: action.into(), outcome, reason });
    }

    /// The Content-Security-Policy of a page with this nonce.
    pub fn content_security_policy(&self, nonce: &str) -> String {
        security_headers::content_security_policy(self.settings(), nonce)
    }

    /// Unix ms.
    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// How long ago a moment (Unix ms) was; negative when it is yet to come.
    pub(crate) fn ago(&self, moment: u64) -> i64 {
        let signed = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
        signed(self.now()).saturating_sub(signed(moment))
    }
}

/// Opens the store that the settings name.
///
/// # Errors
/// [`StartError::Store`] when it cannot be reached.
pub async fn open_stores(settings: &Settings) -> Result<Stores, StartError> {
    Ok(match (&settings.redis, &settings.store.snapshot) {
        (Some(redis), _) => {
            let failed = |error| StartError::Store { at: redis.to_string(), error };
            RedisStore::connect(redis).await.map_err(failed)?.into()
        }
        (None, Some(path)) if settings.environment == Environment::Development => {
            MemoryStore::with_snapshot(path.clone()).into()
        }
        (None, _) => Stores::memory(),
    })
}
