//! What the server remembers between requests, behind few atomic verbs.
//!
//! A store decides nothing but what must be decided atomically: that a nonce is spent once, that a session is entered once,
//! that a frame key is bound once, that a limit is not passed, that a record is not overwritten unseen. There are no defaults: a store that forgets a
//! rule does not compile. One contract suite (`tests/store_contract.rs`) runs against every store.
//!
//! The caller brings the time (Unix ms), so that tests can move it and every store judges expiry alike; a store's own
//! key expiry is only how it gives memory back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use protocol::{
    key::PublicKey,
    problem::Ended,
    push::{Cursor, Push},
    token::{Challenge, Nonce, SessionHandle},
    user::UserName,
};
use serde::{Deserialize, Serialize};

use crate::{
    audit,
    risk::{History, Sample},
};

pub(crate) mod instrumented;
pub mod memory;
pub mod redis;
mod snapshot;

/// The store, shared by every request.
pub type SharedStore = Arc<dyn Store>;

/// The most nonces alive in one session; issuing more drops the oldest.
pub const MAX_NONCES: usize = 32;

/// The store cannot answer. The request must be refused with 503, never passed.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot answer")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The one shape of a result here.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A session as signing in opens it: it can do nothing until the browser has entered the app origin.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its public name.
    pub handle: SessionHandle,
    /// Who signed in.
    pub user: UserName,
    /// The key that signs what is Confirmed.
    pub confirmation_key: PublicKey,
    /// Unix ms.
    pub created: u64,
    /// The end of the time in which the browser must enter the app origin: Unix ms.
    pub enter_by: u64,
    /// When it ends however busy it is: Unix ms.
    pub expires: u64,
    /// Where it was opened from, as text.
    pub ip: String,
    /// The browser's `User-Agent`, cut to 256 characters.
    pub agent: String,
    /// `SignSecret::hashed`.
    pub sign_secret: String,
}

/// A session whose browser has entered the app origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who signed in.
    pub user: UserName,
    /// The key that signs what is Confirmed.
    pub confirmation_key: PublicKey,
    /// The key that signs everything else, once the frame has bound it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_key: Option<PublicKey>,
    /// The key that a frame has offered which has lost the bound one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_frame_key: Option<PublicKey>,
    /// Unix ms.
    pub created: u64,
    /// Last verified use: Unix ms.
    pub seen: u64,
    /// When it ends however busy it is: Unix ms.
    pub expires: u64,
    /// Where it was opened from.
    pub ip: String,
    /// The browser's `User-Agent`.
    pub agent: String,
    /// `SignSecret::hashed`. Never sent to a client.
    pub sign_secret: String,
    /// When its token was presented without its key, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theft: Option<Theft>,
}

/// A token that was presented without its key: somebody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theft {
    /// How many times.
    pub times: u64,
    /// The last time: Unix ms.
    pub last: u64,
}

/// How many sessions a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The most at one time.
    pub max: usize,
    /// What happens at the cap.
    pub at_cap: AtCap,
}

/// What happens when somebody signs in who has as many sessions as they may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum AtCap {
    /// The oldest session ends, and is told why.
    EndOldest,
    /// The new one is refused.
    RefuseNew,
}

/// What [`Store::open`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The session is there; these were ended for it.
    Opened(Vec<SessionHandle>),
    /// The user has too many, and [`AtCap::RefuseNew`].
    Full,
}

/// A limit: at most `max` in a fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many are let through in one window.
    pub max: u32,
    /// The window's length.
    pub window: Duration,
}

/// How much of a limit is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub limit: Limit,
    /// How many more it lets through in this window.
    pub left: u32,
    /// How long the window still lasts.
    pub reset: Duration,
}

/// What counting one more came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is within the limit.
    Within(Quota),
    /// It is over, and was not counted.
    Over(Quota),
}

/// What [`Store::authorize_request`] is asked.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// The session.
    pub handle: SessionHandle,
    /// The nonce that the request spends.
    pub nonce: Nonce,
    /// The nonce to issue in its place.
    pub next: Nonce,
    /// Unix ms.
    pub now: u64,
    /// How long a session may be unused.
    pub idle: Duration,
    /// How long a nonce lives from its issue.
    pub nonce_life: Duration,
    /// Which of the session's counters to use: "changes" or "reads".
    pub counter: &'static str,
    /// That counter's limit.
    pub limit: Limit,
    /// Whether it is use of the session, which keeps it from idling out.
    pub touch: bool,
    /// What the session is to remember of the request's interaction proof.
    pub sample: Option<Sample>,
}

