//! Keys of push messages: agreed with the signing frame, for one connection and ten minutes (a setting).
//!
//! ECDH P-256 of the signing frame's and the server's ephemeral keys, then HKDF-SHA256 (RFC 5869). Messages are signed
//! with HMAC-SHA256 (RFC 2104). No secret crosses the wire, and the server stores none: after a restart the pages agree
//! new keys.
//!
//! The server derives its ephemeral key from a root secret and the key ID. The request for the connection names the key
//! ID, so any server with the same root can derive the key again. If the settings have no root, each process generates
//! a random one, and its keys cannot be derived after the process ends.
//!
//! A key ID is the root's name followed by 16 bytes: the key's expiry (48 bits of Unix ms), 48 random bits, and a
//! 32-bit MAC by which the root recognises its key IDs.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::{NonZeroScalar, SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToSec1Point as _};
use protocol::{
    key::PublicKey,
    push::{AgreedKey, ConnectionId, Cursor, Envelope, KeyId, Mac, Payload, Push, PushNonce, key_info},
    token::SessionHandle,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{random::random, settings::PushSettings};

/// How long after the key agreement the connection may be opened: ms.
const OPEN_WITHIN: u64 = 60_000;

/// Maximum clock difference between the servers: ms.
const MAX_CLOCK_SKEW: u64 = 5_000;

/// An error of key agreement or signing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The signing frame's public key is not on the curve.
    #[error("the point is not on the curve")]
    BadPoint,
    /// The key ID is not from this root, or was agreed too long ago.
    #[error("the key ID is unknown or too old")]
    Unknown,
    /// The operating system's random number generator failed.
    #[error("the system's random number generator failed")]
    Randomness(#[from] getrandom::Error),
    /// Key derivation got an invalid length: a bug.
    #[error("a key cannot be derived")]
    Derivation,
    /// The payload has no canonical JSON, or the message is too long.
    #[error("the push message is too long")]
    TooLong,
}

/// The root secret from which the server's ephemeral keys are derived.
#[derive(Clone)]
pub(crate) struct Root {
    name: String,
    secret: Zeroizing<[u8; 32]>,
    /// Lifetime of a key: ms.
    lifetime: u64,
}

/// The signing key of one connection.
#[derive(Clone)]
pub(crate) struct ConnectionKey {
    pub(crate) kid: KeyId,
    mac: Hmac<Sha256>,
    /// When to agree a new key, after 80 % of the lifetime: Unix ms.
    pub(crate) renew: u64,
    /// Unix ms.
    pub(crate) expires: u64,
}

impl Root {
    /// The root of the settings, or a random root of this process if the settings have none.
    pub(crate) fn new(settings: &PushSettings) -> Result<Self, getrandom::Error> {
        let secret = settings.secret.as_ref().map(|secret| *secret.reveal());
        let secret = Zeroizing::new(secret.map_or_else(random, Ok)?);
        Ok(Self { name: settings.key_id.clone(), secret, lifetime: settings.key_seconds.saturating_mul(1000) })
    }

    /// Agrees a key with the signing frame whose ephemeral public key is `theirs`.
    pub(crate) fn agree(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        theirs: &PublicKey,
        now: u64,
    ) -> Result<(AgreedKey, ConnectionKey), KeyError> {
        let expires = now.saturating_add(self.lifetime);
        let mut unique = [0; 12];
        unique[..6].copy_from_slice(&expires.to_be_bytes()[2..]);
        unique[6..].copy_from_slice(&random::<6>()?);
        let kid = self.key_id(unique)?;
        let (key, server_key) = self.derive(session, conn, &kid, theirs, expires)?;
        let agreed = AgreedKey { kid, algorithm: "sha256".to_owned(), expires_at: expires, server_key };
        Ok((agreed, key))
    }

    /// Derives a recently agreed key again. A server with the same root may have agreed it.
    pub(crate) fn agreed(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        kid: &KeyId,
        theirs: &PublicKey,
        now: u64,
    ) -> Result<ConnectionKey, KeyError> {
        let (_, bytes) = kid.parts();
        let mut unique = [0; 12];
        unique.copy_from_slice(&bytes[..12]);
        let mut end = [0; 8];
        end[2..].copy_from_slice(&unique[..6]);
        let expires = u64::from_be_bytes(end);
        let agreed = expires.saturating_sub(self.lifetime);
        let is_fresh = now.saturating_sub(agreed) <= OPEN_WITHIN && agreed.saturating_sub(now) <= MAX_CLOCK_SKEW;
        if self.key_id(unique)? != *kid || !is_fresh {
            return Err(KeyError::Unknown);
        }
        Ok(self.derive(session, conn, kid, theirs, expires)?.0)
    }

    /// The key ID with these expiry and random bytes.
    fn key_id(&self, unique: [u8; 12]) -> Result<KeyId, KeyError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_ref()).map_err(|_| KeyError::Derivation)?;
        mac.update(b"pan-jitterbug/1 name\0");
        mac.update(&unique);
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&unique);
        bytes[12..].copy_from_slice(&mac.finalize().into_bytes()[..4]);
        KeyId::parse(&format!("{}.{}", self.name, ConnectionId::new(bytes))).map_err(|_| KeyError::Derivation)
    }

    fn derive(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        kid: &KeyId,
        theirs: &PublicKey,
        expires: u64,
    ) -> Result<(ConnectionKey, PublicKey), KeyError> {
        let point = p256::PublicKey::from_sec1_bytes(theirs.as_sec1()).map_err(|_| KeyError::BadPoint)?;
        let ours = self.ephemeral_key(kid)?;
        let shared = diffie_hellman(NonZeroScalar::from(&ours), point.as_affine());
        let our_point = ours.public_key().to_sec1_point(false);
        let server_key = PublicKey::from_sec1(our_point.as_bytes()).map_err(|_| KeyError::Derivation)?;
        let mut key = Zeroizing::new([0; 32]);
        let info = key_info(session, conn, kid, theirs, &server_key);
        let derived = shared.extract::<Sha256>(None).expand(&info, key.as_mut());
        derived.map_err(|_| KeyError::Derivation)?;
        let renew = expires.saturating_sub(self.lifetime / 10 * 2);
        Ok((ConnectionKey::new(kid.clone(), &key, renew, expires)?, server_key))
    }

    /// The server's ephemeral private key for this key ID.
    fn ephemeral_key(&self, kid: &KeyId) -> Result<SecretKey, KeyError> {
        let root = Hkdf::<Sha256>::new(None, self.secret.as_ref());
        // One in 2^32 candidates is not below the curve's order; the next counter is then tried.
        for counter in 0..8_u8 {
            let mut bytes = Zeroizing::new([0; 32]);
            root.expand_multi_info(&[b"pan-jitterbug/1 server\0", kid.as_str().as_bytes(), &[counter]], bytes.as_mut())
                .map_err(|_| KeyError::Derivation)?;
            if let Ok(ephemeral_key) = SecretKey::from_slice(bytes.as_ref()) {
                return Ok(ephemeral_key);
            }
        }
        Err(KeyError::Derivation)
    }
}

