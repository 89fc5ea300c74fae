//! A nonce is good once, for one session, for a while (attacks 10, 11 and 22).

use std::time::Duration;

use server::store::{Authorization, AuthorizeRequest, IssueNonces, Limit, MAX_NONCES, NonceIssue, SharedStore};

use super::fixture::*;

pub(crate) async fn a_nonce_is_spent_once(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert_eq!(verdict(&store, request(handle, one, *T0 + 299_999)).await, Verdict::Replayed);
}

pub(crate) async fn a_refused_nonce_comes_with_the_session_that_it_was_refused_in(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let Authorization::BadNonce(session) = authorize_request(&store, request(handle, nonce(), *T0)).await else {
        panic!("an invented nonce passes");
    };
    assert_eq!(store.session(&handle, IDLE, *T0).await.expect("the store answers").as_ref(), Some(&*session));
}

pub(crate) async fn a_thousand_concurrent_admits_of_one_nonce_pass_once(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let passed = at_once(1000, |_| {
        let store = store.clone();
        async move { passes(&store, handle, one, *T0).await }
    })
    .await;
    assert_eq!(count(&passed, |passed| *passed), 1);
}

pub(crate) async fn the_next_nonce_is_good_for_the_next_request(store: SharedStore) {
    let mut one = nonce();
    let handle = bound(&store, &[one]).await;
    for i in 0..100 {
        let request = request(handle, one, *T0 + i * 1000);
        one = request.next;
        assert_eq!(verdict(&store, request).await, Verdict::Passed);
    }
}

pub(crate) async fn a_nonce_of_another_session_is_refused(store: SharedStore) {
    let one = nonce();
    let (owner, other) = (bound(&store, &[one]).await, bound(&store, &[nonce()]).await);
    assert_eq!(verdict(&store, request(other, one, *T0)).await, Verdict::BadNonce);
    assert!(passes(&store, owner, one, *T0).await);
}

pub(crate) async fn a_nonce_dies_of_age(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let dead = *T0 + 300_000;
    assert!(passes(&store, handle, one, dead - 1).await);
    assert_eq!(verdict(&store, request(handle, other, dead)).await, Verdict::BadNonce);
}

pub(crate) async fn a_bad_nonce_changes_nothing(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let limit = Limit { max: 2, window: Duration::from_secs(60) };
    let before = store.session(&handle, IDLE, *T0).await.expect("the store answers");
    for _ in 0..MAX_NONCES + 8 {
        let invented = request(handle, nonce(), *T0 + 1);
        let next = invented.next;
        assert_eq!(verdict(&store, AuthorizeRequest { limit, ..invented }).await, Verdict::BadNonce);
        assert_eq!(verdict(&store, request(handle, next, *T0 + 1)).await, Verdict::BadNonce);
    }
    // Neither `seen`, nor the limit, nor the owner's nonces.
    assert_eq!(store.session(&handle, IDLE, *T0).await.expect("the store answers"), before);
    for nonce in [one, other] {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit, ..request(handle, nonce, *T0 + 2) }).await,
            Verdict::Passed
        );
    }
}

pub(crate) async fn at_most_32_nonces_live(store: SharedStore) {
    let first = nonces::<4>();
    let handle = bound(&store, &first).await;
    let later = nonces::<30>();
    assert!(issue_nonces(&store, handle, nonce(), &later, *T0 + 1).await);
    let mut alive = 0;
    for one in first.iter().chain(&later) {
        // A refused request leaves no nonce; a passed one leaves its next, which is the youngest.
        let passed = passes(&store, handle, *one, *T0 + 2).await;
        assert!(passed || first.contains(one), "a younger nonce was dropped before an older one");
        alive += usize::from(passed);
    }
    assert_eq!(alive, MAX_NONCES);
}

pub(crate) async fn the_oldest_nonce_is_dropped_even_when_requests_overtake_each_other(store: SharedStore) {
    let (younger, [older]) = (nonces::<MAX_NONCES>(), nonces());
    let handle = bound(&store, &[]).await;
    assert!(issue_nonces(&store, handle, nonce(), &younger, *T0 + 10).await);
    assert!(issue_nonces(&store, handle, nonce(), &[older], *T0 + 5).await);
    assert_eq!(verdict(&store, request(handle, older, *T0 + 10)).await, Verdict::BadNonce);
    assert!(passes(&store, handle, younger[0], *T0 + 10).await);
}

