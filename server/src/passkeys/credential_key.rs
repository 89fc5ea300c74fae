//! The public key of a passkey: a COSE key (RFC 9052 §7), as the authenticator has written it.

use std::ops::RangeInclusive;

use base64ct::{Base64UrlUnpadded, Encoding};
use coset::{
    Algorithm, AsCborValue, CoseKey, KeyType, Label,
    cbor::{de::from_reader, value::Value},
    iana::{self, Ec2KeyParameter, EllipticCurve, EnumI64, RsaKeyParameter},
};
use protocol::{Malformed, key::PublicKey};
use ring::signature::{ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::ecdsa::check_key;

/// The sizes of an RSA modulus, in bytes: 2048 to 4096 bits.
const RSA_MODULUS: RangeInclusive<usize> = 256..=512;

/// The only RSA exponent that authenticators use: 65537.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

const MALFORMED: Malformed = Malformed("passkey's key");

/// The public key of a passkey, of an algorithm that the confirmation window asks for: ES256, or RS256, which Windows Hello
/// needs. Stored as base64url of the COSE key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialKey {
    cose: Vec<u8>,
    key: Key,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Key {
    Es256(PublicKey),
    Rs256 { modulus: Vec<u8> },
}

impl CredentialKey {
    /// Reads the COSE key at the start of `bytes`. Returns what follows it, too.
    ///
    /// # Errors
    /// [`Malformed`] for anything but an ES256 key on the curve or an RS256 key of 2048 to 4096 bits.
    pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut rest = bytes;
        let value = from_reader(&mut rest).map_err(|_| MALFORMED)?;
        let key = Key::try_from(CoseKey::from_cbor_value(value).map_err(|_| MALFORMED)?)?;
        let cose = bytes[..bytes.len() - rest.len()].to_vec();
        Ok((Self { cose, key }, rest))
    }

    /// Whether `signature` is one of `message` by this key: ECDSA in DER, or PKCS #1 v1.5 (Web Authentication §6.5.5).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.key {
            Key::Es256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.as_sec1()).verify(message, signature)
            }
            Key::Rs256 { modulus: n } => RsaPublicKeyComponents { n: &n[..], e: &RSA_EXPONENT[..] }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.is_ok()
    }
}

impl TryFrom<CoseKey> for Key {
    type Error = Malformed;

    fn try_from(key: CoseKey) -> Result<Self, Malformed> {
        let value = |label: i64| {
            let found = key.params.iter().find(|(name, _)| *name == Label::Int(label));
            found.map(|(_, value)| value).ok_or(MALFORMED)
        };
        let bytes = |label: i64| value(label)?.as_bytes().ok_or(MALFORMED);
        match (&key.kty, &key.alg) {
            (KeyType::Assigned(iana::KeyType::EC2), Some(Algorithm::Assigned(iana::Algorithm::ES256))) => {
                if *value(Ec2KeyParameter::Crv.to_i64())? != Value::from(EllipticCurve::P_256.to_i64()) {
                    return Err(MALFORMED);
                }
                let (x, y) = (bytes(Ec2KeyParameter::X.to_i64())?, bytes(Ec2KeyParameter::Y.to_i64())?);
                let key = PublicKey::from_sec1(&[&[4], x.as_slice(), y].concat())?;
                check_key(&key)?;
                Ok(Self::Es256(key))
            }
            (KeyType::Assigned(iana::KeyType::RSA), Some(Algorithm::Assigned(iana::Algorithm::RS256))) => {
                let modulus = bytes(RsaKeyParameter::N.to_i64())?;
                // A modulus of full bytes, so that its length is the key's size.
                let is_whole = modulus.first().is_some_and(|first| *first >= 0x80);
                if !RSA_MODULUS.contains(&modulus.len())
                    || !is_whole
                    || *bytes(RsaKeyParameter::E.to_i64())? != RSA_EXPONENT
                {
                    return Err(MALFORMED);
                }
                Ok(Self::Rs256 { modulus: modulus.clone() })
            }
            _ => Err(MALFORMED),
        }
    }
}

impl TryFrom<String> for CredentialKey {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        let bytes = Base64UrlUnpadded::decode_vec(&text).map_err(|_| MALFORMED)?;
        let (key, rest) = Self::read(&bytes)?;
        if rest.is_empty() { Ok(key) } else { Err(MALFORMED) }
    }
}

impl From<CredentialKey> for String {
    fn from(key: CredentialKey) -> Self {
        Base64UrlUnpadded::encode_string(&key.cose)
    }
}