/// What [`Store::authorize_request`] decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Authorization {
    /// The nonce is spent, the request counted, `next` issued, `seen` moved if it is use, the sample remembered. Nothing
    /// is verified yet.
    Authorized(Box<Authorized>),
    /// No such session: never opened, not entered, expired, idle for too long, or ended, and why if that is known.
    NoSession(Option<Ended>),
    /// The session lives; the nonce is not one of its live ones. Nothing was changed.
    BadNonce(Box<Session>),
    /// The session lives; the nonce was one of its own and has been spent. Nothing was changed.
    Replayed(Box<Session>),
    /// The limit is passed; the nonce is not spent.
    Limited(Quota),
}

/// A session that a request was let through to.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorized {
    /// The session.
    pub session: Session,
    /// What its limit still lets through.
    pub quota: Quota,
    /// What it had shown before this request.
    pub history: History,
}

/// What [`Store::bind`] is asked, when the request's own proof of possession is verified.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The session.
    pub handle: SessionHandle,
    /// `SignSecret::hashed`.
    pub sign_secret: String,
    /// The frame's key.
    pub key: PublicKey,
    /// What to issue once the key is bound.
    pub nonces: Vec<Nonce>,
    /// How long a session may be unused.
    pub idle: Duration,
    /// Unix ms.
    pub now: u64,
}

/// What [`Store::bind`] decided. The session is as it is afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The session had no frame key and has this one now. The nonces are issued.
    Bound(Box<Session>),
    /// It had this frame key already: the reply to an earlier request got lost. The nonces are issued.
    Again(Box<Session>),
    /// It has another frame key. This one waits, in place of an earlier one that did. No nonces are issued.
    Pending(Box<Session>),
    /// The key is the session's confirmation key, which must sign nothing else. Nothing was changed.
    ConfirmationKey,
    /// No such living session, or another secret. Nothing was changed.
    NoSession,
}

/// What [`Store::issue_nonces`] is asked, when everything but this is verified.
#[derive(Clone, Debug)]
pub struct IssueNonces {
    /// The session.
    pub handle: SessionHandle,
    /// The nonce that the client invented.
    pub spent: Nonce,
    /// The pending frame key that is to replace the bound one, if any.
    pub restore: Option<PublicKey>,
    /// When the request says that it was signed: Unix ms, but in whole seconds.
    pub created: u64,
    /// What to issue.
    pub nonces: Vec<Nonce>,
    /// How long a session may be unused.
    pub idle: Duration,
    /// How long a nonce lives from its issue, and how long a spent one is remembered.
    pub nonce_life: Duration,
    /// Unix ms.
    pub now: u64,
}

/// What [`Store::issue_nonces`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceIssue {
    /// The nonces are issued. To fetch them is no use of the session yet.
    Done,
    /// The invented nonce was spent here before. Nothing was changed.
    Replayed,
    /// The key to restore is not the pending one. Nothing was changed.
    NotPending,
    /// The request is from before the store was started or lost its memory, so nobody knows whether it was answered
    /// then. Nothing was changed.
    TooOld,
    /// There is no such living session any more; or the clock was set back to where spent nonces are forgotten already,
    /// so that this session can never again tell a new request from an old one.
    NoSession,
}

/// The name of a [`Record`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RecordKey(pub String);

/// A value that an application keeps, with the version that a writer must have seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// 1 for the first write, one more for each later one.
    pub version: u64,
    /// Whatever the application keeps, as text (JSON).
    pub value: String,
}

/// One write of [`Store::write`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Which record.
    pub key: RecordKey,
    /// The version that the writer saw; 0 when it saw none.
    pub seen: u64,
    /// The new value.
    pub value: String,
}

/// An event that is pushed to a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserEvent {
    /// Whom it concerns.
    pub user: UserName,
    /// What happened.
    pub push: Push,
}

/// What comes after a place in the log of events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// These, oldest first; none if nothing has happened since. What a server of another version wrote, and this one cannot
    /// read, is only a place.
    UserEvent(Vec<(Cursor, Option<UserEvent>)>),
    /// The place is not known any more: nobody can tell what came after it.
    Gone,
}