pub(crate) async fn an_invented_nonce_refills_once(store: SharedStore) {
    let handle = bound(&store, &[]).await;
    let invented = nonce();
    let issued = at_once(100, |_| {
        let (store, fresh) = (store.clone(), nonce());
        async move { issue_nonces(&store, handle, invented, &[fresh], *T0 + 1).await.then_some(fresh) }
    })
    .await;
    let issued: Vec<_> = issued.into_iter().flatten().collect();
    let [fresh] = issued[..] else { panic!("{} refills with one nonce", issued.len()) };
    assert!(passes(&store, handle, fresh, *T0 + 1).await);
    assert!(!issue_nonces(&store, handle, invented, &[nonce()], *T0 + 299_999).await);
}

pub(crate) async fn an_invented_nonce_admits_nothing(store: SharedStore) {
    let handle = bound(&store, &[]).await;
    let invented = nonce();
    assert!(issue_nonces(&store, handle, invented, &[], *T0).await);
    assert_eq!(verdict(&store, request(handle, invented, *T0)).await, Verdict::Replayed);
}

pub(crate) async fn a_refill_needs_a_living_session(store: SharedStore) {
    assert!(!issue_nonces(&store, handle(), nonce(), &[nonce()], *T0).await);
    let [one, fresh] = nonces();
    let (handle, other) = (bound(&store, &[one]).await, bound(&store, &[]).await);
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], *T0).await);
    assert_eq!(verdict(&store, request(other, fresh, *T0)).await, Verdict::BadNonce);
}

pub(crate) async fn an_idle_session_is_not_refilled(store: SharedStore) {
    let one = nonce();
    let (handle, busy) = (bound(&store, &[]).await, bound(&store, &[one]).await);
    let idle = *T0 + 30 * MINUTE;
    assert!(passes(&store, busy, one, *T0 + 1).await);
    assert_eq!(refilled(&store, asking(handle, nonce(), &[], idle)).await, NonceIssue::NoSession);
    assert_eq!(refilled(&store, asking(busy, nonce(), &[], idle)).await, NonceIssue::Done, "it was used");
    assert_eq!(refilled(&store, asking(self::handle(), nonce(), &[], idle)).await, NonceIssue::NoSession);
}

/// A spent nonce is remembered for as long as nonces live. Were the clock then set back, what was signed long ago would
/// be fresh once more, and its nonce unknown.
pub(crate) async fn a_refill_is_not_repeated_whatever_the_clock_does(store: SharedStore) {
    let (handle, young) = (bound(&store, &[]).await, bound(&store, &[]).await);
    let (signed, life) = (*T0 + 1_000, 300_000);
    let ahead = IssueNonces { created: signed + 6_000, ..asking(handle, nonce(), &[], signed) };
    let kept = [asking(handle, nonce(), &[], signed), ahead];
    for kept in &kept {
        assert_eq!(refilled(&store, kept.clone()).await, NonceIssue::Done);
        assert_eq!(refilled(&store, kept.clone()).await, NonceIssue::Replayed);
    }
    // A while later they are forgotten, one by one.
    for later in [signed + life, signed + life + 6_000] {
        assert!(issue_nonces(&store, handle, nonce(), &[], later).await);
        for kept in &kept {
            for now in [signed, kept.created, later] {
                let again = refilled(&store, IssueNonces { now, ..kept.clone() }).await;
                assert!(matches!(again, NonceIssue::Replayed | NonceIssue::NoSession), "{again:?}");
            }
        }
    }
    // Its owner cannot be told from whoever has kept those, and must sign in again; who has nothing forgotten goes on.
    assert_eq!(refilled(&store, asking(handle, nonce(), &[], signed)).await, NonceIssue::NoSession);
    assert_eq!(refilled(&store, asking(young, nonce(), &[], signed)).await, NonceIssue::Done);
    // Where the clock is right again, all do.
    assert!(issue_nonces(&store, handle, nonce(), &[], signed + life + 7_000).await);
}

pub(crate) async fn a_clock_set_back_locks_nobody_out(store: SharedStore) {
    let all = nonces::<MAX_NONCES>();
    let handle = bound(&store, &all).await;
    let now = *T0 - 3 * HOUR;
    // What was issued "later" is void, and does not push out what is issued now.
    assert_eq!(verdict(&store, request(handle, all[0], now)).await, Verdict::BadNonce);
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], now).await);
    assert!(passes(&store, handle, fresh, now).await);
}
