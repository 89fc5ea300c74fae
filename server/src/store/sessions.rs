//! Sessions, with everything that must be decided together with them: frame keys, nonces, request limits, interaction
//! statistics.

use std::time::Duration;

use async_trait::async_trait;
use protocol::{
    action::Tier,
    key::PublicKey,
    problem::Ended,
    token::{Nonce, SessionHandle},
};

use super::error::Result;
use crate::{
    model::{Limit, Quota, Session, SessionCap, Theft, UserId},
    risk::{History, Sample},
};

/// The most live nonces of one session. Issuing more drops the oldest.
pub const MAX_NONCES: usize = 32;

/// A session as sign-in creates it. It is unentered: good for nothing until the browser enters it on the app origin.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Fresh randomness.
    pub handle: SessionHandle,
    /// The user who signed in.
    pub user: UserId,
    /// Signs requests of the level Confirmed.
    pub confirmation_key: PublicKey,
    /// Unix ms.
    pub created: u64,
    /// Deadline for entering: Unix ms.
    pub enter_by: u64,
    /// Absolute expiry: Unix ms.
    pub expires: u64,
    /// Client IP, truncated to its network.
    pub ip: String,
    /// The browser's `User-Agent`, at most 256 characters.
    pub agent: String,
    /// `SignSecret::hashed`.
    pub sign_secret: String,
    /// The user's previous session in this browser.
    pub replaces: Option<SessionHandle>,
}

/// A session that the browser can enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enterable {
    /// The session.
    pub session: Session,
    /// The user's previous session in this browser, to be ended by entering this one.
    pub replaces: Option<SessionHandle>,
}

/// The input of [`SessionStore::enter`].
#[derive(Clone, Debug)]
pub struct EnterSession {
    /// The session.
    pub handle: SessionHandle,
    /// Its user.
    pub user: UserId,
    /// The most entered sessions of the user.
    pub cap: SessionCap,
    /// Idle timeout of a session.
    pub idle: Duration,
    /// Unix ms.
    pub now: u64,
}

/// The outcome of [`SessionStore::enter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entering {
    /// The session is live now. The others were ended to make room for it.
    Entered(Box<Session>, Vec<SessionHandle>),
    /// The session was entered before, and no frame key is bound: the response to the earlier request was lost.
    Again(Box<Session>),
    /// The user is at the cap, and new sessions are rejected there. Nothing was changed.
    AtCap,
    /// There is no session to enter.
    NoSession,
}

/// The input of [`SessionStore::authorize_request`].
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
    /// Idle timeout of a session.
    pub idle: Duration,
    /// Lifetime of a nonce.
    pub nonce_life: Duration,
    /// The session's counter to use: `changes` or `reads`.
    pub counter: &'static str,
    /// The counter's limit.
    pub limit: Limit,
    /// Whether the request counts as use, which resets the idle timeout.
    pub touch: bool,
    /// Statistics of the request's interaction proof.
    pub sample: Option<Sample>,
    /// Whether the request has proven the session's device, if it must.
    pub device: DeviceProof,
    /// The lowest tier that the request needs.
    pub tier: Tier,
}

/// Whether a request comes from the device that its session is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceProof {
    /// It has a valid device cookie of the session.
    Valid,
    /// It has none.
    Missing,
    /// It is for the sign origin, which does not get the cookie.
    NotNeeded,
}

/// The outcome of [`SessionStore::authorize_request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Authorization {
    /// The nonce is spent, the request counted, `next` issued, `seen` updated if the request is use, and the sample
    /// added. The signature is not verified yet.
    Authorized(Box<Authorized>),
    /// The session never existed, is unentered, expired, idle or ended. The reason is given if it was ended.
    NoSession(Option<Ended>),
    /// The session is live and bound to a device, which the request does not prove. Nothing was changed.
    NoDeviceProof(Box<Session>),
    /// The session is live, but its tier is too low. Nothing was changed.
    TierTooLow(Box<Session>),
    /// The session is live, but the nonce is not one of its live nonces. Nothing was changed.
    BadNonce(Box<Session>),
    /// The session is live, but the nonce has been spent before. Nothing was changed.
    Replayed(Box<Session>),
    /// The limit is reached. The nonce is not spent.
    Limited(Quota),
}

/// What an authorized request gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorized {
    /// The session.
    pub session: Session,
    /// What is left of the limit.
    pub quota: Quota,
    /// Interaction statistics from before this request.
    pub history: History,
}

/// The input of [`SessionStore::bind_frame_key`]. The proof of possession of the key is verified already.
#[derive(Clone, Debug)]
pub struct BindFrameKey {
    /// The session.
    pub handle: SessionHandle,
    /// `SignSecret::hashed`.
    pub sign_secret: String,
    /// The frame key.
    pub key: PublicKey,
    /// The nonces to issue if the key is bound.
    pub nonces: Vec<Nonce>,
    /// Idle timeout of a session.
    pub idle: Duration,
    /// Unix ms.
    pub now: u64,
}