/// Few, atomic verbs.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Remembers a challenge until `expires` (Unix ms). It is fresh randomness and belongs to no session.
    async fn add_challenge(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()>;

    /// Takes a challenge: of any number of calls at most one gives `true`, and only before it expires.
    async fn take_challenge(&self, challenge: &Challenge, now: u64) -> Result<bool>;

    /// Opens a session that is yet to be entered. The handle is fresh randomness, so it is not there yet. The user never
    /// has more sessions than `cap` says, those included that are yet to be entered, however many sign in at once.
    async fn open(&self, session: NewSession, cap: Cap, idle: Duration) -> Result<Opening>;

    /// A session that is yet to be entered, before `enter_by`, without touching it.
    async fn unentered(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>>;

    /// Enters a session: of any number of calls at most one gives it, and only before `enter_by`. It lives from then on.
    async fn enter(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>>;

    /// Binds a frame key to a living session, all or nothing. Of any number of keys the first one is bound; what becomes of
    /// another is said at [`Binding`].
    async fn bind(&self, bind: Bind) -> Result<Binding>;

    /// The one operation of a verified request, one round trip: is there such a session, is the nonce one of its live
    /// ones, is the limit kept? Only then spends the nonce, counts, issues the next and moves `seen`: a request that
    /// has no live nonce changes nothing, so a stolen cookie can use up neither nonces nor limits.
    async fn authorize_request(&self, authorize_request: AuthorizeRequest) -> Result<Authorization>;

    /// A living session, without touching it. `None` as [`Authorization::NoSession`].
    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>>;

    /// Why a session was ended before its time, for as long as it could have lived.
    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>>;

    /// All living sessions of a user, newest first.
    async fn sessions(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>>;

    /// The names of all sessions of a user that live or are yet to be entered, oldest first.
    async fn handles(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<SessionHandle>>;

    /// Remembers that a living session's token was presented without its key. `None` when there is no such session.
    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>>;

    /// Issues nonces to a living session whose request for them was verified, and with [`IssueNonces::restore`] replaces its frame
    /// key by the pending one, both or neither. One request is answered once, whatever the
    /// clock does and whatever the store forgets: an invented nonce is known to be new only as long as the store knows
    /// which ones were spent.
    async fn issue_nonces(&self, issue_nonces: IssueNonces) -> Result<NonceIssue>;

    /// Ends a session of this user: when this returns nothing of it is left but `why`, which is kept for as long as the
    /// session could have lived. Ending what is not there is no error: `false`.
    async fn end(&self, handle: &SessionHandle, user: &UserName, why: Ended, now: u64) -> Result<bool>;

    /// Counts one more of `counter` (such as `sign_in:ip:…`). What is over the limit is not counted on.
    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted>;

    /// Reads records, in the order asked.
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>>;

    /// Writes all or none: `false`, and nothing written, when any record is no longer at the version its writer saw.
    async fn write(&self, writes: &[Write]) -> Result<bool>;

    /// Appends to the audit log, if its last entry is still `head`; else gives the last one that is. Keeps the newest
    /// `keep` entries, and for each user named in them the newest [`audit::MAX_OF_USER`].
    async fn append(&self, head: &audit::Head, entries: &[audit::AuditEntry], keep: usize) -> Result<audit::Appended>;

    /// The last entry of the audit log.
    async fn audit_head(&self) -> Result<audit::Head>;

    /// Up to `count` lines of the audit log that come after number `after`, oldest first, with their numbers. They are
    /// given as they are, whatever somebody may have made of them.
    async fn audit_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>>;

    /// Appends to the log of events, which keeps the newest `keep`. Gives the event's place.
    async fn publish(&self, news: &UserEvent, keep: usize, now: u64) -> Result<Cursor>;

    /// The place of the last event; [`Cursor::default`] when there was none.
    async fn event_head(&self) -> Result<Cursor>;

    /// Up to `count` events that came after a place.
    async fn events_since(&self, after: Cursor, count: usize) -> Result<Since>;

    /// As [`Store::events_since`], but waits up to `patience` until there is something.
    async fn wait_for_events(&self, after: Cursor, count: usize, patience: Duration) -> Result<Since>;

    /// A user's newest entries of the audit log, newest first.
    async fn audit_of(&self, user: &UserName) -> Result<Vec<audit::AuditEntry>>;
}
