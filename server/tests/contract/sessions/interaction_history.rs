//! The interaction statistics of a session.

use protocol::token::SessionHandle;
use server::{
    risk::{FEATURES, Fingerprint, History, MAX_FINGERPRINTS, Running, Sample},
    store::AuthorizeRequest,
};

use crate::contract::fixture::*;

fn sample(bits: u64, number: f64) -> Sample {
    Sample { fingerprint: Some(Fingerprint::new(bits)), features: [number; FEATURES] }
}

/// Authorizes a request with this sample. Returns the statistics from before.
async fn shown(store: &Sessions, handle: SessionHandle, sample: Option<Sample>) -> History {
    let session = store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a session");
    let (one, now) = (nonce(), session.seen + 1);
    assert!(issue_nonces(store, handle, nonce(), &[one], now).await);
    authorized(store, AuthorizeRequest { sample, ..request(handle, one, now) }).await.history
}

pub(crate) async fn samples_update_session_statistics(store: Sessions) {
    let handle = bound(&store, &[]).await;
    assert_eq!(shown(&store, handle, None).await, History::default());
    let mut expected = Running::default();
    for (at, number) in [0.1, -7.25, 1e-9, 3e5, 0.1].into_iter().enumerate() {
        let history = shown(&store, handle, Some(sample(at as u64, number))).await;
        assert_eq!(history.running.count, expected.count);
        for feature in 0..FEATURES {
            let near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * (1.0 + other.abs());
            assert!(near(history.running.mean[feature], expected.mean[feature]), "{history:?}");
            assert!(near(history.running.m2[feature], expected.m2[feature]), "{history:?}");
        }
        assert!(!history.repeated);
        expected.add(&[number; FEATURES]);
    }
    assert!(shown(&store, handle, Some(sample(2, 0.0))).await.repeated);
    let unknown = Sample { fingerprint: None, ..sample(0, 1.0) };
    for _ in 0..2 {
        assert!(!shown(&store, handle, Some(unknown.clone())).await.repeated);
    }
}

pub(crate) async fn oldest_fingerprint_is_forgotten(store: Sessions) {
    let handle = bound(&store, &[]).await;
    for bits in 0..=MAX_FINGERPRINTS as u64 {
        assert!(!shown(&store, handle, Some(sample(bits, 1.0))).await.repeated);
    }
    assert!(shown(&store, handle, Some(sample(1, 1.0))).await.repeated);
    assert!(!shown(&store, handle, Some(sample(0, 1.0))).await.repeated);
}

pub(crate) async fn sessions_do_not_share_statistics(store: Sessions) {
    let (one, other) = (bound(&store, &[]).await, bound(&store, &[]).await);
    shown(&store, one, Some(sample(1, 1.0))).await;
    assert_eq!(shown(&store, other, Some(sample(1, 1.0))).await, History::default());
}
