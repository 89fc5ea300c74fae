//! A session is bound to a device by the first request that proves it, and from then on every request must (attack 28).

use protocol::{action::Tier, token::SessionHandle};
use server::store::{Authorization, AuthorizeRequest, DeviceProof, Session};

use crate::contract::fixture::*;

const JWK: &str = r#"{"crv":"P-256","kty":"EC","x":"a b","y":"{}"}"#;
const OTHER: &str = r#"{"e":"AQAB","kty":"RSA","n":"c"}"#;

async fn offer(store: &Sessions, handle: SessionHandle, jwk: &str) -> bool {
    store.offer_device(&handle, jwk, IDLE, *T0).await.expect("the store answers")
}

/// Sends a request with a fresh nonce.
async fn send(store: &Sessions, handle: SessionHandle, device: DeviceProof, tier: Tier, now: u64) -> Authorization {
    let nonce = nonce();
    assert!(issue_nonces(store, handle, self::nonce(), &[nonce], now).await);
    authorize_request(store, AuthorizeRequest { device, tier, ..request(handle, nonce, now) }).await
}

async fn find(store: &Sessions, handle: SessionHandle) -> Session {
    store.find(&handle, IDLE, *T0).await.expect("the store answers").expect("a live session")
}

pub(crate) async fn offered_device_is_bound_by_first_proof(store: Sessions) {
    use DeviceProof::{Missing, NotNeeded, Valid};
    let handle = bound(&store, &[]).await;
    assert!(matches!(send(&store, handle, Valid, Tier::Browser, *T0).await, Authorization::Authorized(_)));
    assert_eq!(find(&store, handle).await.device, None, "there is nothing to bind");
    assert!(offer(&store, handle, OTHER).await);
    assert!(offer(&store, handle, JWK).await, "the response to the first registration was lost");
    // The browser may not know of its key.
    for proof in [Missing, NotNeeded] {
        let Authorization::Authorized(authorized) = send(&store, handle, proof, Tier::Browser, *T0 + 1).await else {
            panic!("the session is not bound yet")
        };
        assert_eq!(authorized.session.tier(), Tier::Browser);
    }
    for now in [*T0 + 2, *T0 + 3] {
        let Authorization::Authorized(authorized) = send(&store, handle, Valid, Tier::Browser, now).await else {
            panic!("a valid request")
        };
        let device = authorized.session.device.clone().expect("a device");
        assert_eq!((device.jwk.as_str(), device.since, authorized.session.tier()), (JWK, Some(*T0 + 2), Tier::Device));
    }
    assert!(!offer(&store, handle, OTHER).await, "a bound device is not replaced");
    assert!(offer(&store, handle, JWK).await);
    assert_eq!(find(&store, handle).await.device.expect("a device").since, Some(*T0 + 2));
}

pub(crate) async fn bound_session_needs_its_device(store: Sessions) {
    let handle = bound(&store, &[]).await;
    assert!(offer(&store, handle, JWK).await);
    send(&store, handle, DeviceProof::Valid, Tier::Browser, *T0).await;
    let nonce = nonce();
    assert!(issue_nonces(&store, handle, self::nonce(), &[nonce], *T0).await);
    let valid = AuthorizeRequest { device: DeviceProof::Valid, ..request(handle, nonce, *T0) };
    let without = AuthorizeRequest { device: DeviceProof::Missing, ..valid.clone() };
    let Authorization::NoDeviceProof(session) = authorize_request(&store, without).await else { panic!("no proof") };
    assert_eq!(*session, find(&store, handle).await);
    // Nothing was changed: the same request can be sent again.
    assert!(matches!(authorize_request(&store, valid).await, Authorization::Authorized(_)));
    let sign_out = send(&store, handle, DeviceProof::NotNeeded, Tier::Browser, *T0).await;
    assert!(matches!(sign_out, Authorization::Authorized(_)));
}

pub(crate) async fn tier_is_required_before_the_nonce_is_spent(store: Sessions) {
    let one = nonce();
    let handle = bound(&store, &[one]).await;
    let request = AuthorizeRequest { tier: Tier::Device, ..request(handle, one, *T0) };
    for is_offered in [false, true] {
        for device in [DeviceProof::Missing, DeviceProof::NotNeeded] {
            let answer = authorize_request(&store, AuthorizeRequest { device, ..request.clone() }).await;
            assert!(matches!(answer, Authorization::TierTooLow(_)), "{is_offered} {device:?} {answer:?}");
        }
        assert!(offer(&store, handle, JWK).await);
    }
    let bound = authorize_request(&store, AuthorizeRequest { device: DeviceProof::Valid, ..request }).await;
    assert!(matches!(bound, Authorization::Authorized(_)), "{bound:?}");
}

pub(crate) async fn only_live_sessions_get_a_device(store: Sessions) {
    assert!(!offer(&store, handle(), JWK).await);
    let unentered = unentered(&store).await;
    assert!(!offer(&store, unentered, JWK).await);
    let ended = bound(&store, &[]).await;
    end(&store, ended, protocol::problem::Ended::Revoked).await;
    assert!(!offer(&store, ended, JWK).await);
}
