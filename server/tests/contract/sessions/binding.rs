//! One frame key per session (attack 4), and its replacement.

use protocol::{key::PublicKey, token::SessionHandle};
use server::store::FrameKeyBinding;

use crate::contract::fixture::*;

async fn frame_key(store: &Sessions, handle: SessionHandle) -> Option<PublicKey> {
    store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session").frame_key
}

pub(crate) async fn concurrent_binds_bind_only_the_first_key(store: Sessions) {
    let handle = entered(&store).await;
    let answers = concurrently(100, |_| {
        let store = store.clone();
        async move {
            let key = key();
            (key, bind_key(&store, handle, key, SECRET).await)
        }
    })
    .await;
    let bound: Vec<_> = answers.iter().filter(|(_, binding)| matches!(binding, FrameKeyBinding::Bound(_))).collect();
    assert_eq!(bound.len(), 1);
    assert_eq!(frame_key(&store, handle).await, Some(bound[0].0));
    assert_eq!(count(&answers, |(_, binding)| matches!(binding, FrameKeyBinding::Pending(_))), 99);
}

pub(crate) async fn same_frame_key_again_gets_nonces(store: Sessions) {
    let handle = entered(&store).await;
    let (key, [one, other]) = (key(), nonces());
    let FrameKeyBinding::Bound(first) = bind_with(&store, handle, key, SECRET, &[one]).await else {
        panic!("not bound")
    };
    let FrameKeyBinding::Again(again) = bind_with(&store, handle, key, SECRET, &[other]).await else {
        panic!("not again")
    };
    assert_eq!(first, again);
    assert_eq!((first.frame_key, first.pending_frame_key), (Some(key), None));
    for nonce in [one, other] {
        assert!(passes(&store, handle, nonce, *T0).await);
    }
}

pub(crate) async fn second_frame_key_replaces_pending_key(store: Sessions) {
    let handle = entered(&store).await;
    let [bound, lost, latest] = [key(), key(), key()];
    let nonce = nonce();
    bind_key(&store, handle, bound, SECRET).await;
    for pending in [lost, latest] {
        let binding = bind_with(&store, handle, pending, SECRET, &[nonce]).await;
        let FrameKeyBinding::Pending(session) = binding else { panic!("{binding:?}") };
        assert_eq!((session.frame_key, session.pending_frame_key), (Some(bound), Some(pending)));
    }
    assert!(!passes(&store, handle, nonce, *T0).await, "no nonces for a pending key");
    assert!(matches!(bind_key(&store, handle, bound, SECRET).await, FrameKeyBinding::Again(_)));
}

pub(crate) async fn wrong_secret_binds_nothing(store: Sessions) {
    let handle = entered(&store).await;
    let key = key();
    assert_eq!(bind_key(&store, handle, key, "guessed").await, FrameKeyBinding::NoSession);
    assert_eq!(frame_key(&store, handle).await, None);
    assert!(matches!(bind_key(&store, handle, key, SECRET).await, FrameKeyBinding::Bound(_)));
    assert_eq!(bind_key(&store, handle, self::key(), "guessed").await, FrameKeyBinding::NoSession);
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    assert_eq!((session.frame_key, session.pending_frame_key), (Some(key), None));
}

pub(crate) async fn confirmation_key_is_rejected_as_frame_key(store: Sessions) {
    let handle = entered(&store).await;
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    for _ in 0..2 {
        let binding = bind_key(&store, handle, session.confirmation_key, SECRET).await;
        assert_eq!(binding, FrameKeyBinding::ConfirmationKey);
        bind_key(&store, handle, key(), SECRET).await;
    }
}

pub(crate) async fn ended_session_binds_nothing(store: Sessions) {
    let handle = entered(&store).await;
    end(&store, handle, protocol::problem::Ended::Revoked).await;
    assert_eq!(bind_key(&store, handle, key(), SECRET).await, FrameKeyBinding::NoSession);
    assert_eq!(bind_key(&store, self::handle(), key(), SECRET).await, FrameKeyBinding::NoSession);
}

pub(crate) async fn pending_key_replaces_frame_key_once(store: Sessions) {
    let handle = entered(&store).await;
    let [old, new, never] = [key(), key(), key()];
    let restore = async |key, now| store.restore_frame_key(&handle, &key, IDLE, now).await.expect("the store answers");
    bind_key(&store, handle, old, SECRET).await;
    assert!(!restore(new, *T0).await);
    assert!(restore(old, *T0).await, "it is the frame key already");
    bind_key(&store, handle, new, SECRET).await;
    assert!(!restore(never, *T0).await);
    assert!(!restore(new, *T0 + 30 * MINUTE).await, "the session is idle");
    assert_eq!(frame_key(&store, handle).await, Some(old));

    assert!(restore(new, *T0).await);
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    assert_eq!((session.frame_key, session.pending_frame_key), (Some(new), None));
    assert!(restore(new, *T0).await, "the response may have been lost");
    assert!(!restore(old, *T0).await);
    assert!(matches!(bind_key(&store, handle, new, SECRET).await, FrameKeyBinding::Again(_)));
    // The old key is now like any other key.
    assert!(matches!(bind_key(&store, handle, old, SECRET).await, FrameKeyBinding::Pending(_)));
}