/// The outcome of [`SessionStore::bind_frame_key`], with the session as it is afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKeyBinding {
    /// The session had no frame key; now it has this one. The nonces are issued.
    Bound(Box<Session>),
    /// The session already had this frame key: the response to an earlier request was lost. The nonces are issued.
    Again(Box<Session>),
    /// The session has another frame key. This one is now its pending frame key, in place of an earlier one. No nonces
    /// are issued.
    Pending(Box<Session>),
    /// The key is the session's confirmation key, which must not sign anything else. Nothing was changed.
    ConfirmationKey,
    /// There is no such live session, or the secret is wrong. Nothing was changed.
    NoSession,
}

/// The input of [`SessionStore::issue_nonces`]. The request's signature is verified already.
#[derive(Clone, Debug)]
pub struct IssueNonces {
    /// The session.
    pub handle: SessionHandle,
    /// The nonce of the request, which the client invented.
    pub spent: Nonce,
    /// Creation time that the signature states: Unix ms, in whole seconds.
    pub created: u64,
    /// The nonces to issue.
    pub nonces: Vec<Nonce>,
    /// Idle timeout of a session.
    pub idle: Duration,
    /// Lifetime of a nonce; a spent nonce is remembered for the same time.
    pub nonce_life: Duration,
    /// Unix ms.
    pub now: u64,
}

/// The outcome of [`SessionStore::issue_nonces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceIssue {
    /// The nonces are issued. This is not use of the session.
    Issued,
    /// The invented nonce has been spent before. Nothing was changed.
    Replayed,
    /// The request was signed before the store was started or lost its memory, so it may have been answered before.
    /// Nothing was changed.
    TooOld,
    /// There is no such live session. Or the clock was set back to a time whose spent nonces are already forgotten, so
    /// the store cannot tell a new request from a replay.
    NoSession,
}

/// The result of [`SessionStore::settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// What [`SessionStore::record_outcome`] has recorded.
    Recorded(String),
    /// The nonce is spent, and no outcome is recorded.
    Spent,
    /// The nonce was live and is void now. No request with it will be accepted.
    Void,
    /// The nonce is neither live nor remembered.
    Unknown,
}

/// Keeps sessions. Each method is atomic.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Creates an unentered session. It does not count towards the cap: a sign-in whose response is lost must not end the
    /// session of another device.
    async fn create(&self, session: NewSession) -> Result<()>;

    /// A session before its `enter_by` that is unentered, or entered without a frame key.
    async fn find_enterable(&self, handle: &SessionHandle, now: u64) -> Result<Option<Enterable>>;

    /// Enters a session before its `enter_by`, which makes it live. At most one of any number of concurrent calls gets
    /// [`Entering::Entered`]. The user never has more entered sessions than the cap allows, however many calls run at once.
    async fn enter(&self, enter: EnterSession) -> Result<Entering>;

    /// Binds a frame key to a live session, all or nothing. Of several keys the first is bound; [`FrameKeyBinding`]
    /// says what happens to the others.
    async fn bind_frame_key(&self, bind: BindFrameKey) -> Result<FrameKeyBinding>;

    /// Authorizes a request in one round trip: checks that the session is live, the device is proven, the nonce is one of
    /// its live nonces, and the limit is kept. Only then spends the nonce, counts, issues the next nonce and updates `seen`. A request
    /// without a live nonce changes nothing, so a stolen cookie can use up neither nonces nor limits.
    async fn authorize_request(&self, request: AuthorizeRequest) -> Result<Authorization>;

    /// Offers a device's key (a JWK) to a live session that is not bound to a device. It replaces an earlier offer, and is
    /// bound by the first request with a [valid proof](DeviceProof::Valid). Returns whether it is offered or bound now.
    async fn offer_device(&self, handle: &SessionHandle, jwk: &str, idle: Duration, now: u64) -> Result<bool>;

    /// A live session. Does not update `seen`.
    async fn find(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>>;

    /// The reason why a session was ended. Kept until the session would have expired.
    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>>;

    /// All live sessions of a user, newest first.
    async fn list(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>>;

    /// The handles of all live sessions of a user, oldest first; then those of the unentered ones.
    async fn handles(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<SessionHandle>>;

    /// Records that the token of a live session was presented without its key. `None` if there is no such session.
    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>>;

    /// Replaces the frame key of a live session by the pending one, if that is `key`. Returns whether `key` is now the
    /// frame key; it may have been before.
    async fn restore_frame_key(
        &self,
        handle: &SessionHandle,
        key: &PublicKey,
        idle: Duration,
        now: u64,
    ) -> Result<bool>;

    /// Issues nonces to a live session. A request is answered once, even if the clock is set back or the store loses its
    /// memory.
    async fn issue_nonces(&self, request: IssueNonces) -> Result<NonceIssue>;

    /// Records the outcome of an authorized request, for `life`.
    async fn record_outcome(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        outcome: &str,
        life: Duration,
        now: u64,
    ) -> Result<()>;

    /// The outcome of the request with this nonce of a live session. A live nonce becomes void, so that the answer stays
    /// true. Later calls give the same answer, until `nonce_life` is over.
    async fn settle(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        idle: Duration,
        nonce_life: Duration,
        now: u64,
    ) -> Result<Settled>;

    /// Ends a session of this user. Afterwards only `reason` is left of it, until the session would have expired.
    /// Returns `false` if there is no such session.
    async fn end(&self, handle: &SessionHandle, user: &UserId, reason: Ended, now: u64) -> Result<bool>;
}
