//! When a session lives, and that it ends for good (attack 18).

use protocol::{problem::Ended, user::UserName};
use server::store::{AtCap, Authorization, AuthorizeRequest, Cap, NewSession, Opening, SharedStore, Theft};

use super::fixture::*;

pub(crate) async fn idle_and_absolute_expiry_end_a_session(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let idle = *T0 + 30 * MINUTE;
    assert!(lives(&store, handle, idle - 1).await);
    assert!(!lives(&store, handle, idle).await);
    assert_eq!(verdict(&store, request(handle, one, idle)).await, Verdict::NoSession);

    // Busy all day long, and over all the same.
    let end = *T0 + 24 * HOUR;
    let mut now = *T0;
    while now < end {
        let fresh = nonce();
        assert!(issue_nonces(&store, handle, nonce(), &[fresh], now).await);
        assert!(passes(&store, handle, fresh, now).await);
        now += 20 * MINUTE;
    }
    assert!(lives(&store, handle, end - 1).await);
    assert!(!lives(&store, handle, end).await);
    assert_eq!(verdict(&store, request(handle, other, end)).await, Verdict::NoSession);
    assert!(!issue_nonces(&store, handle, nonce(), &[nonce()], end).await);
}

pub(crate) async fn use_keeps_a_session_from_idling(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0 + MINUTE).await);
    assert!(lives(&store, handle, *T0 + 31 * MINUTE - 1).await);
    assert!(!lives(&store, handle, *T0 + 31 * MINUTE).await);
}

pub(crate) async fn what_is_no_use_lets_a_session_idle(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[]).await;
    assert!(issue_nonces(&store, handle, nonce(), &[one, other], *T0 + 29 * MINUTE).await);
    let push = AuthorizeRequest { touch: false, ..request(handle, one, *T0 + 29 * MINUTE) };
    assert_eq!(admitted(&store, push).await.session.seen, *T0);
    assert!(lives(&store, handle, *T0 + 30 * MINUTE - 1).await);
    assert!(!lives(&store, handle, *T0 + 30 * MINUTE).await);
    assert_eq!(verdict(&store, request(handle, other, *T0 + 30 * MINUTE)).await, Verdict::NoSession);
}

pub(crate) async fn seen_never_moves_back(store: SharedStore) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    for (nonce, now) in [(one, *T0 + 500), (other, *T0 + 200)] {
        assert_eq!(admitted(&store, request(handle, nonce, now)).await.session.seen, *T0 + 500);
    }
}

pub(crate) async fn an_ended_session_is_gone(store: SharedStore) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    end(&store, handle, Ended::Revoked).await;
    assert!(!lives(&store, handle, *T0).await);
    assert_eq!(verdict(&store, request(handle, one, *T0)).await, Verdict::NoSession);
    assert!(!issue_nonces(&store, handle, nonce(), &[nonce()], *T0).await);
    assert!(!end(&store, handle, Ended::Revoked).await, "ending what is not there is no error");
}

pub(crate) async fn an_ended_session_is_not_resurrected_by_requests_in_flight(store: SharedStore) {
    for _ in 0..20 {
        let all = nonces::<32>();
        let handle = bound(&store, &all).await;
        at_once(65, |i| {
            let store = store.clone();
            async move {
                match i {
                    32 => drop(end(&store, handle, Ended::Revoked).await),
                    0..32 => drop(passes(&store, handle, all[i], *T0).await),
                    _ => drop(issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await),
                }
            }
        })
        .await;
        assert!(!lives(&store, handle, *T0).await);
        // Nor is anything left for a session of that name.
        assert!(!enter(&store, handle, *T0).await);
        begin(&store, new_session(handle), THREE).await;
        assert!(enter(&store, handle, *T0).await);
        assert_eq!(verdict(&store, request(handle, all[0], *T0)).await, Verdict::BadNonce);
        end(&store, handle, Ended::Revoked).await;
    }
}

