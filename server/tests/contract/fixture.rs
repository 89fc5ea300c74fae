//! Sessions to test with. Handles are random, so tests of one Redis do not meet.

use std::{sync::LazyLock, time::Duration};

use protocol::{
    key::PublicKey,
    problem::Ended,
    token::{Challenge, Nonce, SessionHandle, SessionToken},
    user::UserName,
};
use server::{
    clock::Clock,
    random::random,
    store::{
        AtCap, Authorization, AuthorizeRequest, Authorized, Bind, Binding, Cap, IssueNonces, Limit, NewSession,
        NonceIssue, Opening, SharedStore,
    },
};

pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(crate) const NONCE_LIFE: Duration = Duration::from_secs(300);
pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const AMPLE: Limit = Limit { max: 1_000_000, window: Duration::from_secs(60) };

/// When every session here was opened. An hour ahead, so that it is after any store was started.
pub(crate) static T0: LazyLock<u64> = LazyLock::new(|| Clock::system().now() + HOUR);

pub(crate) const SECRET: &str = "what the store keeps of the sign secret";

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

/// Of the right shape; the store does not ask whether it is on the curve.
pub(crate) fn key() -> PublicKey {
    let mut point = [4; 65];
    point[1..].copy_from_slice(&bytes::<64>());
    PublicKey::from_sec1(&point).expect("the shape of a point")
}

/// A user that no other test has.
pub(crate) fn user() -> UserName {
    let name: String = handle().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("u{}", name.to_ascii_lowercase()).parse().expect("a user name")
}

pub(crate) const THREE: Cap = Cap { max: 3, at_cap: AtCap::EndOldest };

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
    }
}

/// A session that is yet to be entered.
pub(crate) async fn open(store: &SharedStore) -> SessionHandle {
    let handle = handle();
    assert_eq!(begin(store, new_session(handle), THREE).await, Opening::Opened(vec![]));
    handle
}

pub(crate) async fn begin(store: &SharedStore, session: NewSession, cap: Cap) -> Opening {
    store.open(session, cap, IDLE).await.expect("the store answers")
}

/// Ends a session, whosever it is.
pub(crate) async fn end(store: &SharedStore, handle: SessionHandle, why: Ended) -> bool {
    let session = store.session(&handle, IDLE, *T0).await.expect("the store answers");
    let user = session.map_or_else(user, |session| session.user);
    store.end(&handle, &user, why, *T0).await.expect("the store answers")
}

/// Enters a session, if that is possible.
pub(crate) async fn enter(store: &SharedStore, handle: SessionHandle, now: u64) -> bool {
    store.enter(&handle, now).await.expect("the store answers").is_some()
}

/// A session that was entered at [`T0`] and has no frame key.
pub(crate) async fn entered(store: &SharedStore) -> SessionHandle {
    let handle = open(store).await;
    assert!(enter(store, handle, *T0).await);
    handle
}

/// A session that was entered and bound at [`T0`] and has these nonces.
pub(crate) async fn bound(store: &SharedStore, nonces: &[Nonce]) -> SessionHandle {
    let handle = open(store).await;
    enter_and_bind(store, handle, nonces, *T0).await;
    handle
}

/// Enters a session and binds a frame key to it.
pub(crate) async fn enter_and_bind(store: &SharedStore, handle: SessionHandle, nonces: &[Nonce], now: u64) {
    assert!(enter(store, handle, now).await);
    let bind = Bind { now, ..binding(handle, key(), SECRET, nonces) };
    assert!(matches!(store.bind(bind).await.expect("the store answers"), Binding::Bound(_)));
}

fn binding(handle: SessionHandle, key: PublicKey, secret: &str, nonces: &[Nonce]) -> Bind {
    Bind { handle, sign_secret: secret.to_owned(), key, nonces: nonces.to_vec(), idle: IDLE, now: *T0 }
}

/// Binds a frame key.
pub(crate) async fn bind_with(
    store: &SharedStore,
    handle: SessionHandle,
    key: PublicKey,
    secret: &str,
    nonces: &[Nonce],
) -> Binding {
    store.bind(binding(handle, key, secret, nonces)).await.expect("the store answers")
}

/// As [`bind_with`], without nonces.
pub(crate) async fn bind_key(store: &SharedStore, handle: SessionHandle, key: PublicKey, secret: &str) -> Binding {
    bind_with(store, handle, key, secret, &[]).await
}

/// A request that nothing is wrong with.
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
    }
}

/// What was decided, without what was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    NoSession,
    BadNonce,
    Replayed,
    /// And how long to wait.
    Limited(Duration),
}

pub(crate) fn verdict_of(admission: &Authorization) -> Verdict {
    match admission {
        Authorization::Authorized(_) => Verdict::Passed,
        Authorization::NoSession(_) => Verdict::NoSession,
        Authorization::BadNonce(_) => Verdict::BadNonce,
        Authorization::Replayed(_) => Verdict::Replayed,
        Authorization::Limited(quota) => Verdict::Limited(quota.reset),
    }
}

pub(crate) async fn verdict(store: &SharedStore, request: AuthorizeRequest) -> Verdict {
    verdict_of(&authorize_request(store, request).await)
}

/// What an admitted request got.
pub(crate) async fn admitted(store: &SharedStore, request: AuthorizeRequest) -> Authorized {
    match authorize_request(store, request).await {
        Authorization::Authorized(admitted) => *admitted,
        other => panic!("a request that nothing is wrong with: {other:?}"),
    }
}

pub(crate) async fn authorize_request(store: &SharedStore, request: AuthorizeRequest) -> Authorization {
    store.authorize_request(request).await.expect("the store answers")
}

/// Admits a request with this nonce, and says whether it passed.
pub(crate) async fn passes(store: &SharedStore, handle: SessionHandle, nonce: Nonce, now: u64) -> bool {
    verdict(store, request(handle, nonce, now)).await == Verdict::Passed
}

pub(crate) async fn lives(store: &SharedStore, handle: SessionHandle, now: u64) -> bool {
    store.session(&handle, IDLE, now).await.expect("the store answers").is_some()
}

/// Asks for nonces with a request that was signed just now, and says whether they were issued.
pub(crate) async fn issue_nonces(
    store: &SharedStore,
    handle: SessionHandle,
    spent: Nonce,
    nonces: &[Nonce],
    now: u64,
) -> bool {
    refilled(store, asking(handle, spent, nonces, now)).await == NonceIssue::Done
}

/// A request for nonces that nothing is wrong with.
pub(crate) fn asking(handle: SessionHandle, spent: Nonce, nonces: &[Nonce], now: u64) -> IssueNonces {
    IssueNonces {
        handle,
        spent,
        restore: None,
        created: now,
        nonces: nonces.to_vec(),
        idle: IDLE,
        nonce_life: NONCE_LIFE,
        now,
    }
}

pub(crate) async fn refilled(store: &SharedStore, issue_nonces: IssueNonces) -> NonceIssue {
    store.issue_nonces(issue_nonces).await.expect("the store answers")
}

/// Runs many at the same time and gives what each gave.
pub(crate) async fn at_once<T: Send + 'static, F>(many: usize, one: impl Fn(usize) -> F) -> Vec<T>
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
