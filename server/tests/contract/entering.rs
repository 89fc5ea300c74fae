//! Challenges are taken once, and a session is entered once (attack 25).

use server::store::{Session, SharedStore};

use super::fixture::*;

async fn take(store: &SharedStore, challenge: &protocol::token::Challenge, now: u64) -> bool {
    store.take_challenge(challenge, now).await.expect("the store answers")
}

pub(crate) async fn challenge_is_taken_once_of_many_concurrent(store: SharedStore) {
    let challenge = challenge();
    store.add_challenge(&challenge, *T0 + MINUTE, *T0).await.expect("the store answers");
    let taken = at_once(100, |_| {
        let store = store.clone();
        async move { take(&store, &challenge, *T0).await }
    })
    .await;
    assert_eq!(count(&taken, |taken| *taken), 1);
}

pub(crate) async fn challenge_expires(store: SharedStore) {
    let [late, early] = [challenge(), challenge()];
    for challenge in [late, early] {
        store.add_challenge(&challenge, *T0 + MINUTE, *T0).await.expect("the store answers");
    }
    assert!(!take(&store, &late, *T0 + MINUTE).await);
    assert!(!take(&store, &late, *T0).await, "and is gone");
    assert!(take(&store, &early, *T0 + MINUTE - 1).await);
}

pub(crate) async fn unknown_challenge_is_not_taken(store: SharedStore) {
    assert!(!take(&store, &challenge(), *T0).await);
}

pub(crate) async fn entered_session_is_what_was_opened(store: SharedStore) {
    let opened = new_session(handle());
    let handle = opened.handle;
    begin(&store, opened.clone(), THREE).await;
    let mut expected = Session {
        user: opened.user,
        confirmation_key: opened.confirmation_key,
        frame_key: None,
        pending_frame_key: None,
        created: *T0,
        seen: *T0,
        expires: opened.expires,
        ip: opened.ip,
        agent: opened.agent,
        sign_secret: opened.sign_secret,
        theft: None,
    };
    assert_eq!(store.unentered(&handle, *T0).await.expect("the store answers"), Some(expected.clone()));
    expected.seen = *T0 + 7;
    assert_eq!(store.enter(&handle, *T0 + 7).await.expect("the store answers"), Some(expected.clone()));
    assert_eq!(store.session(&handle, IDLE, *T0 + 8).await.expect("the store answers"), Some(expected));
    assert_eq!(store.unentered(&handle, *T0 + 8).await.expect("the store answers"), None);
}

pub(crate) async fn session_is_entered_once_of_many_concurrent(store: SharedStore) {
    let handle = open(&store).await;
    let entered = at_once(100, |_| {
        let store = store.clone();
        async move { enter(&store, handle, *T0).await }
    })
    .await;
    assert_eq!(count(&entered, |entered| *entered), 1);
}

pub(crate) async fn time_to_enter_ends(store: SharedStore) {
    let handle = open(&store).await;
    let late = *T0 + MINUTE;
    assert!(!enter(&store, handle, late).await);
    assert_eq!(store.unentered(&handle, late).await.expect("the store answers"), None);
    assert!(enter(&store, handle, late - 1).await);
    assert!(lives(&store, handle, late).await);
    assert!(!enter(&store, self::handle(), *T0).await, "never opened");
}

pub(crate) async fn unentered_session_can_do_nothing(store: SharedStore) {
    let handle = open(&store).await;
    assert_eq!(verdict(&store, request(handle, nonce(), *T0)).await, Verdict::NoSession);
    assert!(!lives(&store, handle, *T0).await);
    assert!(!issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await);
    assert_eq!(bind_key(&store, handle, key(), SECRET).await, server::store::Binding::NoSession);
    assert!(enter(&store, handle, *T0).await);
}