pub(crate) async fn unentered_session_can_be_ended(store: SharedStore) {
    let handle = open(&store).await;
    end(&store, handle, Ended::Revoked).await;
    assert!(!enter(&store, handle, *T0).await);
}

pub(crate) async fn an_ended_session_says_why_until_it_would_have_expired(store: SharedStore) {
    let (one, other) = (bound(&store, &[]).await, open(&store).await);
    for (handle, why) in [(one, Ended::Revoked), (other, Ended::Stolen)] {
        let user = user();
        assert!(store.end(&handle, &user, why, *T0).await.expect("the store answers"));
        // Not another reason later.
        assert!(!store.end(&handle, &user, Ended::SignedOut, *T0).await.expect("the store answers"));
        for now in [*T0, *T0 + 24 * HOUR - 1] {
            assert_eq!(
                authorize_request(&store, request(handle, nonce(), now)).await,
                Authorization::NoSession(Some(why))
            );
        }
        assert_eq!(store.end_reason(&handle).await.expect("the store answers"), Some(why));
    }
    assert_eq!(store.end_reason(&bound(&store, &[]).await).await.expect("the store answers"), None);
    assert_eq!(authorize_request(&store, request(handle(), nonce(), *T0)).await, Authorization::NoSession(None));
}

pub(crate) async fn at_the_cap_the_oldest_session_ends(store: SharedStore) {
    let user = user();
    let mut handles = Vec::new();
    for at in 0..5 {
        let session = NewSession { user: user.clone(), created: *T0 + at, ..new_session(handle()) };
        handles.push(session.handle);
        let displaced = if at < 3 { vec![] } else { vec![handles[usize::try_from(at).expect("small") - 3]] };
        assert_eq!(begin(&store, session, THREE).await, Opening::Opened(displaced));
        enter_and_bind(&store, handles[handles.len() - 1], &[], *T0 + at).await;
    }
    let living = store.sessions(&user, IDLE, *T0 + 5).await.expect("the store answers");
    let living: Vec<_> = living.into_iter().map(|(handle, _)| handle).collect();
    assert_eq!(living, [handles[4], handles[3], handles[2]], "newest first");
    let refused = authorize_request(&store, request(handles[0], nonce(), *T0)).await;
    assert_eq!(refused, Authorization::NoSession(Some(Ended::Replaced)));
}

pub(crate) async fn at_the_cap_the_new_session_can_be_refused(store: SharedStore) {
    let user = user();
    let cap = Cap { max: 1, at_cap: AtCap::RefuseNew };
    let session = || NewSession { user: user.clone(), ..new_session(handle()) };
    let (first, second) = (session(), session());
    let (first_handle, second_handle) = (first.handle, second.handle);
    assert_eq!(begin(&store, first, cap).await, Opening::Opened(vec![]));
    assert_eq!(begin(&store, second, cap).await, Opening::Full);
    assert!(!enter(&store, second_handle, *T0).await);
    enter_and_bind(&store, first_handle, &[], *T0).await;
    assert_eq!(begin(&store, session(), cap).await, Opening::Full);
    // Who signs out makes room.
    assert!(store.end(&first_handle, &user, Ended::SignedOut, *T0).await.expect("the store answers"));
    assert_eq!(begin(&store, session(), cap).await, Opening::Opened(vec![]));
}

pub(crate) async fn what_is_over_does_not_count_towards_the_cap(store: SharedStore) {
    let user = user();
    let cap = Cap { max: 1, at_cap: AtCap::RefuseNew };
    let at = |now| NewSession {
        user: user.clone(),
        created: now,
        enter_by: now + MINUTE,
        expires: now + 24 * HOUR,
        ..new_session(handle())
    };
    let unentered = at(*T0);
    assert_eq!(begin(&store, unentered, cap).await, Opening::Opened(vec![]));
    // It was never entered.
    let idle = at(*T0 + MINUTE);
    let handle = idle.handle;
    assert_eq!(begin(&store, idle, cap).await, Opening::Opened(vec![]));
    enter_and_bind(&store, handle, &[], *T0 + MINUTE).await;
    assert_eq!(begin(&store, at(*T0 + 30 * MINUTE), cap).await, Opening::Full);
    assert_eq!(begin(&store, at(*T0 + 31 * MINUTE), cap).await, Opening::Opened(vec![]));
}

