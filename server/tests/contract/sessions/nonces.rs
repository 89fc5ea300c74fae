//! A nonce is spent once, in its session, before it expires (attacks 10, 11 and 22).

use std::time::Duration;

use server::store::{Authorization, AuthorizeRequest, IssueNonces, Limit, MAX_NONCES, NonceIssue};

use crate::contract::fixture::*;

pub(crate) async fn nonce_is_spent_once(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0).await);
    assert_eq!(verdict(&store, request(handle, one, *T0 + 299_999)).await, Verdict::Replayed);
}

pub(crate) async fn rejected_nonce_returns_the_session(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let Authorization::BadNonce(session) = authorize_request(&store, request(handle, nonce(), *T0)).await else {
        panic!("an unknown nonce passes");
    };
    assert_eq!(store.find(&handle, IDLE, *T0).await.expect("the store answers").as_ref(), Some(&*session));
}

pub(crate) async fn thousand_concurrent_uses_of_nonce_pass_once(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let passed = concurrently(1000, |_| {
        let store = store.clone();
        async move { passes(&store, handle, one, *T0).await }
    })
    .await;
    assert_eq!(count(&passed, |passed| *passed), 1);
}

pub(crate) async fn next_nonce_is_live_for_next_request(store: Sessions) {
    let mut one = nonce();
    let handle = bound(&store, &[one]).await;
    for i in 0..100 {
        let request = request(handle, one, *T0 + i * 1000);
        one = request.next;
        assert_eq!(verdict(&store, request).await, Verdict::Passed);
    }
}

pub(crate) async fn nonce_of_another_session_is_rejected(store: Sessions) {
    let one = nonce();
    let (owner, other) = (bound(&store, &[one]).await, bound(&store, &[nonce()]).await);
    assert_eq!(verdict(&store, request(other, one, *T0)).await, Verdict::BadNonce);
    assert!(passes(&store, owner, one, *T0).await);
}

pub(crate) async fn nonce_expires(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let dead = *T0 + 300_000;
    assert!(passes(&store, handle, one, dead - 1).await);
    assert_eq!(verdict(&store, request(handle, other, dead)).await, Verdict::BadNonce);
}

pub(crate) async fn bad_nonce_changes_nothing(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let limit = Limit { max: 2, window: Duration::from_secs(60) };
    let before = store.find(&handle, IDLE, *T0).await.expect("the store answers");
    for _ in 0..MAX_NONCES + 8 {
        let generated = request(handle, nonce(), *T0 + 1);
        let next = generated.next;
        assert_eq!(verdict(&store, AuthorizeRequest { limit, ..generated }).await, Verdict::BadNonce);
        assert_eq!(verdict(&store, request(handle, next, *T0 + 1)).await, Verdict::BadNonce);
    }
    // It changes neither `seen` nor the limit nor the owner's nonces.
    assert_eq!(store.find(&handle, IDLE, *T0).await.expect("the store answers"), before);
    for nonce in [one, other] {
        assert_eq!(
            verdict(&store, AuthorizeRequest { limit, ..request(handle, nonce, *T0 + 2) }).await,
            Verdict::Passed
        );
    }
}

pub(crate) async fn at_most_32_nonces_are_live(store: Sessions) {
    let first = nonces::<4>();
    let handle = bound(&store, &first).await;
    let later = nonces::<30>();
    assert!(issue_nonces(&store, handle, nonce(), &later, *T0 + 1).await);
    let mut alive = 0;
    for one in first.iter().chain(&later) {
        // A rejected request issues no nonce. An authorized request issues one, which is the youngest.
        let passed = passes(&store, handle, *one, *T0 + 2).await;
        assert!(passed || first.contains(one), "a younger nonce was dropped before an older one");
        alive += usize::from(passed);
    }
    assert_eq!(alive, MAX_NONCES);
}

pub(crate) async fn late_issue_drops_the_oldest_nonce(store: Sessions) {
    let (younger, [older]) = (nonces::<MAX_NONCES>(), nonces());
    let handle = bound(&store, &[]).await;
    assert!(issue_nonces(&store, handle, nonce(), &younger, *T0 + 10).await);
    assert!(issue_nonces(&store, handle, nonce(), &[older], *T0 + 5).await);
    assert_eq!(verdict(&store, request(handle, older, *T0 + 10)).await, Verdict::BadNonce);
    assert!(passes(&store, handle, younger[0], *T0 + 10).await);
}

