//! Keys of pushed frames: agreed with the signing frame, for one connection, for ten minutes (a setting).
//!
//! ECDH P-256 of the frame's ephemeral key and an ephemeral one of the server's, then HKDF-SHA256 (RFC 5869), then
//! HMAC-SHA256 (RFC 2104). No secret crosses the wire, and nothing is stored: a server that starts anew has no keys, and
//! the pages agree new ones.
//!
//! The server's half is derived from its root and the key's name, so it need not be remembered: the request for the
//! connection names the key, and whichever server gets it derives the key once more. Without a root of the settings a
//! process makes its own, and with the process ends whatever could have been derived from it.
//!
//! A key's name is the root's, then when it ends (48 bits of Unix ms), 48 random bits, and 32 bits by which the root knows
//! its own names.

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

/// How long after a key was agreed its connection may be opened: ms.
const OPEN_WITHIN: u64 = 60_000;

/// By how much the clock of the server that agreed a key may be ahead of this one's: ms.
const AHEAD: u64 = 5_000;

/// Why there is no key, or no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The frame's point is not on the curve.
    #[error("the point is not on the curve")]
    BadPoint,
    /// The key is none of this root's, or it is too late for it.
    #[error("no such key was agreed lately")]
    Unknown,
    /// The system gives no randomness.
    #[error("no randomness")]
    Randomness(#[from] getrandom::Error),
    /// The derivation refuses a length: a mistake in the program.
    #[error("a key cannot be derived")]
    Derivation,
    /// The payload has no canonical text, or is longer than a frame may be.
    #[error("the payload is no frame")]
    TooLong,
}

/// What the server's halves are derived from.
#[derive(Clone)]
pub(crate) struct Root {
    name: String,
    secret: Zeroizing<[u8; 32]>,
    /// How long a key is good: ms.
    life: u64,
}

/// The key of one connection.
#[derive(Clone)]
pub(crate) struct FrameKey {
    pub(crate) kid: KeyId,
    mac: Hmac<Sha256>,
    /// When the next one is to be agreed, at 80 % of its life: Unix ms.
    pub(crate) renew: u64,
    /// When it ends: Unix ms.
    pub(crate) expires: u64,
}

impl Root {
    /// The root of the settings, or without one in them one of this process only.
    pub(crate) fn new(settings: &PushSettings) -> Result<Self, getrandom::Error> {
        let secret = settings.secret.as_ref().map(|secret| *secret.reveal());
        let secret = Zeroizing::new(secret.map_or_else(random, Ok)?);
        Ok(Self { name: settings.key_id.clone(), secret, life: settings.key_seconds.saturating_mul(1000) })
    }

    /// Agrees a key with the frame whose public point is `theirs`.
    pub(crate) fn agree(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        theirs: &PublicKey,
        now: u64,
    ) -> Result<(AgreedKey, FrameKey), KeyError> {
        let expires = now.saturating_add(self.life);
        let mut unique = [0; 12];
        unique[..6].copy_from_slice(&expires.to_be_bytes()[2..]);
        unique[6..].copy_from_slice(&random::<6>()?);
        let kid = self.name_of(unique)?;
        let (key, server_key) = self.derive(session, conn, &kid, theirs, expires)?;
        let agreed = AgreedKey { kid, algorithm: "sha256".to_owned(), expires_at: expires, server_key };
        Ok((agreed, key))
    }

    /// The key that was agreed just now, by this server or one with the same root.
    pub(crate) fn agreed(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        kid: &KeyId,
        theirs: &PublicKey,
        now: u64,
    ) -> Result<FrameKey, KeyError> {
        let (_, bytes) = kid.parts();
        let mut unique = [0; 12];
        unique.copy_from_slice(&bytes[..12]);
        let mut end = [0; 8];
        end[2..].copy_from_slice(&unique[..6]);
        let expires = u64::from_be_bytes(end);
        let agreed = expires.saturating_sub(self.life);
        let is_fresh = now.saturating_sub(agreed) <= OPEN_WITHIN && agreed.saturating_sub(now) <= AHEAD;
        if self.name_of(unique)? != *kid || !is_fresh {
            return Err(KeyError::Unknown);
        }
        Ok(self.derive(session, conn, kid, theirs, expires)?.0)
    }

