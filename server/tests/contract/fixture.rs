//! Test data. Handles and user names are random, so that tests can share one Redis.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use protocol::{
    action::Tier,
    key::PublicKey,
    problem::Ended,
    token::{Challenge, Nonce, SessionHandle, SessionToken},
};
use server::{
    clock::Clock,
    model::UserId,
    random::random,
    store::{
        AtCap, Authorization, AuthorizeRequest, Authorized, BindFrameKey, DeviceProof, EnterSession, Enterable,
        Entering, FrameKeyBinding, IssueNonces, Limit, NewSession, NonceIssue, SessionCap, SessionStore,
    },
};

pub(crate) type Sessions = Arc<dyn SessionStore>;

pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(crate) const NONCE_LIFE: Duration = Duration::from_secs(300);
pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const AMPLE: Limit = Limit { max: 1_000_000, window: Duration::from_secs(60) };

/// The time at which sessions are created: an hour ahead, so that it is later than the start of every store.
pub(crate) static T0: LazyLock<u64> = LazyLock::new(|| Clock::system().now() + HOUR);

pub(crate) const SECRET: &str = "hash of the sign secret";

fn bytes<const N: usize>() -> [u8; N] {
    random().expect("randomness")
}

pub(crate) fn handle() -> SessionHandle {
    SessionToken::new(bytes()).handle()
}

pub(crate) fn nonce() -> Nonce {
    Nonce::new(bytes())
}

pub(crate) fn nonces<const N: usize>() -> [Nonce; N] {
    std::array::from_fn(|_| nonce())
}

pub(crate) fn challenge() -> Challenge {
    Challenge::new(bytes())
}

/// A key of the right format. The store does not check that it is on the curve.
pub(crate) fn key() -> PublicKey {
    let mut point = [4; 65];
    point[1..].copy_from_slice(&bytes::<64>());
    PublicKey::from_sec1(&point).expect("the shape of a point")
}

/// A user that no other test has, whose ID has every special character that stores and encodings might trip over.
pub(crate) fn user() -> UserId {
    format!("}}{{{}:*'\"\\@example.org", handle()).parse().expect("a user ID")
}

pub(crate) const CAP_OF_3: SessionCap = SessionCap { max: 3, at_cap: AtCap::EndOldest };

pub(crate) fn new_session(handle: SessionHandle) -> NewSession {
    NewSession {
        handle,
        user: user(),
        confirmation_key: key(),
        created: *T0,
        enter_by: *T0 + MINUTE,
        expires: *T0 + 24 * HOUR,
        ip: "2001:db8::1".to_owned(),
        agent: "Agent \"é\" {1}\r\n\u{1F980}".to_owned(),
        sign_secret: SECRET.to_owned(),
        replaces: None,
    }
}

/// Creates an unentered session.
pub(crate) async fn unentered(store: &Sessions) -> SessionHandle {
    let handle = handle();
    create(store, new_session(handle)).await;
    handle
}

pub(crate) async fn create(store: &Sessions, session: NewSession) {
    store.create(session).await.expect("the store answers");
}

/// Ends a session of any user.
pub(crate) async fn end(store: &Sessions, handle: SessionHandle, why: Ended) -> bool {
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers");
    let user = session.map_or_else(user, |session| session.user);
    store.end(&handle, &user, why, *T0).await.expect("the store answers")
}

/// Enters a session. Returns whether that was possible.
pub(crate) async fn enter(store: &Sessions, handle: SessionHandle, now: u64) -> bool {
    matches!(enter_within(store, handle, CAP_OF_3, now).await, Entering::Entered(..))
}

/// Enters a session of any user.
pub(crate) async fn enter_within(store: &Sessions, handle: SessionHandle, cap: SessionCap, now: u64) -> Entering {
    let Some(Enterable { session, .. }) = store.find_enterable(&handle, now).await.expect("the store answers") else {
        return Entering::NoSession;
    };
    let enter = EnterSession { handle, user: session.user, cap, idle: IDLE, now };
    store.enter(enter).await.expect("the store answers")
}

/// Creates a session that is entered at [`T0`] and has no frame key.
pub(crate) async fn entered(store: &Sessions) -> SessionHandle {
    let handle = unentered(store).await;
    assert!(enter(store, handle, *T0).await);
    handle
}

/// Creates a session that is entered and bound at [`T0`], with these nonces.
pub(crate) async fn bound(store: &Sessions, nonces: &[Nonce]) -> SessionHandle {
    let handle = unentered(store).await;
    enter_and_bind(store, handle, nonces, *T0).await;
    handle
}