pub(crate) async fn invented_nonce_gets_nonces_once(store: Sessions) {
    let handle = bound(&store, &[]).await;
    let generated = nonce();
    let issued = concurrently(100, |_| {
        let (store, fresh) = (store.clone(), nonce());
        async move { issue_nonces(&store, handle, generated, &[fresh], *T0 + 1).await.then_some(fresh) }
    })
    .await;
    let issued: Vec<_> = issued.into_iter().flatten().collect();
    let [fresh] = issued[..] else { panic!("{} refills with one nonce", issued.len()) };
    assert!(passes(&store, handle, fresh, *T0 + 1).await);
    assert!(!issue_nonces(&store, handle, generated, &[nonce()], *T0 + 299_999).await);
}

pub(crate) async fn invented_nonce_authorizes_nothing(store: Sessions) {
    let handle = bound(&store, &[]).await;
    let generated = nonce();
    assert!(issue_nonces(&store, handle, generated, &[], *T0).await);
    assert_eq!(verdict(&store, request(handle, generated, *T0)).await, Verdict::Replayed);
}

pub(crate) async fn nonces_are_issued_only_to_live_session(store: Sessions) {
    assert!(!issue_nonces(&store, handle(), nonce(), &[nonce()], *T0).await);
    let [one, fresh] = nonces();
    let (handle, other) = (bound(&store, &[one]).await, bound(&store, &[]).await);
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], *T0).await);
    assert_eq!(verdict(&store, request(other, fresh, *T0)).await, Verdict::BadNonce);
}

pub(crate) async fn idle_session_gets_no_nonces(store: Sessions) {
    let one = nonce();
    let (handle, busy) = (bound(&store, &[]).await, bound(&store, &[one]).await);
    let idle = *T0 + 30 * MINUTE;
    assert!(passes(&store, busy, one, *T0 + 1).await);
    assert_eq!(nonce_issue(&store, nonce_request(handle, nonce(), &[], idle)).await, NonceIssue::NoSession);
    assert_eq!(nonce_issue(&store, nonce_request(busy, nonce(), &[], idle)).await, NonceIssue::Issued, "it was used");
    assert_eq!(nonce_issue(&store, nonce_request(self::handle(), nonce(), &[], idle)).await, NonceIssue::NoSession);
}

/// A spent nonce is remembered for the lifetime of a nonce. If the clock is then set back, a request that was signed long
/// ago would be fresh again, and its nonce unknown.
pub(crate) async fn nonces_are_issued_once_if_clock_is_set_back(store: Sessions) {
    let (handle, young) = (bound(&store, &[]).await, bound(&store, &[]).await);
    let (signed, life) = (*T0 + 1_000, 300_000);
    let ahead = IssueNonces { created: signed + 6_000, ..nonce_request(handle, nonce(), &[], signed) };
    let kept = [nonce_request(handle, nonce(), &[], signed), ahead];
    for kept in &kept {
        assert_eq!(nonce_issue(&store, kept.clone()).await, NonceIssue::Issued);
        assert_eq!(nonce_issue(&store, kept.clone()).await, NonceIssue::Replayed);
    }
    // Later the store forgets them, one after the other.
    for later in [signed + life, signed + life + 6_000] {
        assert!(issue_nonces(&store, handle, nonce(), &[], later).await);
        for kept in &kept {
            for now in [signed, kept.created, later] {
                let again = nonce_issue(&store, IssueNonces { now, ..kept.clone() }).await;
                assert!(matches!(again, NonceIssue::Replayed | NonceIssue::NoSession), "{again:?}");
            }
        }
    }
    // The store cannot distinguish a new request from a replay, so this user must sign in again. A session that has forgotten no
    // nonce is not affected.
    assert_eq!(nonce_issue(&store, nonce_request(handle, nonce(), &[], signed)).await, NonceIssue::NoSession);
    assert_eq!(nonce_issue(&store, nonce_request(young, nonce(), &[], signed)).await, NonceIssue::Issued);
    // Once the clock is right again, all sessions work.
    assert!(issue_nonces(&store, handle, nonce(), &[], signed + life + 7_000).await);
}

pub(crate) async fn session_survives_clock_set_back(store: Sessions) {
    let all = nonces::<MAX_NONCES>();
    let handle = bound(&store, &all).await;
    let now = *T0 - 3 * HOUR;
    // Nonces that were issued "later" are void, and do not displace those that are issued now.
    assert_eq!(verdict(&store, request(handle, all[0], now)).await, Verdict::BadNonce);
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], now).await);
    assert!(passes(&store, handle, fresh, now).await);
}