pub(crate) async fn the_cap_holds_however_many_sign_in_at_once(store: SharedStore) {
    let user = user();
    let cap = Cap { max: 3, at_cap: AtCap::EndOldest };
    let handles = at_once(20, |_| {
        let (store, session) = (store.clone(), NewSession { user: user.clone(), ..new_session(handle()) });
        async move {
            let handle = session.handle;
            begin(&store, session, cap).await;
            handle
        }
    })
    .await;
    let mut living = 0;
    for handle in handles {
        living += u8::from(enter(&store, handle, *T0).await);
    }
    assert_eq!(living, 3);
}

pub(crate) async fn a_user_has_their_own_sessions_and_nobody_elses(store: SharedStore) {
    let (ada, bob) = (user(), user());
    let session = NewSession { user: ada.clone(), ..new_session(handle()) };
    let handle = session.handle;
    begin(&store, session, THREE).await;
    assert_eq!(store.sessions(&ada, IDLE, *T0).await.expect("the store answers"), [], "not entered yet");
    assert!(enter(&store, handle, *T0).await);
    let session = store.session(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    assert_eq!(store.sessions(&ada, IDLE, *T0).await.expect("the store answers"), [(handle, session)]);
    assert_eq!(store.sessions(&bob, IDLE, *T0).await.expect("the store answers"), []);
    assert_eq!(store.sessions(&ada, IDLE, *T0 + HOUR).await.expect("the store answers"), [], "idle");
}

pub(crate) async fn handles_include_unentered_sessions(store: SharedStore) {
    let (ada, bob) = (user(), user());
    let at = |user: &UserName, created| NewSession {
        user: user.clone(),
        created,
        enter_by: created + MINUTE,
        ..new_session(handle())
    };
    let (first, waiting, of_bob) = (at(&ada, *T0), at(&ada, *T0 + 1), at(&bob, *T0));
    let handles = [first.handle, waiting.handle];
    for session in [first, waiting, of_bob] {
        begin(&store, session, THREE).await;
    }
    enter_and_bind(&store, handles[0], &[], *T0).await;
    let named = async |now| store.handles(&ada, IDLE, now).await.expect("the store answers");
    assert_eq!(named(*T0 + 2).await, handles, "oldest first");
    assert_eq!(named(*T0 + 1 + MINUTE).await, [handles[0]], "not entered in time");
    assert_eq!(named(*T0 + 30 * MINUTE).await, [], "idle");
    assert!(store.end(&handles[1], &ada, Ended::Revoked, *T0).await.expect("the store answers"));
    assert_eq!(named(*T0 + 2).await, [handles[0]]);
    assert!(!enter(&store, handles[1], *T0).await);
}

pub(crate) async fn a_theft_is_remembered_and_counted(store: SharedStore) {
    let handle = bound(&store, &[]).await;
    for (times, now) in [(1, *T0), (2, *T0 + 5), (3, *T0 + 2)] {
        let theft = Theft { times, last: now.max(*T0 + if times > 1 { 5 } else { 0 }) };
        assert_eq!(store.record_theft(&handle, IDLE, now).await.expect("the store answers"), Some(theft));
        let session = store.session(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
        assert_eq!((session.theft, session.seen), (Some(theft), *T0), "the thief does not keep it from idling");
    }
    assert_eq!(store.record_theft(&self::handle(), IDLE, *T0).await.expect("the store answers"), None);
    assert_eq!(store.record_theft(&open(&store).await, IDLE, *T0).await.expect("the store answers"), None);
}
