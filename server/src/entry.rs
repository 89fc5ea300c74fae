//! Registering and signing in, within limits, and on record.
//!
//! Whether a name exists cannot be told from what signing in says, nor from how long it takes: the limits count names that
//! nobody has too, and the hasher does the same work for them.

use http::request::Parts;
use protocol::value::UserName;

use crate::{
    Opened, Pan,
    accounts::AccountError,
    audit::{Event, Outcome},
    client::ClientAddress,
    refusal::Reason,
    settings::per_minute,
    store::{Counted, Limit, Quota, Write},
};

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The account, its name or its password.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A limit, the cap of sessions, or no store.
    #[error(transparent)]
    Refused(#[from] Reason),
}

impl EntryError {
    /// Its name for metrics and the audit log.
    fn name(&self) -> &'static str {
        match self {
            Self::Account(error) => error.into(),
            Self::Refused(reason) => reason.name(),
        }
    }
}

impl Pan {
    /// Opens a session for whoever knows the password.
    ///
    /// # Errors
    /// An [`EntryError`]: wrong credentials, a limit, too many sessions, or no store.
    pub async fn sign_in(&self, user: &UserName, password: &str, from: &Parts) -> Result<Opened, EntryError> {
        let entered = async {
            self.count_entry(from).await?;
            let limit = per_minute(self.settings().limits.sign_ins_per_minute_and_account);
            self.count("sign_ins", &format!("sign_in:user:{user}"), limit).await?;
            self.accounts().sign_in(user, password).await?;
            Ok(self.open_session(user, from).await?)
        };
        self.on_record("sign_in", user, from, entered.await)
    }

    /// Makes an account, together with records of the application, and opens a session for it.
    ///
    /// # Errors
    /// An [`EntryError`]: a name that is taken, a password that is not accepted, a limit, or no store.
    pub async fn register(
        &self,
        user: &UserName,
        password: &str,
        records: Vec<Write>,
        from: &Parts,
    ) -> Result<Opened, EntryError> {
        let entered = async {
            self.count_entry(from).await?;
            self.accounts().register_with(user, password, records).await?;
            Ok(self.open_session(user, from).await?)
        };
        self.on_record("register", user, from, entered.await)
    }

    /// Where a request comes from.
    pub(crate) fn address(&self, from: &Parts) -> Option<ClientAddress> {
        ClientAddress::of(&from.headers, &from.extensions, self.settings().proxies.trusted)
    }

    /// Counts a failed authentication of the address that a request comes from.
    pub(crate) fn note_failure(&self, from: &Parts) {
        if let Some(address) = self.address(from) {
            self.metrics().fail(address, self.now());
        }
    }

    async fn count_entry(&self, from: &Parts) -> Result<Quota, Reason> {
        self.count_address("sign_ins", from, self.settings().limits.sign_ins_per_minute_and_address).await
    }

    /// Counts one more of a client's requests of one kind.
    pub(crate) async fn count_address(&self, kind: &'static str, from: &Parts, max: u32) -> Result<Quota, Reason> {
        let address = self.address(from).ok_or(Reason::NoAddress)?;
        self.count(kind, &format!("{kind}:address:{address}"), per_minute(max)).await
    }

    /// Counts one more.
    pub(crate) async fn count(&self, kind: &'static str, counter: &str, limit: Limit) -> Result<Quota, Reason> {
        match self.store().count(counter, limit, self.now()).await? {
            Counted::Within(quota) => Ok(quota),
            Counted::Over(quota) => Err(Reason::Limited(kind, quota)),
        }
    }

    fn on_record(
        &self,
        action: &'static str,
        user: &UserName,
        from: &Parts,
        entered: Result<Opened, EntryError>,
    ) -> Result<Opened, EntryError> {
        if matches!(entered, Err(EntryError::Account(AccountError::WrongCredentials))) {
            self.note_failure(from);
        }
        let (outcome, reason) = match &entered {
            Ok(_) => (Outcome::Passed, None),
            Err(error) => (Outcome::Refused, Some(error.name().into())),
        };
        let session = entered.as_ref().ok().map(|opened| opened.handle);
        self.record(Event { session, user: Some(user.clone()), action: action.into(), outcome, reason });
        entered
    }
}
