//! When a session is live, and that it stays ended (attack 18).

use protocol::{problem::Ended, token::SessionHandle};
use server::store::{
    AtCap, Authorization, AuthorizeRequest, Entering, FrameKeyBinding, NewSession, SessionCap, Theft, UserId,
};

use crate::contract::fixture::*;

pub(crate) async fn session_ends_at_idle_timeout_and_expiry(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    let idle = *T0 + 30 * MINUTE;
    assert!(is_live(&store, handle, idle - 1).await);
    assert!(!is_live(&store, handle, idle).await);
    assert_eq!(verdict(&store, request(handle, one, idle)).await, Verdict::NoSession);

    // A session in constant use ends at its expiry.
    let end = *T0 + 24 * HOUR;
    let mut now = *T0;
    while now < end {
        let fresh = nonce();
        assert!(issue_nonces(&store, handle, nonce(), &[fresh], now).await);
        assert!(passes(&store, handle, fresh, now).await);
        now += 20 * MINUTE;
    }
    assert!(is_live(&store, handle, end - 1).await);
    assert!(!is_live(&store, handle, end).await);
    assert_eq!(verdict(&store, request(handle, other, end)).await, Verdict::NoSession);
    assert!(!issue_nonces(&store, handle, nonce(), &[nonce()], end).await);
}

pub(crate) async fn use_resets_the_idle_timeout(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    assert!(passes(&store, handle, one, *T0 + MINUTE).await);
    assert!(is_live(&store, handle, *T0 + 31 * MINUTE - 1).await);
    assert!(!is_live(&store, handle, *T0 + 31 * MINUTE).await);
}

pub(crate) async fn background_requests_do_not_reset_idle_timeout(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[]).await;
    assert!(issue_nonces(&store, handle, nonce(), &[one, other], *T0 + 29 * MINUTE).await);
    let push = AuthorizeRequest { touch: false, ..request(handle, one, *T0 + 29 * MINUTE) };
    assert_eq!(authorized(&store, push).await.session.seen, *T0);
    assert!(is_live(&store, handle, *T0 + 30 * MINUTE - 1).await);
    assert!(!is_live(&store, handle, *T0 + 30 * MINUTE).await);
    assert_eq!(verdict(&store, request(handle, other, *T0 + 30 * MINUTE)).await, Verdict::NoSession);
}

pub(crate) async fn seen_never_moves_back(store: Sessions) {
    let [one, other] = nonces();
    let handle = bound(&store, &[one, other]).await;
    for (nonce, now) in [(one, *T0 + 500), (other, *T0 + 200)] {
        assert_eq!(authorized(&store, request(handle, nonce, now)).await.session.seen, *T0 + 500);
    }
}

pub(crate) async fn ended_session_is_gone(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    end(&store, handle, Ended::Revoked).await;
    assert!(!is_live(&store, handle, *T0).await);
    assert_eq!(verdict(&store, request(handle, one, *T0)).await, Verdict::NoSession);
    assert!(!issue_nonces(&store, handle, nonce(), &[nonce()], *T0).await);
    assert!(!end(&store, handle, Ended::Revoked).await, "ending what is not there is no error");
}

