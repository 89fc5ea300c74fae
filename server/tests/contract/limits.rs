//! Limits are kept to the last request.

use std::time::Duration;

use server::store::{Admission, Admit, Limit, SharedStore};

use super::fixture::*;

const TEN: Limit = Limit { max: 10, window: Duration::from_secs(60) };

/// Uses up a session's limit, and gives nonces that are left.
async fn used_up(store: &SharedStore) -> (protocol::token::SessionHandle, [protocol::token::Nonce; 4]) {
    let all = nonces::<14>();
    let handle = bound(store, &all).await;
    for &nonce in &all[4..] {
        let admitted = admit(store, Admit { limit: TEN, ..request(handle, nonce, *T0) }).await;
        assert!(matches!(admitted, Admission::Admitted(_)), "{admitted:?}");
    }
    (handle, [all[0], all[1], all[2], all[3]])
}

pub(crate) async fn a_limited_request_keeps_its_nonce(store: SharedStore) {
    let (handle, [nonce, ..]) = used_up(&store).await;
    for _ in 0..3 {
        let limited = admit(&store, Admit { limit: TEN, ..request(handle, nonce, *T0 + MINUTE - 1) }).await;
        assert_eq!(limited, Admission::Limited(Duration::from_millis(1)));
    }
    let session = store.session(&handle, IDLE, *T0).await.expect("the store answers");
    assert_eq!(session.map(|session| session.seen), Some(*T0));
    assert!(passes(&store, handle, nonce, *T0 + MINUTE).await);
}

pub(crate) async fn limits_hold_exactly_under_concurrency(store: SharedStore) {
    let all = nonces::<32>();
    let handle = bound(&store, &all).await;
    let answers = at_once(32, |i| {
        let (store, request) = (store.clone(), Admit { limit: TEN, ..request(handle, all[i], *T0) });
        async move { admit(&store, request).await }
    })
    .await;
    assert_eq!(count(&answers, |answer| matches!(answer, Admission::Admitted(_))), 10);
    assert_eq!(count(&answers, |answer| *answer == Admission::Limited(TEN.window)), 22);
}

pub(crate) async fn changes_and_reads_are_counted_apart(store: SharedStore) {
    let (handle, [one, other, ..]) = used_up(&store).await;
    let limited = admit(&store, Admit { limit: TEN, ..request(handle, one, *T0) }).await;
    assert_eq!(limited, Admission::Limited(TEN.window));
    let admitted = admit(&store, Admit { limit: TEN, counter: "reads", ..request(handle, other, *T0) }).await;
    assert!(matches!(admitted, Admission::Admitted(_)), "{admitted:?}");
}

pub(crate) async fn a_session_limit_ends_with_its_window(store: SharedStore) {
    let (handle, left) = used_up(&store).await;
    for nonce in left {
        let admitted = admit(&store, Admit { limit: TEN, ..request(handle, nonce, *T0 + MINUTE) }).await;
        assert!(matches!(admitted, Admission::Admitted(_)), "{admitted:?}");
    }
}

pub(crate) async fn a_count_holds_exactly_under_concurrency(store: SharedStore) {
    let counter = format!("sign_in:ip:{}", handle());
    let answers = at_once(100, |_| {
        let (store, counter) = (store.clone(), counter.clone());
        async move { store.count(&counter, TEN, *T0).await.expect("the store answers") }
    })
    .await;
    assert_eq!(count(&answers, Option::is_none), 10);
    assert_eq!(count(&answers, |answer| *answer == Some(TEN.window)), 90);
    // Another counter is not touched.
    assert_eq!(store.count(&format!("{counter}:other"), TEN, *T0).await.expect("the store answers"), None);
}

pub(crate) async fn a_count_ends_with_its_window(store: SharedStore) {
    let counter = format!("register:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for (now, left) in [(0, None), (1, Some(59_999)), (59_999, Some(1)), (60_000, None), (60_001, Some(59_999))] {
        let answer = store.count(&counter, one, *T0 + now).await.expect("the store answers");
        assert_eq!(answer, left.map(Duration::from_millis), "{now} ms later");
    }
}

pub(crate) async fn a_clock_set_back_lengthens_no_window(store: SharedStore) {
    let counter = format!("sign_in:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for now in [*T0, *T0 - 3 * HOUR] {
        assert_eq!(store.count(&counter, one, now).await.expect("the store answers"), None);
    }
}
