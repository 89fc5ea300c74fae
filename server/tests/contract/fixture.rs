//! Sessions to test with. Handles are random, so tests of one Redis do not meet.

use std::{sync::LazyLock, time::Duration};

use protocol::{
    key::PublicKey,
    token::{Challenge, Nonce, SessionHandle, SessionToken},
};
use server::{
    clock::{Clock, random},
    store::{Admission, Admit, Limit, NewSession, SharedStore},
};

pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(crate) const NONCE_LIFE: Duration = Duration::from_secs(300);
pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const AMPLE: Limit = Limit { max: 1_000_000, window: Duration::from_secs(60) };

/// When every session here was opened. An hour ahead, so that it is after any store was started.
pub(crate) static T0: LazyLock<u64> = LazyLock::new(|| Clock::system().now() + HOUR);

pub(crate) const SECRET: &str = "what the store keeps of the bind secret";

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

pub(crate) fn new_session(handle: SessionHandle) -> NewSession {
    NewSession {
        handle,
        user: "ada".parse().expect("a user name"),
        created: *T0,
        bind_by: *T0 + MINUTE,
        expires: *T0 + 24 * HOUR,
        ip: "2001:db8::1".to_owned(),
        agent: "Agent \"é\" {1}\r\n\u{1F980}".to_owned(),
        bind_secret: SECRET.to_owned(),
    }
}

/// A session that waits for its key.
pub(crate) async fn open(store: &SharedStore) -> SessionHandle {
    let handle = handle();
    store.open(new_session(handle)).await.expect("the store answers");
    handle
}

/// A session that was bound at [`T0`] and has these nonces.
pub(crate) async fn bound(store: &SharedStore, nonces: &[Nonce]) -> SessionHandle {
    let (handle, challenge) = (open(store).await, challenge());
    assert!(store.challenge(&handle, SECRET, &challenge, *T0).await.expect("the store answers"));
    assert!(store.bind(&handle, SECRET, &challenge, &key(), nonces, *T0).await.expect("the store answers"));
    handle
}

/// A request that nothing is wrong with.
pub(crate) fn request(handle: SessionHandle, nonce: Nonce, now: u64) -> Admit {
    Admit {
        handle,
        nonce,
        next: self::nonce(),
        now,
        idle: IDLE,
        nonce_life: NONCE_LIFE,
        counter: "changes",
        limit: AMPLE,
    }
}

pub(crate) async fn admit(store: &SharedStore, request: Admit) -> Admission {
    store.admit(request).await.expect("the store answers")
}

/// Admits a request with this nonce, and says whether it passed.
pub(crate) async fn passes(store: &SharedStore, handle: SessionHandle, nonce: Nonce, now: u64) -> bool {
    matches!(admit(store, request(handle, nonce, now)).await, Admission::Admitted(_))
}

pub(crate) async fn lives(store: &SharedStore, handle: SessionHandle, now: u64) -> bool {
    store.session(&handle, IDLE, now).await.expect("the store answers").is_some()
}

pub(crate) async fn refill(
    store: &SharedStore,
    handle: SessionHandle,
    spent: Nonce,
    nonces: &[Nonce],
    now: u64,
) -> bool {
    store.refill(&handle, &spent, nonces, NONCE_LIFE, now).await.expect("the store answers")
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
