//! A session is entered once, before its deadline (attack 25).

use server::store::{Enterable, Entering, FrameKeyBinding, NewSession, Session};

use crate::contract::fixture::*;

pub(crate) async fn entered_session_has_all_created_fields(store: Sessions) {
    let created = NewSession { replaces: Some(handle()), ..new_session(handle()) };
    let handle = created.handle;
    create(&store, created.clone()).await;
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
        device: None,
    };
    let enterable = async |now| store.find_enterable(&handle, now).await.expect("the store answers");
    let before = Enterable { session: expected.clone(), replaces: created.replaces };
    assert_eq!(enterable(*T0).await, Some(before));
    expected.seen = *T0 + 7;
    let entering = enter_within(&store, handle, CAP_OF_3, *T0 + 7).await;
    assert_eq!(entering, Entering::Entered(Box::new(expected.clone()), vec![]));
    assert_eq!(store.find(&handle, IDLE, *T0 + 8).await.expect("the store answers"), Some(expected));
    bind_key(&store, handle, key(), SECRET).await;
    assert_eq!(enterable(*T0 + 8).await, None);
}

/// The response to the first request was lost. A page that has bound a frame key got it.
pub(crate) async fn session_is_entered_again_until_bound(store: Sessions) {
    let handle = unentered(&store).await;
    let enter = async |now| enter_within(&store, handle, CAP_OF_3, now).await;
    let Entering::Entered(session, _) = enter(*T0 + 1).await else { panic!("the first") };
    assert_eq!(enter(*T0 + 2).await, Entering::Again(session.clone()), "nothing changed");
    assert_eq!(enter(*T0 + MINUTE - 1).await, Entering::Again(session));
    assert_eq!(enter(*T0 + MINUTE).await, Entering::NoSession, "too late");
    assert!(matches!(bind_key(&store, handle, key(), SECRET).await, FrameKeyBinding::Bound(_)));
    assert_eq!(enter(*T0 + 3).await, Entering::NoSession, "bound");
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
    assert_eq!(store.find_enterable(&handle, late).await.expect("the store answers"), None);
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