impl ConnectionKey {
    fn new(kid: KeyId, key: &[u8; 32], renew: u64, expires: u64) -> Result<Self, KeyError> {
        let mac = Hmac::new_from_slice(key).map_err(|_| KeyError::Derivation)?;
        Ok(Self { kid, mac, renew, expires })
    }

    /// Signs a payload at `ts` (Unix ms). Returns the message as it is sent.
    pub(crate) fn sign(&self, payload: &Payload, ts: u64) -> Result<String, KeyError> {
        self.encode(payload, ts, |message| self.mac.clone().chain_update(message).finalize().into_bytes().into())
    }

    fn encode(&self, payload: &Payload, ts: u64, mac: impl FnOnce(&[u8]) -> [u8; 32]) -> Result<String, KeyError> {
        let nonce = PushNonce::new(random()?);
        let text = serde_json_canonicalizer::to_string(payload).map_err(|_| KeyError::TooLong)?;
        let mut envelope = Envelope { kid: self.kid.clone(), nonce, payload: &text, sig: Mac::new([0; 32]), ts };
        envelope.sig = Mac::new(mac(&envelope.message()));
        let message = envelope.to_string();
        if message.len() <= protocol::push::MAX_MESSAGE { Ok(message) } else { Err(KeyError::TooLong) }
    }
}

