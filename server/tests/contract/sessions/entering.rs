//! A session is entered once, before its deadline (attack 25).

use server::store::{FrameKeyBinding, Session};

use crate::contract::fixture::*;

pub(crate) async fn entered_session_has_all_created_fields(store: Sessions) {
    let created = new_session(handle());
    let handle = created.handle;
    create(&store, created.clone(), CAP_OF_3).await;
    let mut expected = Session {
        user: created.user,
        confirmation_key: created.confirmation_key,
        frame_key: None,
        pending_frame_key: None,
        created: *T0,
        seen: *T0,
        expires: created.expires,
        ip: created.ip,
        agent: created.agent,
        sign_secret: created.sign_secret,
        theft: None,
    };
    assert_eq!(store.find_unentered(&handle, *T0).await.expect("the store answers"), Some(expected.clone()));
    expected.seen = *T0 + 7;
    assert_eq!(store.enter(&handle, *T0 + 7).await.expect("the store answers"), Some(expected.clone()));
    assert_eq!(store.find(&handle, IDLE, *T0 + 8).await.expect("the store answers"), Some(expected));
    assert_eq!(store.find_unentered(&handle, *T0 + 8).await.expect("the store answers"), None);
}

pub(crate) async fn concurrent_entries_enter_once(store: Sessions) {
    let handle = unentered(&store).await;
    let entered = concurrently(100, |_| {
        let store = store.clone();
        async move { enter(&store, handle, *T0).await }
    })
    .await;
    assert_eq!(count(&entered, |entered| *entered), 1);
}

pub(crate) async fn session_is_not_entered_after_deadline(store: Sessions) {
    let handle = unentered(&store).await;
    let late = *T0 + MINUTE;
    assert!(!enter(&store, handle, late).await);
    assert_eq!(store.find_unentered(&handle, late).await.expect("the store answers"), None);
    assert!(enter(&store, handle, late - 1).await);
    assert!(is_live(&store, handle, late).await);
    assert!(!enter(&store, self::handle(), *T0).await, "never created");
}

pub(crate) async fn unentered_session_is_rejected_everywhere(store: Sessions) {
    let handle = unentered(&store).await;
    assert_eq!(verdict(&store, request(handle, nonce(), *T0)).await, Verdict::NoSession);
    assert!(!is_live(&store, handle, *T0).await);
    assert!(!issue_nonces(&store, handle, nonce(), &nonces::<4>(), *T0).await);
    assert_eq!(bind_key(&store, handle, key(), SECRET).await, FrameKeyBinding::NoSession);
    assert!(enter(&store, handle, *T0).await);
}
