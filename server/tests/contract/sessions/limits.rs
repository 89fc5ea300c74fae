//! The request limits of a session hold exactly.

use std::time::Duration;

use protocol::token::{Nonce, SessionHandle};
use server::store::{Authorization, AuthorizeRequest, Limit, Quota};

use crate::contract::fixture::*;

const TEN: Limit = Limit { max: 10, window: Duration::from_secs(60) };

pub(crate) async fn authorized_request_returns_quota(store: Sessions) {
    let three = Limit { max: 3, ..TEN };
    let all = nonces::<4>();
    let handle = bound(&store, &all).await;
    for (at, nonce) in (0_u8..).zip(all).take(3) {
        let quota =
            Quota { limit: three, left: 2 - u32::from(at), reset: Duration::from_millis(60_000 - u64::from(at)) };
        let now = *T0 + u64::from(at);
        let authorized = authorized(&store, AuthorizeRequest { limit: three, ..request(handle, nonce, now) }).await;
        assert_eq!(authorized.quota, quota);
    }
    let over = Quota { limit: three, left: 0, reset: Duration::from_millis(59_990) };
    let limited =
        authorize_request(&store, AuthorizeRequest { limit: three, ..request(handle, all[3], *T0 + 10) }).await;
    assert_eq!(limited, Authorization::Limited(over));
}

/// Uses up the limit of a session. Returns its remaining nonces.
async fn used_up(store: &Sessions) -> (SessionHandle, [Nonce; 4]) {
    let all = nonces::<14>();
    let handle = bound(store, &all).await;
    for &nonce in &all[4..] {
        assert_eq!(
            verdict(store, AuthorizeRequest { limit: TEN, ..request(handle, nonce, *T0) }).await,
            Verdict::Passed
        );
    }
    (handle, [all[0], all[1], all[2], all[3]])
}

pub(crate) async fn limited_request_keeps_its_nonce(store: Sessions) {
    let (handle, [nonce, ..]) = used_up(&store).await;
    for _ in 0..3 {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit: TEN, ..request(handle, nonce, *T0 + MINUTE - 1) }).await,
            Verdict::Limited(Duration::from_millis(1))
        );
    }
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers");
    assert_eq!(session.map(|session| session.seen), Some(*T0));
    assert!(passes(&store, handle, nonce, *T0 + MINUTE).await);
}

pub(crate) async fn concurrent_requests_stay_within_limit(store: Sessions) {
    let all = nonces::<32>();
    let handle = bound(&store, &all).await;
    let answers = concurrently(32, |i| {
        let (store, request) = (store.clone(), AuthorizeRequest { limit: TEN, ..request(handle, all[i], *T0) });
        async move { verdict(&store, request).await }
    })
    .await;
    assert_eq!(count(&answers, |answer| *answer == Verdict::Passed), 10);
    assert_eq!(count(&answers, |answer| *answer == Verdict::Limited(TEN.window)), 22);
}

pub(crate) async fn changes_and_reads_are_counted_separately(store: Sessions) {
    let (handle, [one, other, ..]) = used_up(&store).await;
    assert_eq!(
        verdict(&store, AuthorizeRequest { limit: TEN, ..request(handle, one, *T0) }).await,
        Verdict::Limited(TEN.window)
    );
    assert_eq!(
        verdict(&store, AuthorizeRequest { limit: TEN, counter: "reads", ..request(handle, other, *T0) }).await,
        Verdict::Passed
    );
}

pub(crate) async fn session_limit_resets_with_its_window(store: Sessions) {
    let (handle, left) = used_up(&store).await;
    for nonce in left {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit: TEN, ..request(handle, nonce, *T0 + MINUTE) }).await,
            Verdict::Passed
        );
    }
}