/// Times the encoding of `count` messages, with or without their MACs.
pub(crate) fn measure(count: u32, signed: bool) -> std::time::Duration {
    let root = ConnectionId::new([0; 16]);
    let key = KeyId::parse(&format!("pan.{root}")).ok().and_then(|kid| ConnectionKey::new(kid, &[7; 32], 0, 0).ok());
    let push = Push::Activity { action: "order".to_owned(), session: None, note: "You ordered twelve.".to_owned() };
    let began = std::time::Instant::now();
    for seq in 0..u64::from(count) {
        let payload = Payload { conn: root, id: Cursor::default(), seq, push: push.clone() };
        let encode =
            |key: &ConnectionKey| if signed { key.sign(&payload, seq) } else { key.encode(&payload, seq, |_| [0; 32]) };
        std::hint::black_box(key.as_ref().map(encode).and_then(Result::ok));
    }
    began.elapsed()
}

/// Whether a push fits into a message for any connection, cursor and sequence number.
pub(crate) fn fits(push: &Push) -> bool {
    // The longest root name, cursor and sequence number.
    let longest = format!("{}.{}", "x".repeat(KeyId::MAX_ROOT), ConnectionId::new([0; 16]));
    let (Ok(kid), id) = (KeyId::parse(&longest), Cursor { ms: u64::MAX, n: u64::MAX }) else { return false };
    let payload = Payload { conn: ConnectionId::new([0; 16]), id, seq: u64::MAX, push: push.clone() };
    ConnectionKey::new(kid, &[0; 32], 0, 0).and_then(|key| key.sign(&payload, u64::MAX)).is_ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn root(secret: Option<[u8; 32]>) -> Root {
        let root = Root::new(&PushSettings::default()).unwrap();
        Root { secret: secret.map_or(root.secret.clone(), Zeroizing::new), ..root }
    }

    fn names() -> (SessionHandle, ConnectionId) {
        ("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), ConnectionId::new([1; 16]))
    }

    fn public(secret: &SecretKey) -> PublicKey {
        PublicKey::from_sec1(secret.public_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    /// The key as the signing frame derives it.
    fn frames_key(
        secret: &SecretKey,
        agreed: &AgreedKey,
        session: &SessionHandle,
        conn: &ConnectionId,
    ) -> ConnectionKey {
        let server = p256::PublicKey::from_sec1_bytes(agreed.server_key.as_sec1()).unwrap();
        let shared = diffie_hellman(NonZeroScalar::from(secret), server.as_affine());
        let hkdf = Hkdf::<Sha256>::new(None, shared.raw_secret_bytes());
        let mut key = [0; 32];
        hkdf.expand(&key_info(session, conn, &agreed.kid, &public(secret), &agreed.server_key), &mut key).unwrap();
        ConnectionKey::new(agreed.kid.clone(), &key, 0, 0).unwrap()
    }

    fn payload(conn: ConnectionId) -> Payload {
        Payload { conn, id: Cursor { ms: 5, n: 0 }, seq: 1, push: Push::Heartbeat { latest: 0 } }
    }

    fn holds(key: &ConnectionKey, frame: &str) -> bool {
        let envelope = Envelope::parse(frame).unwrap();
        let mut mac = key.mac.clone();
        mac.update(&envelope.message());
        mac.verify_slice(envelope.sig.as_bytes()).is_ok()
    }

    #[test]
    fn only_both_sides_derive_the_key() {
        let root = root(None);
        let (session, conn) = names();
        let theirs = SecretKey::from_slice(&[7; 32]).unwrap();
        let (agreed, key) = root.agree(&session, &conn, &public(&theirs), 1000).unwrap();
        assert_eq!((agreed.expires_at, agreed.algorithm.as_str()), (601_000, "sha256"));
        let frame = key.sign(&payload(conn), 2000).unwrap();
        assert!(holds(&frames_key(&theirs, &agreed, &session, &conn), &frame));
        // The key of another signing frame, session or connection.
        let foreign = SecretKey::from_slice(&[8; 32]).unwrap();
        assert!(!holds(&frames_key(&foreign, &agreed, &session, &conn), &frame));
        let other = "BAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        assert!(!holds(&frames_key(&theirs, &agreed, &other, &conn), &frame));
        assert!(!holds(&frames_key(&theirs, &agreed, &session, &ConnectionId::new([2; 16])), &frame));
    }

    #[test]
    fn each_agreement_has_new_id_point_and_key() {
        let root = root(Some([9; 32]));
        let (session, conn) = names();
        let theirs = public(&SecretKey::from_slice(&[7; 32]).unwrap());
        let (one, one_key) = root.agree(&session, &conn, &theirs, 0).unwrap();
        let (other, other_key) = root.agree(&session, &conn, &theirs, 0).unwrap();
        assert_ne!(one.kid, other.kid);
        assert_ne!(one.server_key, other.server_key);
        assert!(!holds(&other_key, &one_key.sign(&payload(conn), 0).unwrap()));
    }

    #[test]
    fn only_servers_with_same_root_derive_the_key() {
        let (one, same, other) = (root(Some([9; 32])), root(Some([9; 32])), root(Some([8; 32])));
        let (session, conn) = names();
        let theirs = public(&SecretKey::from_slice(&[7; 32]).unwrap());
        let (agreed, key) = one.agree(&session, &conn, &theirs, 1_000_000).unwrap();
        let frame = key.sign(&payload(conn), 1_000_000).unwrap();
        let again = |root: &Root, now| root.agreed(&session, &conn, &agreed.kid, &theirs, now);
        let same_key = again(&same, 1_060_000).unwrap();
        assert!(holds(&same_key, &frame));
        assert_eq!((same_key.renew, same_key.expires), (key.renew, key.expires));
        // The other server's clock may be slightly behind.
        assert!(again(&same, 995_000).is_ok());
        for (root, now) in [(&other, 1_000_000), (&same, 1_060_001), (&same, 994_999)] {
            assert!(matches!(again(root, now), Err(KeyError::Unknown)), "{now}");
        }
        // A key ID that no server has issued.
        let unknown = KeyId::parse(&format!("pan.{}", ConnectionId::new([1; 16]))).unwrap();
        assert!(matches!(one.agreed(&session, &conn, &unknown, &theirs, 1_000_000), Err(KeyError::Unknown)));
    }

    #[test]
    fn point_off_the_curve_agrees_no_key() {
        let root = root(None);
        let (session, conn) = names();
        let off = PublicKey::from_sec1(&[4; 65]).unwrap();
        assert!(matches!(root.agree(&session, &conn, &off, 0), Err(KeyError::BadPoint)));
    }

    #[test]
    fn payload_is_sent_in_canonical_form() {
        let key = ConnectionKey::new("dev.AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), &[0; 32], 0, 0).unwrap();
        let frame = key.sign(&payload(ConnectionId::new([0; 16])), 7).unwrap();
        let canonical = r#"{"conn":"AAAAAAAAAAAAAAAAAAAAAA","data":{"latest":0},"id":"5-0","seq":1,"type":"hb"}"#;
        assert_eq!(Envelope::parse(&frame).unwrap().payload, canonical);
        let value: serde_json::Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), frame, "the envelope is canonical too");
    }

    #[test]
    fn too_long_message_does_not_fit() {
        let note = |length| {
            let (session, _) = names();
            Push::Activity { action: "order".into(), session: Some(session), note: "ü".repeat(length) }
        };
        assert!(fits(&note(200)));
        assert!(!fits(&note(400)));
    }
}