#[cfg(test)]
mod tests {
    use coset::{CborSerializable, CoseKeyBuilder, cbor::cbor};
    use p256::ecdsa::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn point(number: u8) -> Vec<u8> {
        let key = SigningKey::from_slice(&[number; 32]).expect("a key");
        key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    fn es256(x: &[u8], y: &[u8]) -> CoseKey {
        let key = CoseKeyBuilder::new_ec2_pub_key(EllipticCurve::P_256, x.to_vec(), y.to_vec());
        key.algorithm(iana::Algorithm::ES256).build()
    }

    fn rs256(modulus: &[u8], exponent: &[u8]) -> CoseKey {
        CoseKey {
            kty: KeyType::Assigned(iana::KeyType::RSA),
            alg: Some(Algorithm::Assigned(iana::Algorithm::RS256)),
            params: vec![
                (Label::Int(RsaKeyParameter::N.to_i64()), Value::from(modulus)),
                (Label::Int(RsaKeyParameter::E.to_i64()), Value::from(exponent)),
            ],
            ..CoseKey::default()
        }
    }

    fn accepts(key: CoseKey) -> bool {
        CredentialKey::read(&key.to_vec().expect("a key")).is_ok()
    }

    #[test]
    fn keys_of_both_algorithms_are_stored_and_read() {
        let point = point(7);
        for key in [es256(&point[1..33], &point[33..]), rs256(&[0xff; 256], &RSA_EXPONENT)] {
            let bytes = [key.to_vec().expect("a key"), b"rest".to_vec()].concat();
            let (key, rest) = CredentialKey::read(&bytes).expect("a key");
            assert_eq!(rest, b"rest");
            let json = serde_json::to_string(&key).expect("a key");
            assert_eq!(serde_json::from_str::<CredentialKey>(&json).expect("a key"), key);
            let with_rest = serde_json::to_string(&Base64UrlUnpadded::encode_string(&bytes)).expect("a key");
            assert!(serde_json::from_str::<CredentialKey>(&with_rest).is_err());
        }
    }

    #[test]
    fn weak_and_other_keys_are_rejected() {
        let point = point(7);
        let (x, y) = (&point[1..33], &point[33..]);
        assert!(accepts(es256(x, y)) && accepts(rs256(&[0xff; 512], &RSA_EXPONENT)), "the positive control");
        let without_algorithm = CoseKey { alg: None, ..es256(x, y) };
        let other_algorithm = CoseKey { alg: Some(Algorithm::Assigned(iana::Algorithm::ES384)), ..es256(x, y) };
        let confused = CoseKey { alg: Some(Algorithm::Assigned(iana::Algorithm::RS256)), ..es256(x, y) };
        let other_curve = CoseKeyBuilder::new_ec2_pub_key(EllipticCurve::P_384, x.to_vec(), y.to_vec());
        for (key, what) in [
            (without_algorithm, "no algorithm"),
            (other_algorithm, "ES384"),
            (confused, "RS256 of an EC2 key"),
            (other_curve.algorithm(iana::Algorithm::ES256).build(), "P-384"),
            (es256(y, x), "not on the curve"),
            (es256(&x[1..], y), "a short coordinate"),
            (es256(x, &[y, &[0]].concat()), "a long coordinate"),
            (rs256(&[0xff; 128], &RSA_EXPONENT), "1024 bits"),
            (rs256(&[0xff; 513], &RSA_EXPONENT), "more than 4096 bits"),
            (rs256(&[&[0], [0xff; 256].as_slice()].concat(), &RSA_EXPONENT), "a leading zero"),
            (rs256(&[0xff; 256], &[3]), "exponent 3"),
            (rs256(&[0xff; 256], &[1]), "exponent 1"),
            (rs256(&[], &[]), "nothing"),
        ] {
            assert!(!accepts(key), "{what}");
        }
        let twice = cbor!({ 1 => 2, 1 => 2, 3 => -7 }).expect("a key");
        assert!(CoseKey::from_cbor_value(twice).is_err(), "a name twice");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = CredentialKey::read(&bytes);
        }

        #[test]
        fn damaged_keys_do_not_panic(at in 0_usize..77, byte: u8, length in 0_usize..=77) {
            let point = point(7);
            let mut bytes = es256(&point[1..33], &point[33..]).to_vec().expect("a key");
            bytes[at] = byte;
            let _ = CredentialKey::read(&bytes[..length]);
        }
    }
}
