//! The contract of [`ChallengeStore`]: a challenge is taken once, before it expires (attack 25).

use std::sync::Arc;

use protocol::token::Challenge;
use server::store::ChallengeStore;

use super::fixture::*;

/// Makes a test of each rule of [`ChallengeStore`], on the store that `$store` returns.
macro_rules! challenge_store {
    ($store:expr) => {
        rules! {
            $store => challenges:
                concurrent_takes_get_challenge_once
                expired_challenge_is_not_taken
                unknown_challenge_is_not_taken
        }
    };
}
pub(crate) use challenge_store;

async fn take(store: &dyn ChallengeStore, challenge: &Challenge, now: u64) -> bool {
    store.take(challenge, now).await.expect("the store answers")
}

pub(crate) async fn concurrent_takes_get_challenge_once(store: Arc<dyn ChallengeStore>) {
    let challenge = challenge();
    store.add(&challenge, *T0 + MINUTE, *T0).await.expect("the store answers");
    let taken = concurrently(100, |_| {
        let store = store.clone();
        async move { take(store.as_ref(), &challenge, *T0).await }
    })
    .await;
    assert_eq!(count(&taken, |taken| *taken), 1);
}

pub(crate) async fn expired_challenge_is_not_taken(store: Arc<dyn ChallengeStore>) {
    let [late, early] = [challenge(), challenge()];
    for challenge in [late, early] {
        store.add(&challenge, *T0 + MINUTE, *T0).await.expect("the store answers");
    }
    assert!(!take(store.as_ref(), &late, *T0 + MINUTE).await);
    assert!(!take(store.as_ref(), &late, *T0).await, "a late call removes it");
    assert!(take(store.as_ref(), &early, *T0 + MINUTE - 1).await);
}

pub(crate) async fn unknown_challenge_is_not_taken(store: Arc<dyn ChallengeStore>) {
    assert!(!take(store.as_ref(), &challenge(), *T0).await);
}