pub(crate) async fn requests_in_flight_do_not_revive_ended_session(store: Sessions) {
    for _ in 0..20 {
        let all = nonces::<32>();
        let handle = bound(&store, &all).await;
        concurrently(65, |i| {
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
        assert!(!is_live(&store, handle, *T0).await);
        // A new session with the same handle inherits nothing.
        assert!(!enter(&store, handle, *T0).await);
        create(&store, new_session(handle)).await;
        assert!(enter(&store, handle, *T0).await);
        assert_eq!(verdict(&store, request(handle, all[0], *T0)).await, Verdict::BadNonce);
        end(&store, handle, Ended::Revoked).await;
    }
}

pub(crate) async fn unentered_session_can_be_ended(store: Sessions) {
    let handle = self::unentered(&store).await;
    end(&store, handle, Ended::Revoked).await;
    assert!(!enter(&store, handle, *T0).await);
}

pub(crate) async fn end_reason_is_kept_until_expiry(store: Sessions) {
    let (one, other) = (bound(&store, &[]).await, self::unentered(&store).await);
    for (handle, why) in [(one, Ended::Revoked), (other, Ended::Stolen)] {
        let user = user();
        assert!(store.end(&handle, &user, why, *T0).await.expect("the store answers"));
        // The first reason is kept.
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

/// Creates a session of this user at `now`.
async fn created(store: &Sessions, user: &UserId, now: u64) -> SessionHandle {
    let (enter_by, expires) = (now + MINUTE, now + 24 * HOUR);
    let session = NewSession { user: user.clone(), created: now, enter_by, expires, ..new_session(handle()) };
    let handle = session.handle;
    create(store, session).await;
    handle
}

/// Enters a session and binds a frame key. Returns the sessions that it displaces.
async fn displaced_by(store: &Sessions, handle: SessionHandle, cap: SessionCap, now: u64) -> Vec<SessionHandle> {
    let Entering::Entered(_, displaced) = enter_within(store, handle, cap, now).await else { panic!("an entry") };
    assert!(matches!(bind_key(store, handle, key(), SECRET).await, FrameKeyBinding::Bound(_)));
    displaced
}

pub(crate) async fn entering_at_cap_ends_oldest_session(store: Sessions) {
    let user = user();
    let mut handles = Vec::new();
    for at in 0..5 {
        handles.push(created(&store, &user, *T0 + at).await);
        // A sign-in whose response is lost displaces nothing.
        created(&store, &user, *T0 + at).await;
        let displaced = if at < 3 { vec![] } else { vec![handles[usize::try_from(at).expect("small") - 3]] };
        assert_eq!(displaced_by(&store, handles[handles.len() - 1], CAP_OF_3, *T0 + at).await, displaced);
    }
    let living = store.list(&user, IDLE, *T0 + 5).await.expect("the store answers");
    let living: Vec<_> = living.into_iter().map(|(handle, _)| handle).collect();
    assert_eq!(living, [handles[4], handles[3], handles[2]], "newest first");
    let authorization = authorize_request(&store, request(handles[0], nonce(), *T0)).await;
    assert_eq!(authorization, Authorization::NoSession(Some(Ended::Replaced)));
}

const ONLY_ONE: SessionCap = SessionCap { max: 1, at_cap: AtCap::RejectNew };

pub(crate) async fn entering_at_cap_can_be_rejected(store: Sessions) {
    let user = user();
    let (first, second) = (created(&store, &user, *T0).await, created(&store, &user, *T0).await);
    assert_eq!(displaced_by(&store, first, ONLY_ONE, *T0).await, []);
    assert_eq!(enter_within(&store, second, ONLY_ONE, *T0).await, Entering::AtCap);
    // A sign-out makes room.
    assert!(store.end(&first, &user, Ended::SignedOut, *T0).await.expect("the store answers"));
    assert_eq!(displaced_by(&store, second, ONLY_ONE, *T0).await, []);
}

pub(crate) async fn expired_sessions_do_not_count_towards_cap(store: Sessions) {
    let user = user();
    let first = created(&store, &user, *T0).await;
    assert!(matches!(enter_within(&store, first, ONLY_ONE, *T0).await, Entering::Entered(..)));
    let idle = *T0 + 30 * MINUTE;
    let second = created(&store, &user, idle - 1).await;
    assert_eq!(enter_within(&store, second, ONLY_ONE, idle - 1).await, Entering::AtCap);
    assert!(matches!(enter_within(&store, second, ONLY_ONE, idle).await, Entering::Entered(..)));
}

pub(crate) async fn concurrent_entries_stay_within_cap(store: Sessions) {
    let user = user();
    let mut handles = Vec::new();
    for _ in 0..20 {
        handles.push(created(&store, &user, *T0).await);
    }
    let all = handles.clone();
    concurrently(20, |at| {
        let (store, handle) = (store.clone(), all[at]);
        async move { enter(&store, handle, *T0).await }
    })
    .await;
    let mut living = 0;
    for handle in handles {
        living += u8::from(is_live(&store, handle, *T0).await);
    }
    assert_eq!(living, 3);
}

pub(crate) async fn list_has_only_the_users_sessions(store: Sessions) {
    let (ada, bob) = (user(), user());
    let session = NewSession { user: ada.clone(), ..new_session(handle()) };
    let handle = session.handle;
    create(&store, session).await;
    assert_eq!(store.list(&ada, IDLE, *T0).await.expect("the store answers"), [], "not entered yet");
    assert!(enter(&store, handle, *T0).await);
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    assert_eq!(store.list(&ada, IDLE, *T0).await.expect("the store answers"), [(handle, session)]);
    assert_eq!(store.list(&bob, IDLE, *T0).await.expect("the store answers"), []);
    assert_eq!(store.list(&ada, IDLE, *T0 + HOUR).await.expect("the store answers"), [], "idle");
}

pub(crate) async fn handles_include_unentered_sessions(store: Sessions) {
    let (ada, bob) = (user(), user());
    let at = |user: &UserId, created| NewSession {
        user: user.clone(),
        created,
        enter_by: created + MINUTE,
        ..new_session(handle())
    };
    let (first, waiting, of_bob) = (at(&ada, *T0), at(&ada, *T0 + 1), at(&bob, *T0));
    let handles = [first.handle, waiting.handle];
    for session in [first, waiting, of_bob] {
        create(&store, session).await;
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

pub(crate) async fn thefts_are_recorded_and_counted(store: Sessions) {
    let handle = bound(&store, &[]).await;
    for (times, now) in [(1, *T0), (2, *T0 + 5), (3, *T0 + 2)] {
        let theft = Theft { times, last: now.max(*T0 + if times > 1 { 5 } else { 0 }) };
        assert_eq!(store.record_theft(&handle, IDLE, now).await.expect("the store answers"), Some(theft));
        let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
        assert_eq!((session.theft, session.seen), (Some(theft), *T0), "the thief does not keep it from idling");
    }
    assert_eq!(store.record_theft(&self::handle(), IDLE, *T0).await.expect("the store answers"), None);
    assert_eq!(store.record_theft(&self::unentered(&store).await, IDLE, *T0).await.expect("the store answers"), None);
}
