//! The outcome of a request, by its nonce.

use protocol::token::{Nonce, SessionHandle};
use server::store::Settled;

use crate::contract::fixture::*;

async fn settle(store: &Sessions, handle: SessionHandle, nonce: Nonce, now: u64) -> Settled {
    store.settle(&handle, &nonce, IDLE, NONCE_LIFE, now).await.expect("the store answers")
}

pub(crate) async fn outcome_of_spent_nonce_is_recorded(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let stranger = bound(&store, &[]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert_eq!(settle(&store, handle, one, *T0).await, Settled::Spent);
    let outcome = "{\"state\":\"answered\"} \u{1F980}";
    store.record_outcome(&handle, &one, outcome, NONCE_LIFE, *T0).await.expect("the store answers");
    for _ in 0..2 {
        assert_eq!(settle(&store, handle, one, *T0).await, Settled::Recorded(outcome.to_owned()));
    }
    assert_eq!(settle(&store, stranger, one, *T0).await, Settled::Unknown, "of another session");
    assert_eq!(settle(&store, self::handle(), one, *T0).await, Settled::Unknown, "of no session");
    assert!(passes(&store, handle, other, *T0).await, "another nonce is not concerned");
}

pub(crate) async fn settling_voids_a_live_nonce(store: Sessions) {
    let [one, old] = nonces();
    let handle = bound(&store, &[one, old]).await;
    let late = concurrently(20, |n| {
        let store = store.clone();
        async move {
            if n % 2 == 0 {
                passes(&store, handle, one, *T0).await
            } else {
                settle(&store, handle, one, *T0).await == Settled::Void
            }
        }
    })
    .await;
    // Either one request passed and no answer was "void", or the reverse.
    let passed = late.iter().step_by(2).filter(|passed| **passed).count();
    let void = late.iter().skip(1).step_by(2).filter(|void| **void).count();
    assert!(passed <= 1 && (passed == 1) == (void == 0), "{passed} {void}");
    let nonce = nonce();
    assert_eq!(settle(&store, handle, nonce, *T0).await, Settled::Unknown, "never issued");
    assert_eq!(settle(&store, handle, old, *T0 + 300_000).await, Settled::Unknown, "too old to be accepted");
    assert!(!passes(&store, handle, old, *T0 + 300_000).await);
}