/// Enters a session and binds a frame key to it.
pub(crate) async fn enter_and_bind(store: &Sessions, handle: SessionHandle, nonces: &[Nonce], now: u64) {
    assert!(enter(store, handle, now).await);
    let bind = BindFrameKey { now, ..binding(handle, key(), SECRET, nonces) };
    assert!(matches!(store.bind_frame_key(bind).await.expect("the store answers"), FrameKeyBinding::Bound(_)));
}

fn binding(handle: SessionHandle, key: PublicKey, secret: &str, nonces: &[Nonce]) -> BindFrameKey {
    BindFrameKey { handle, sign_secret: secret.to_owned(), key, nonces: nonces.to_vec(), idle: IDLE, now: *T0 }
}

/// Binds a frame key and issues these nonces.
pub(crate) async fn bind_with(
    store: &Sessions,
    handle: SessionHandle,
    key: PublicKey,
    secret: &str,
    nonces: &[Nonce],
) -> FrameKeyBinding {
    store.bind_frame_key(binding(handle, key, secret, nonces)).await.expect("the store answers")
}

/// As [`bind_with`], without nonces.
pub(crate) async fn bind_key(store: &Sessions, handle: SessionHandle, key: PublicKey, secret: &str) -> FrameKeyBinding {
    bind_with(store, handle, key, secret, &[]).await
}

/// A valid request.
pub(crate) fn request(handle: SessionHandle, nonce: Nonce, now: u64) -> AuthorizeRequest {
    AuthorizeRequest {
        handle,
        nonce,
        next: self::nonce(),
        now,
        idle: IDLE,
        nonce_life: NONCE_LIFE,
        counter: "changes",
        limit: AMPLE,
        touch: true,
        sample: None,
        device: DeviceProof::NotNeeded,
        tier: Tier::Browser,
    }
}

/// An [`Authorization`] without its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    NoSession,
    BadNonce,
    NoDevice,
    Replayed,
    /// With the time to wait.
    Limited(Duration),
}

pub(crate) fn verdict_of(authorization: &Authorization) -> Verdict {
    match authorization {
        Authorization::Authorized(_) => Verdict::Passed,
        Authorization::NoSession(_) => Verdict::NoSession,
        Authorization::NoDeviceProof(_) | Authorization::TierTooLow(_) => Verdict::NoDevice,
        Authorization::BadNonce(_) => Verdict::BadNonce,
        Authorization::Replayed(_) => Verdict::Replayed,
        Authorization::Limited(quota) => Verdict::Limited(quota.reset),
    }
}

pub(crate) async fn verdict(store: &Sessions, request: AuthorizeRequest) -> Verdict {
    verdict_of(&authorize_request(store, request).await)
}

/// Authorizes a valid request.
pub(crate) async fn authorized(store: &Sessions, request: AuthorizeRequest) -> Authorized {
    match authorize_request(store, request).await {
        Authorization::Authorized(authorized) => *authorized,
        other => panic!("a valid request: {other:?}"),
    }
}

pub(crate) async fn authorize_request(store: &Sessions, request: AuthorizeRequest) -> Authorization {
    store.authorize_request(request).await.expect("the store answers")
}

/// Whether a request with this nonce is authorized.
pub(crate) async fn passes(store: &Sessions, handle: SessionHandle, nonce: Nonce, now: u64) -> bool {
    verdict(store, request(handle, nonce, now)).await == Verdict::Passed
}

pub(crate) async fn is_live(store: &Sessions, handle: SessionHandle, now: u64) -> bool {
    store.find(&handle, IDLE, now).await.expect("the store answers").is_some()
}

/// Requests nonces with a request that was signed at `now`. Returns whether they were issued.
pub(crate) async fn issue_nonces(
    store: &Sessions,
    handle: SessionHandle,
    spent: Nonce,
    nonces: &[Nonce],
    now: u64,
) -> bool {
    nonce_issue(store, nonce_request(handle, spent, nonces, now)).await == NonceIssue::Issued
}

/// A valid request for nonces.
pub(crate) fn nonce_request(handle: SessionHandle, spent: Nonce, nonces: &[Nonce], now: u64) -> IssueNonces {
    IssueNonces { handle, spent, created: now, nonces: nonces.to_vec(), idle: IDLE, nonce_life: NONCE_LIFE, now }
}

pub(crate) async fn nonce_issue(store: &Sessions, issue_nonces: IssueNonces) -> NonceIssue {
    store.issue_nonces(issue_nonces).await.expect("the store answers")
}

/// Runs many futures concurrently. Returns their results.
pub(crate) async fn concurrently<T: Send + 'static, F>(many: usize, one: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..many).map(|i| tokio::spawn(one(i))).collect();
    let mut done = Vec::new();
    for one in running {
        done.push(one.await.expect("no panic"));
    }
    done
}

pub(crate) fn count<T>(all: &[T], is: impl Fn(&T) -> bool) -> usize {
    all.iter().filter(|one| is(one)).count()
}
