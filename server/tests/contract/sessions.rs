//! When a session lives, and that it ends for good (attack 18).

use server::store::{Admission, SharedStore};

use super::fixture::*;

pub(crate) async fn an_unbound_session_admits_nothing(store: SharedStore) {
    let handle = open(&store).await;
    assert_eq!(admit(&store, request(handle, nonce(), *T0)).await, Admission::NoSession);
    assert!(!lives(&store, handle, *T0).await);
    assert!(!refill(&store, handle, nonce(), &nonces::<4>(), *T0).await);
}

pub(crate) async fn idle_and_absolute_expiry_end_a_session(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let idle = *T0 + 30 * MINUTE;
    assert!(lives(&store, handle, idle - 1).await);
    assert!(!lives(&store, handle, idle).await);
    assert_eq!(admit(&store, request(handle, one, idle)).await, Admission::NoSession);

    // Busy all day long, and over all the same.
    let end = *T0 + 24 * HOUR;
    let mut now = *T0;
    while now < end {
        assert!(refill(&store, handle, nonce(), &[nonce()], now).await);
        now += 20 * MINUTE;
    }
    assert!(lives(&store, handle, end - 1).await);
    assert!(!lives(&store, handle, end).await);
    assert_eq!(admit(&store, request(handle, other, end)).await, Admission::NoSession);
    assert!(!refill(&store, handle, nonce(), &[nonce()], end).await);
}

pub(crate) async fn use_keeps_a_session_from_idling(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0 + MINUTE).await);
    assert!(lives(&store, handle, *T0 + 31 * MINUTE - 1).await);
    assert!(!lives(&store, handle, *T0 + 31 * MINUTE).await);
}

pub(crate) async fn seen_never_moves_back(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    for (nonce, now) in [(one, *T0 + 500), (other, *T0 + 200)] {
        let Admission::Admitted(session) = admit(&store, request(handle, nonce, now)).await else {
            panic!("a request that nothing is wrong with is refused");
        };
        assert_eq!(session.seen, *T0 + 500);
    }
}

pub(crate) async fn an_ended_session_is_gone(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    store.end(&handle).await.expect("the store answers");
    assert!(!lives(&store, handle, *T0).await);
    assert_eq!(admit(&store, request(handle, one, *T0)).await, Admission::NoSession);
    assert!(!refill(&store, handle, nonce(), &[nonce()], *T0).await);
    store.end(&handle).await.expect("ending what is not there is no error");
}

pub(crate) async fn an_ended_session_is_not_resurrected_by_requests_in_flight(store: SharedStore) {
    for _ in 0..20 {
        let all = nonces::<32>();
        let handle = bound(&store, &all).await;
        at_once(65, |i| {
            let store = store.clone();
            async move {
                match i {
                    32 => store.end(&handle).await.expect("the store answers"),
                    0..32 => drop(passes(&store, handle, all[i], *T0).await),
                    _ => drop(refill(&store, handle, nonce(), &nonces::<4>(), *T0).await),
                }
            }
        })
        .await;
        assert!(!lives(&store, handle, *T0).await);
        // Nor is anything left for a session of that name.
        assert!(!store.challenge(&handle, SECRET, &challenge(), *T0).await.expect("the store answers"));
        store.open(new_session(handle)).await.expect("the store answers");
        assert_eq!(admit(&store, request(handle, all[0], *T0)).await, Admission::NoSession);
        store.end(&handle).await.expect("the store answers");
    }
}

pub(crate) async fn a_session_not_yet_bound_can_be_ended(store: SharedStore) {
    let handle = open(&store).await;
    store.end(&handle).await.expect("the store answers");
    assert!(!store.challenge(&handle, SECRET, &challenge(), *T0).await.expect("the store answers"));
}