    /// The one name of this root with these bytes.
    fn name_of(&self, unique: [u8; 12]) -> Result<KeyId, KeyError> {
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
    ) -> Result<(FrameKey, PublicKey), KeyError> {
        let point = p256::PublicKey::from_sec1_bytes(theirs.as_sec1()).map_err(|_| KeyError::BadPoint)?;
        let ours = self.ephemeral_key(kid)?;
        let shared = diffie_hellman(NonZeroScalar::from(&ours), point.as_affine());
        let our_point = ours.public_key().to_sec1_point(false);
        let server_key = PublicKey::from_sec1(our_point.as_bytes()).map_err(|_| KeyError::Derivation)?;
        let mut key = Zeroizing::new([0; 32]);
        let info = key_info(session, conn, kid, theirs, &server_key);
        let derived = shared.extract::<Sha256>(None).expand(&info, key.as_mut());
        derived.map_err(|_| KeyError::Derivation)?;
        let renew = expires.saturating_sub(self.life / 10 * 2);
        Ok((FrameKey::new(kid.clone(), &key, renew, expires)?, server_key))
    }

    /// The server's private half for this name.
    fn ephemeral_key(&self, kid: &KeyId) -> Result<SecretKey, KeyError> {
        let root = Hkdf::<Sha256>::new(None, self.secret.as_ref());
        // All but one of 2^32 candidates are on the curve's order; the next one is tried then.
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

impl FrameKey {
    fn new(kid: KeyId, key: &[u8; 32], renew: u64, expires: u64) -> Result<Self, KeyError> {
        let mac = Hmac::new_from_slice(key).map_err(|_| KeyError::Derivation)?;
        Ok(Self { kid, mac, renew, expires })
    }

    /// Signs a payload at `ts` (Unix ms). Gives the frame as it is sent.
    pub(crate) fn sign(&self, payload: &Payload, ts: u64) -> Result<String, KeyError> {
        self.frame(payload, ts, |message| self.mac.clone().chain_update(message).finalize().into_bytes().into())
    }

    fn frame(&self, payload: &Payload, ts: u64, mac: impl FnOnce(&[u8]) -> [u8; 32]) -> Result<String, KeyError> {
        let nonce = PushNonce::new(random()?);
        let text = serde_json_canonicalizer::to_string(payload).map_err(|_| KeyError::TooLong)?;
        let mut envelope = Envelope { kid: self.kid.clone(), nonce, payload: &text, sig: Mac::new([0; 32]), ts };
        envelope.sig = Mac::new(mac(&envelope.message()));
        let frame = envelope.to_string();
        if frame.len() <= protocol::push::MAX_FRAME { Ok(frame) } else { Err(KeyError::TooLong) }
    }
}

/// How long it takes to make so many frames, with or without their MACs.
pub(crate) fn measure(frames: u32, signed: bool) -> std::time::Duration {
    let root = ConnectionId::new([0; 16]);
    let key = KeyId::parse(&format!("pan.{root}")).ok().and_then(|kid| FrameKey::new(kid, &[7; 32], 0, 0).ok());
    let push = Push::Activity { action: "order".to_owned(), session: None, note: "You ordered twelve.".to_owned() };
    let began = std::time::Instant::now();
    for seq in 0..u64::from(frames) {
        let payload = Payload { conn: root, id: Cursor::default(), seq, push: push.clone() };
        let frame =
            |key: &FrameKey| if signed { key.sign(&payload, seq) } else { key.frame(&payload, seq, |_| [0; 32]) };
        std::hint::black_box(key.as_ref().map(frame).and_then(Result::ok));
    }
    began.elapsed()
}

/// Whether a push fits into a frame, whatever its connection and its place.
pub(crate) fn fits(push: &Push) -> bool {
    // As long as any root's name, cursor and sequence number may be.
    let longest = format!("{}.{}", "x".repeat(KeyId::MAX_ROOT), ConnectionId::new([0; 16]));
    let (Ok(kid), id) = (KeyId::parse(&longest), Cursor { ms: u64::MAX, n: u64::MAX }) else { return false };
    let payload = Payload { conn: ConnectionId::new([0; 16]), id, seq: u64::MAX, push: push.clone() };
    FrameKey::new(kid, &[0; 32], 0, 0).and_then(|key| key.sign(&payload, u64::MAX)).is_ok()
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

    /// What the signing frame does, from the other side.
    fn frames_key(secret: &SecretKey, agreed: &AgreedKey, session: &SessionHandle, conn: &ConnectionId) -> FrameKey {
        let server = p256::PublicKey::from_sec1_bytes(agreed.server_key.as_sec1()).unwrap();
        let shared = diffie_hellman(NonZeroScalar::from(secret), server.as_affine());
        let hkdf = Hkdf::<Sha256>::new(None, shared.raw_secret_bytes());
        let mut key = [0; 32];
        hkdf.expand(&key_info(session, conn, &agreed.kid, &public(secret), &agreed.server_key), &mut key).unwrap();
        FrameKey::new(agreed.kid.clone(), &key, 0, 0).unwrap()
    }

    fn payload(conn: ConnectionId) -> Payload {
        Payload { conn, id: Cursor { ms: 5, n: 0 }, seq: 1, push: Push::Hb { latest: 0 } }
    }

    fn holds(key: &FrameKey, frame: &str) -> bool {
        let envelope = Envelope::parse(frame).unwrap();
        let mut mac = key.mac.clone();
        mac.update(&envelope.message());
        mac.verify_slice(envelope.sig.as_bytes()).is_ok()
    }

    #[test]
    fn both_sides_derive_one_key_and_nobody_else_does() {
        let root = root(None);
        let (session, conn) = names();
        let theirs = SecretKey::from_slice(&[7; 32]).unwrap();
        let (agreed, key) = root.agree(&session, &conn, &public(&theirs), 1000).unwrap();
        assert_eq!((agreed.expires_at, agreed.algorithm.as_str()), (601_000, "sha256"));
        let frame = key.sign(&payload(conn), 2000).unwrap();
        assert!(holds(&frames_key(&theirs, &agreed, &session, &conn), &frame));
        // Another frame's key, another session, another connection.
        let foreign = SecretKey::from_slice(&[8; 32]).unwrap();
        assert!(!holds(&frames_key(&foreign, &agreed, &session, &conn), &frame));
        let other = "BAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        assert!(!holds(&frames_key(&theirs, &agreed, &other, &conn), &frame));
        assert!(!holds(&frames_key(&theirs, &agreed, &session, &ConnectionId::new([2; 16])), &frame));
    }

    #[test]
    fn every_agreement_has_its_own_name_point_and_key() {
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
    fn a_server_with_the_same_root_derives_the_key_again_and_no_other_does() {
        let (one, same, other) = (root(Some([9; 32])), root(Some([9; 32])), root(Some([8; 32])));
        let (session, conn) = names();
        let theirs = public(&SecretKey::from_slice(&[7; 32]).unwrap());
        let (agreed, key) = one.agree(&session, &conn, &theirs, 1_000_000).unwrap();
        let frame = key.sign(&payload(conn), 1_000_000).unwrap();
        let again = |root: &Root, now| root.agreed(&session, &conn, &agreed.kid, &theirs, now);
        let same_key = again(&same, 1_060_000).unwrap();
        assert!(holds(&same_key, &frame));
        assert_eq!((same_key.renew, same_key.expires), (key.renew, key.expires));
        // Its clock may be a little behind.
        assert!(again(&same, 995_000).is_ok());
        for (root, now) in [(&other, 1_000_000), (&same, 1_060_001), (&same, 994_999)] {
            assert!(matches!(again(root, now), Err(KeyError::Unknown)), "{now}");
        }
        // A name that nobody has agreed.
        let invented = KeyId::parse(&format!("pan.{}", ConnectionId::new([1; 16]))).unwrap();
        assert!(matches!(one.agreed(&session, &conn, &invented, &theirs, 1_000_000), Err(KeyError::Unknown)));
    }

    #[test]
    fn a_point_off_the_curve_agrees_nothing() {
        let root = root(None);
        let (session, conn) = names();
        let off = PublicKey::from_sec1(&[4; 65]).unwrap();
        assert!(matches!(root.agree(&session, &conn, &off, 0), Err(KeyError::BadPoint)));
    }

    #[test]
    fn a_payload_is_sent_in_its_canonical_form() {
        let key = FrameKey::new("dev.AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), &[0; 32], 0, 0).unwrap();
        let frame = key.sign(&payload(ConnectionId::new([0; 16])), 7).unwrap();
        let canonical = r#"{"conn":"AAAAAAAAAAAAAAAAAAAAAA","data":{"latest":0},"id":"5-0","seq":1,"type":"hb"}"#;
        assert_eq!(Envelope::parse(&frame).unwrap().payload, canonical);
        let value: serde_json::Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), frame, "the envelope is canonical too");
    }

    #[test]
    fn what_does_not_fit_is_known_before_it_is_sent() {
        let note = |length| {
            let (session, _) = names();
            Push::Activity { action: "order".into(), session: Some(session), note: "ü".repeat(length) }
        };
        assert!(fits(&note(200)));
        assert!(!fits(&note(400)));
    }
}
