//! One key a session, once and for ever (attack 4).

use server::store::{Session, SharedStore};

use super::fixture::*;

async fn challenged(store: &SharedStore, handle: protocol::token::SessionHandle) -> protocol::token::Challenge {
    let challenge = challenge();
    assert!(store.challenge(&handle, SECRET, &challenge, *T0).await.expect("the store answers"));
    challenge
}

pub(crate) async fn a_bound_session_is_what_was_opened(store: SharedStore) {
    let (opened, key) = (new_session(handle()), key());
    let handle = opened.handle;
    begin(&store, opened.clone(), THREE).await;
    let challenge = challenged(&store, handle).await;
    let now = *T0 + 7;
    let user = store.bind(&handle, SECRET, &challenge, &key, &[], now).await.expect("the store answers");
    assert_eq!(user.as_ref(), Some(&opened.user));
    let expected = Session {
        user: opened.user,
        key,
        created: *T0,
        seen: now,
        expires: opened.expires,
        ip: opened.ip,
        agent: opened.agent,
        theft: None,
    };
    assert_eq!(store.session(&handle, IDLE, now).await.expect("the store answers"), Some(expected));
}

pub(crate) async fn binding_happens_once_of_many_concurrent(store: SharedStore) {
    let handle = open(&store).await;
    let challenge = challenged(&store, handle).await;
    let won = at_once(100, |_| {
        let store = store.clone();
        async move {
            let key = key();
            let won = store.bind(&handle, SECRET, &challenge, &key, &nonces::<4>(), *T0).await;
            won.expect("the store answers").map(|_| key)
        }
    })
    .await;
    let won: Vec<_> = won.into_iter().flatten().collect();
    let session = store.session(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    assert_eq!(won, [session.key]);
}

pub(crate) async fn a_bound_session_is_never_bound_again(store: SharedStore) {
    let handle = bound(&store, &[]).await;
    let challenge = challenge();
    assert!(!store.challenge(&handle, SECRET, &challenge, *T0).await.expect("the store answers"));
    assert_eq!(store.bind(&handle, SECRET, &challenge, &key(), &[], *T0).await.expect("the store answers"), None);
}

pub(crate) async fn a_wrong_challenge_uses_up_the_right_one(store: SharedStore) {
    let handle = open(&store).await;
    let right = challenged(&store, handle).await;
    for one in [challenge(), right] {
        assert_eq!(store.bind(&handle, SECRET, &one, &key(), &[], *T0).await.expect("the store answers"), None);
    }
    // Whoever has the secret may try again.
    let right = challenged(&store, handle).await;
    assert!(store.bind(&handle, SECRET, &right, &key(), &[], *T0).await.expect("the store answers").is_some());
}

pub(crate) async fn a_later_challenge_replaces_the_earlier(store: SharedStore) {
    let handle = open(&store).await;
    let earlier = challenged(&store, handle).await;
    challenged(&store, handle).await;
    assert_eq!(store.bind(&handle, SECRET, &earlier, &key(), &[], *T0).await.expect("the store answers"), None);
}

pub(crate) async fn a_wrong_secret_changes_nothing(store: SharedStore) {
    let handle = open(&store).await;
    let right = challenged(&store, handle).await;
    assert!(!store.challenge(&handle, "guessed", &challenge(), *T0).await.expect("the store answers"));
    for one in [right, challenge()] {
        assert_eq!(store.bind(&handle, "guessed", &one, &key(), &[], *T0).await.expect("the store answers"), None);
    }
    assert!(store.bind(&handle, SECRET, &right, &key(), &[], *T0).await.expect("the store answers").is_some());
}

pub(crate) async fn the_time_to_bind_ends(store: SharedStore) {
    let handle = open(&store).await;
    let right = challenged(&store, handle).await;
    let late = *T0 + MINUTE;
    assert!(!store.challenge(&handle, SECRET, &right, late).await.expect("the store answers"));
    assert_eq!(store.bind(&handle, SECRET, &right, &key(), &[], late).await.expect("the store answers"), None);
    assert!(store.bind(&handle, SECRET, &right, &key(), &[], late - 1).await.expect("the store answers").is_some());
}
