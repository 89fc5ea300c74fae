//! [`Server`]: settings, stores, users, audit log, push and clock in one cheap handle.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::response::{IntoResponse, Response};
use protocol::{catalogue::Catalogue, token::SessionHandle};

use crate::{
    audit::{self, AuditLog, Event, Outcome, UserActivity},
    auth::{attempts::PasswordAttempts, credentials::CredentialStore, known_devices::KnownDevices},
    clock::{self, Clock},
    device::Devices,
    metrics::Metrics,
    middleware::{security_headers, verified_request::VerifiedRequest},
    model::UserId,
    passkeys::store::{PasskeyStore, RecordPasskeys},
    push::{self, Hub, Root},
    rejection::Rejection,
    serve::Stopping,
    settings::{Environment, Settings},
    store::{StoreError, Stores, instrumented::instrument, memory::MemoryStore, redis::RedisStore},
};

/// An error that keeps the server from starting or serving.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be reached.
    #[error("Redis at {at} cannot be used: {}; check redis.url (REDIS_URL)", .error.0)]
    Store {
        /// The address of the store, without the password.
        at: String,
        /// The cause.
        error: StoreError,
    },
    /// The file of the memory store cannot be used.
    #[error("the snapshot {} cannot be used: {error}; repair it or, to start empty, move it away (store.snapshot)", .path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file of the memory store cannot be written.
    #[error(
        "the snapshot {} cannot be written: {error}; its folder must be writable, and the file must not be a mount of its own (store.snapshot)",
        .path.display()
    )]
    SnapshotUnwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A server function is neither in the catalogue nor declared public.
    #[error("the server function {0} is neither in the catalogue nor declared public")]
    Unprotected(String),
    /// A server function is both in the catalogue and declared public.
    #[error("the server function {0} is declared public and is in the catalogue")]
    Ambiguous(String),
    /// A path to observe is not an action of the application.
    #[error("{0} cannot be observed: it is not an action of the application")]
    NotObservable(String),
    /// The operating system's random number generator failed.
    #[error("the system's random number generator failed")]
    Randomness(#[from] getrandom::Error),
    /// The server cannot bind a listen address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
}

/// The application's server functions, and which of them are protected.
#[derive(Clone, Debug)]
pub struct Functions {
    pub(crate) catalogue: Catalogue,
    pub(crate) public: &'static [&'static str],
    pub(crate) observed: &'static [&'static str],
    pub(crate) served: Vec<&'static str>,
}

impl Functions {
    /// Functions that protect the actions of `catalogue`.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, public: &[], observed: &[], served: Vec::new() }
    }

    /// Sets the public paths: any page of the app origin may POST to them without a session.
    #[must_use]
    pub fn public(mut self, paths: &'static [&'static str]) -> Self {
        self.public = paths;
        self
    }

    /// Sets the observed paths, for a gradual introduction. **Such a path is not protected yet.**
    ///
    /// The server accepts and counts an unsigned request to an observed path if it has the token of a live session. The
    /// handler of such a request has no [`Verified`](crate::Verified).
    #[must_use]
    pub fn observed(mut self, paths: &'static [&'static str]) -> Self {
        self.observed = paths;
        self
    }

    /// Sets every path that the application's router serves as a server function.
    ///
    /// The server does not start if one of them is neither public nor in the catalogue.
    #[must_use]
    pub fn served(mut self, paths: Vec<&'static str>) -> Self {
        self.served = paths;
        self
    }
}

/// The server's shared state: settings, stores, users, audit log, push hub and clock. Cloning it is cheap.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    settings: Settings,
    stores: Stores,
    credentials: Arc<dyn CredentialStore>,
    passkeys: Arc<dyn PasskeyStore>,
    password_attempts: PasswordAttempts,
    known_devices: KnownDevices,
    devices: Option<Devices>,
    audit: audit::Writer,
    hub: Arc<Hub>,
    metrics: Metrics,
    stopping: Stopping,
    /// Number of verified requests.
    verified: AtomicU64,
    clock: Clock,
}

impl Server {
    /// Starts the server with the system's clock. [`open_stores`] opens the stores that the settings select.
    ///
    /// # Errors
    /// [`StartError::Randomness`].
    pub async fn start(
        settings: Settings,
        stores: Stores,
        credentials: impl CredentialStore,
    ) -> Result<Self, StartError> {
        // The previous server process may have answered nonce requests that were signed in the current second, so this
        // one rejects them. Starting in the next second spares clients that rejection.
        clock::next_second().await;
        Self::with(settings, stores, Arc::new(credentials), Clock::system())
    }

