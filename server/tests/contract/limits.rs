//! Limits are kept to the last request.

use std::time::Duration;

use server::store::{Authorization, AuthorizeRequest, Counted, Limit, Quota, SharedStore};

use super::fixture::*;

const TEN: Limit = Limit { max: 10, window: Duration::from_secs(60) };

/// Counts one more, and gives the time to wait when it is over the limit.
async fn counted(store: &SharedStore, counter: &str, limit: Limit, now: u64) -> Option<Duration> {
    match store.count(counter, limit, now).await.expect("the store answers") {
        Counted::Within(_) => None,
        Counted::Over(quota) => Some(quota.reset),
    }
}

pub(crate) async fn what_is_left_of_a_limit_is_told(store: SharedStore) {
    let counter = format!("sign_in:ip:{}", handle());
    let three = Limit { max: 3, ..TEN };
    let all = nonces::<4>();
    let handle = bound(&store, &all).await;
    for (at, nonce) in (0_u8..).zip(all).take(3) {
        let quota =
            Quota { limit: three, left: 2 - u32::from(at), reset: Duration::from_millis(60_000 - u64::from(at)) };
        let now = *T0 + u64::from(at);
        assert_eq!(store.count(&counter, three, now).await.expect("the store answers"), Counted::Within(quota));
        let admitted = admitted(&store, AuthorizeRequest { limit: three, ..request(handle, nonce, now) }).await;
        assert_eq!(admitted.quota, quota);
    }
    let over = Quota { limit: three, left: 0, reset: Duration::from_millis(59_990) };
    assert_eq!(store.count(&counter, three, *T0 + 10).await.expect("the store answers"), Counted::Over(over));
    let limited =
        authorize_request(&store, AuthorizeRequest { limit: three, ..request(handle, all[3], *T0 + 10) }).await;
    assert_eq!(limited, Authorization::Limited(over));
}

/// Uses up a session's limit, and gives nonces that are left.
async fn used_up(store: &SharedStore) -> (protocol::token::SessionHandle, [protocol::token::Nonce; 4]) {
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

pub(crate) async fn a_limited_request_keeps_its_nonce(store: SharedStore) {
    let (handle, [nonce, ..]) = used_up(&store).await;
    for _ in 0..3 {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit: TEN, ..request(handle, nonce, *T0 + MINUTE - 1) }).await,
            Verdict::Limited(Duration::from_millis(1))
        );
    }
    let session = store.session(&handle, IDLE, *T0).await.expect("the store answers");
    assert_eq!(session.map(|session| session.seen), Some(*T0));
    assert!(passes(&store, handle, nonce, *T0 + MINUTE).await);
}

pub(crate) async fn limits_hold_exactly_under_concurrency(store: SharedStore) {
    let all = nonces::<32>();
    let handle = bound(&store, &all).await;
    let answers = at_once(32, |i| {
        let (store, request) = (store.clone(), AuthorizeRequest { limit: TEN, ..request(handle, all[i], *T0) });
        async move { verdict(&store, request).await }
    })
    .await;
    assert_eq!(count(&answers, |answer| *answer == Verdict::Passed), 10);
    assert_eq!(count(&answers, |answer| *answer == Verdict::Limited(TEN.window)), 22);
}

pub(crate) async fn changes_and_reads_are_counted_apart(store: SharedStore) {
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

pub(crate) async fn a_session_limit_ends_with_its_window(store: SharedStore) {
    let (handle, left) = used_up(&store).await;
    for nonce in left {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit: TEN, ..request(handle, nonce, *T0 + MINUTE) }).await,
            Verdict::Passed
        );
    }
}

pub(crate) async fn a_count_holds_exactly_under_concurrency(store: SharedStore) {
    let counter = format!("sign_in:ip:{}", handle());
    let answers = at_once(100, |_| {
        let (store, counter) = (store.clone(), counter.clone());
        async move { counted(&store, &counter, TEN, *T0).await }
    })
    .await;
    assert_eq!(count(&answers, Option::is_none), 10);
    assert_eq!(count(&answers, |answer| *answer == Some(TEN.window)), 90);
    // Another counter is not touched.
    assert_eq!(counted(&store, &format!("{counter}:other"), TEN, *T0).await, None);
}

pub(crate) async fn a_count_ends_with_its_window(store: SharedStore) {
    let counter = format!("register:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for (now, left) in [(0, None), (1, Some(59_999)), (59_999, Some(1)), (60_000, None), (60_001, Some(59_999))] {
        let answer = counted(&store, &counter, one, *T0 + now).await;
        assert_eq!(answer, left.map(Duration::from_millis), "{now} ms later");
    }
}

pub(crate) async fn a_clock_set_back_lengthens_no_window(store: SharedStore) {
    let counter = format!("sign_in:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for now in [*T0, *T0 - 3 * HOUR] {
        assert_eq!(counted(&store, &counter, one, now).await, None);
    }
}