    /// Builds a server from its parts and starts its background tasks.
    ///
    /// Must be called inside a tokio runtime: tasks write the audit log and follow the event log.
    ///
    /// # Errors
    /// [`StartError::Randomness`].
    pub fn with(
        settings: Settings,
        stores: Stores,
        credentials: Arc<dyn CredentialStore>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let stores = instrument(stores, &metrics.store());
        let audit = audit::Writer::start(&stores.audit_log, &settings.audit, &clock);
        let root = Root::new(&settings.push)?;
        let known_devices = KnownDevices::new(settings.audit.secret.subkey("pan known devices"));
        let devices = Devices::new(&settings, &stores, &clock, &settings.audit.secret.subkey("pan device cookies"));
        let hub = Hub::start(&stores, clock.clone(), &settings, root);
        let passkeys =
            credentials.passkey_store().unwrap_or_else(|| Arc::new(RecordPasskeys::new(stores.records.clone())));
        let (stopping, verified) = (Stopping::default(), AtomicU64::new(0));
        let inner = Arc::new(Inner {
            settings,
            stores,
            credentials,
            passkeys,
            password_attempts: PasswordAttempts::new(),
            known_devices,
            devices,
            audit,
            hub,
            metrics,
            stopping,
            verified,
            clock,
        });
        let weak = Arc::downgrade(&inner);
        let verified = move || weak.upgrade().map_or(0, |inner| inner.verified.load(Ordering::Relaxed));
        push::start_telemetry(&inner.hub, verified);
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

    /// The checked settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The stores. An application keeps its records in `records`.
    pub fn stores(&self) -> &Stores {
        &self.0.stores
    }

    /// The users' logins and passwords.
    pub fn credentials(&self) -> &dyn CredentialStore {
        &*self.0.credentials
    }

    /// The users' passkeys.
    pub(crate) fn passkeys(&self) -> &dyn PasskeyStore {
        &*self.0.passkeys
    }

    pub(crate) fn password_attempts(&self) -> &PasswordAttempts {
        &self.0.password_attempts
    }

    pub(crate) fn known_devices(&self) -> &KnownDevices {
        &self.0.known_devices
    }

    /// `None` if sessions are not bound to devices.
    pub(crate) fn devices(&self) -> Option<&Devices> {
        self.0.devices.as_ref()
    }

    /// Queues an event for the audit log and counts it in the metrics.
    pub fn record(&self, event: Event) {
        self.record_in(event.log(), event);
    }

    /// Records an accepted request that changes nothing.
    pub(crate) fn record_read(&self, event: Event) {
        self.record_in(AuditLog::Traffic, event);
    }

    fn record_in(&self, log: AuditLog, event: Event) {
        self.0.metrics.count(&event);
        if !self.0.audit.try_record(log, self.now(), event) {
            self.0.metrics.count_audit_lost();
        }
    }

    /// Waits until every recorded event is in the store's audit log.
    pub async fn flush(&self) {
        self.0.audit.flush().await;
    }

    /// The requesting user's part of the audit logs.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn activity(&self, request: &VerifiedRequest) -> Result<UserActivity, StoreError> {
        let (log, user) = (&self.stores().audit_log, request.user());
        let entries = log.entries_of_user(user).await?.into_iter().map(|entry| entry.body).collect();
        Ok(UserActivity { entries, repeated: log.repeated_of_user(user).await? })
    }

    /// Rejects a request without a known session and records the rejection.
    pub(crate) fn reject(&self, action: &'static str, reason: Rejection) -> Response {
        self.record_rejection(None, None, action, &reason);
        reason.into_response()
    }

    /// Logs a rejected request and records it in the audit log and the metrics.
    pub(crate) fn record_rejection(
        &self,
        session: Option<SessionHandle>,
        user: Option<UserId>,
        action: &'static str,
        reason: &Rejection,
    ) {
        match reason {
            Rejection::Store(error) => tracing::error!(%reason, action, source = ?error.0, "request rejected"),
            Rejection::Randomness(_) | Rejection::NoAddress | Rejection::Conflict => {
                tracing::error!(%reason, action, "request rejected");
            }
            // Any client can cause these, so they must not flood the log.
            _ => tracing::debug!(%reason, action, "request rejected"),
        }
        let (outcome, reason) = (Outcome::Refused, Some(reason.name().into()));
        self.record(Event { session, user, action: action.into(), outcome, reason });
    }

    /// Records an unsigned request that was accepted on an observed path.
    pub(crate) fn record_observed(&self, session: SessionHandle, user: UserId, action: &'static str) {
        let (outcome, reason) = (Outcome::Noticed, Some("unsigned".into()));
        self.record(Event { session: Some(session), user: Some(user), action: action.into(), outcome, reason });
    }

    /// The Content-Security-Policy header value of an app page whose scripts carry `nonce`.
    pub fn content_security_policy(&self, nonce: &str) -> String {
        security_headers::content_security_policy(self.settings(), nonce)
    }

    /// The current time: Unix ms.
    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Milliseconds since `moment` (Unix ms); negative if it is in the future.
    pub(crate) fn ago(&self, moment: u64) -> i64 {
        let signed = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
        signed(self.now()).saturating_sub(signed(moment))
    }
}

/// Opens the store that the settings select.
///
/// # Errors
/// [`StartError::Store`] if it cannot be reached.
pub async fn open_stores(settings: &Settings) -> Result<Stores, StartError> {
    Ok(match (&settings.redis, &settings.store.snapshot) {
        (Some(redis), _) => {
            let failed = |error| StartError::Store { at: redis.to_string(), error };
            RedisStore::connect(redis).await.map_err(failed)?.into()
        }
        (None, Some(path)) => {
            let opened = with_snapshot(settings.environment, path);
            let store = opened.map_err(|error| StartError::Snapshot { path: path.clone(), error })?;
            // Otherwise the users would lose their accounts with the next restart, and not before.
            store.save().map_err(|error| StartError::SnapshotUnwritable { path: path.clone(), error })?;
            store.into()
        }
        (None, None) => Stores::memory(),
    })
}

/// Whether the content of a file is the reason.
fn is_broken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Opens a snapshot file. In development a broken one, as another build may leave it, is put aside.
fn with_snapshot(environment: Environment, path: &Path) -> io::Result<MemoryStore> {
    match MemoryStore::with_snapshot(path) {
        Err(error) if environment == Environment::Development && is_broken(&error) => {
            let aside = path.with_extension("broken");
            tracing::warn!(path = %path.display(), aside = %aside.display(), %error, "the snapshot is broken; starting empty");
            std::fs::rename(path, aside)?;
            MemoryStore::with_snapshot(path)
        }
        opened => opened,
    }
}
