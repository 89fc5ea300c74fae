//! The verifier accepts exactly the messages that the server sent to this connection: in order, once, and recently.

use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::{prelude::*, sample::Index};
use protocol::push::{
    ConnectionId, Cursor, Envelope, KeyId, Mac, Payload, Push, PushNonce, PushRejection, PushVerifier, Tolerance,
};
use sha2::Sha256;

use crate::test;

const SKEW: u64 = 5_000;
const REPLAY: u64 = 10_000;
const TOLERANCE: Tolerance = Tolerance { skew: SKEW, replay: REPLAY };
/// The start time: Unix ms.
const NOW: u64 = 1_700_000_000_000;
const LIFE: u64 = 600_000;

type HmacVerifier = PushVerifier<Hmac<Sha256>>;

/// The ID and the key of this number.
fn key(number: u8) -> (KeyId, Hmac<Sha256>) {
    let kid = KeyId::parse(&format!("dev.{}", ConnectionId::new([number; 16]))).unwrap();
    (kid, Hmac::new_from_slice(&[number; 32]).unwrap())
}

fn conn(number: u8) -> ConnectionId {
    ConnectionId::new([number; 16])
}

/// A push message that the server sends.
#[derive(Clone, Copy, Debug)]
struct Sent {
    key: u8,
    conn: u8,
    seq: u64,
    ts: u64,
    nonce: u64,
}

impl Sent {
    /// The `seq`-th message of the first connection.
    fn nth(seq: u64) -> Self {
        Self { key: 1, conn: 1, seq, ts: NOW, nonce: seq }
    }

    fn message(self) -> String {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let push =
            Push::Activity { action: "transfer".into(), session: None, note: format!("\"{}\" → grüße", self.seq) };
        let payload = Payload { conn: conn(self.conn), id: Cursor { ms: self.ts, n: self.seq }, seq: self.seq, push };
        let text = serde_json_canonicalizer::to_string(&payload).unwrap();
        let (kid, mac) = key(self.key);
        let mut envelope =
            Envelope { kid, nonce: PushNonce::new(nonce), payload: &text, sig: Mac::new([0; 32]), ts: self.ts };
        envelope.sig = Mac::new(mac.chain_update(envelope.message()).finalize().into_bytes().into());
        envelope.to_string()
    }
}

/// The verifier of the first connection, with the first key.
fn verifier() -> HmacVerifier {
    let mut verifier = PushVerifier::new(conn(1), TOLERANCE);
    let (kid, mac) = key(1);
    verifier.add_key(kid, mac, NOW + LIFE);
    verifier
}

/// Verifies bytes as the signing frame does.
fn verify(verifier: &mut HmacVerifier, wire: &[u8], now: u64) -> Result<String, PushRejection> {
    let text = core::str::from_utf8(wire).map_err(|_| PushRejection::Malformed)?;
    let envelope = Envelope::parse(text).map_err(|_| PushRejection::Malformed)?;
    let mac = verifier.check(&envelope, now)?.clone();
    mac.chain_update(envelope.message()).verify_slice(envelope.sig.as_bytes()).map_err(|_| PushRejection::BadMac)?;
    verifier.accept(&envelope, now)?;
    Ok(envelope.payload.to_owned())
}

/// Verifies a message that must be rejected. Checks that the verifier's state does not change.
fn reject(verifier: &mut HmacVerifier, wire: &[u8], now: u64) -> PushRejection {
    let before = state(verifier);
    let rejected = verify(verifier, wire, now).expect_err("a rejection");
    assert_eq!(state(verifier), before, "a rejected message changes nothing");
    rejected
}

/// The whole state, as text.
fn state(verifier: &HmacVerifier) -> String {
    format!("{verifier:?}")
}

#[test]
fn messages_are_accepted_once_and_in_order() {
    let mut verifier = verifier();
    let [one, two, three] = [1, 2, 3].map(|seq| Sent::nth(seq).message());
    assert_eq!(reject(&mut verifier, two.as_bytes(), NOW), PushRejection::OutOfOrder);
    let result = verify(&mut verifier, one.as_bytes(), NOW).unwrap();
    assert_eq!(serde_json::from_str::<Payload>(&result).unwrap().seq, 1);
    assert_eq!(reject(&mut verifier, one.as_bytes(), NOW), PushRejection::Replayed);
    assert_eq!(reject(&mut verifier, three.as_bytes(), NOW), PushRejection::OutOfOrder);
    assert!(verify(&mut verifier, two.as_bytes(), NOW).is_ok());
    assert!(verify(&mut verifier, three.as_bytes(), NOW).is_ok());
}

#[test]
fn one_of_two_concurrent_messages_is_accepted() {
    let mut verifier = verifier();
    let message = Sent::nth(1).message();
    let envelope = Envelope::parse(&message).unwrap();
    assert!(verifier.check(&envelope, NOW).is_ok() && verifier.check(&envelope, NOW).is_ok());
    assert_eq!(verifier.accept(&envelope, NOW), Ok(()));
    assert_eq!(verifier.accept(&envelope, NOW), Err(PushRejection::Replayed));
}

#[test]
fn time_window_has_exact_edges() {
    for (ts, is_accepted) in
        [(NOW - SKEW, true), (NOW - SKEW - 1, false), (NOW + SKEW, true), (NOW + SKEW + 1, false), (0, false)]
    {
        let message = Sent { ts, ..Sent::nth(1) }.message();
        let result = verify(&mut verifier(), message.as_bytes(), NOW);
        assert_eq!(result.is_ok(), is_accepted, "{ts}");
        assert!(is_accepted || result == Err(PushRejection::Stale));
    }
}

#[test]
fn other_connection_or_key_is_rejected() {
    let mut verifier = verifier();
    assert_eq!(
        reject(&mut verifier, Sent { conn: 2, ..Sent::nth(1) }.message().as_bytes(), NOW),
        PushRejection::OutOfOrder
    );
    assert_eq!(
        reject(&mut verifier, Sent { key: 2, ..Sent::nth(1) }.message().as_bytes(), NOW),
        PushRejection::UnknownKey
    );
    // A message signed with the second key under the ID of the first.
    let (kid, _) = key(1);
    let foreign = Sent { key: 2, ..Sent::nth(1) }.message().replace(key(2).0.as_str(), kid.as_str());
    assert_eq!(reject(&mut verifier, foreign.as_bytes(), NOW), PushRejection::BadMac);
    assert!(verify(&mut verifier, Sent::nth(1).message().as_bytes(), NOW).is_ok());
}

#[test]
fn old_key_is_valid_for_the_replay_window() {
    let mut verifier = verifier();
    let (kid, mac) = key(2);
    verify(&mut verifier, Sent::nth(1).message().as_bytes(), NOW).unwrap();
    verifier.add_key(kid, mac, NOW + LIFE);
    // A message that was in flight when the next key was agreed, and a later one.
    let at = |key, seq, ts| Sent { key, seq, ts, ..Sent::nth(seq) }.message();
    assert!(verify(&mut verifier, at(1, 2, NOW).as_bytes(), NOW).is_ok());
    assert!(verify(&mut verifier, at(2, 3, NOW).as_bytes(), NOW).is_ok());
    let edge = NOW + REPLAY;
    assert_eq!(reject(&mut verifier, at(1, 4, edge + 1).as_bytes(), edge + 1), PushRejection::UnknownKey);
    assert!(verify(&mut verifier, at(1, 4, edge).as_bytes(), edge).is_ok());
    assert!(verify(&mut verifier, at(2, 5, edge + 1).as_bytes(), edge + 1).is_ok());
}

#[test]
fn unused_next_key_does_not_expire_the_old_one() {
    let mut verifier = verifier();
    let at = |key, seq, ts| Sent { key, seq, ts, ..Sent::nth(seq) }.message();
    verify(&mut verifier, at(1, 1, NOW).as_bytes(), NOW).unwrap();
    // Two keys were agreed, but no message is signed with them.
    for next in [2, 3] {
        let (kid, mac) = key(next);
        verifier.add_key(kid, mac, NOW + LIFE);
    }
    let later = NOW + 10 * REPLAY;
    assert!(verify(&mut verifier, at(1, 2, later).as_bytes(), later).is_ok());
    assert_eq!(reject(&mut verifier, at(2, 3, later).as_bytes(), later), PushRejection::UnknownKey);
    assert!(verify(&mut verifier, at(3, 3, later).as_bytes(), later).is_ok(), "the newest key is kept");
}

#[test]
fn expired_key_is_rejected() {
    let end = NOW + LIFE;
    let at = |seq, ts| Sent { ts, ..Sent::nth(seq) }.message();
    let mut verifier = verifier();
    assert_eq!(reject(&mut verifier, at(1, end).as_bytes(), end), PushRejection::UnknownKey);
    // Signed in time, and received a little later.
    assert!(verify(&mut verifier, at(1, end - 1).as_bytes(), end + SKEW - 1).is_ok());
    assert_eq!(reject(&mut verifier, at(2, end - 1).as_bytes(), end + SKEW), PushRejection::Stale);
}

#[test]
fn mixed_parts_of_valid_messages_are_rejected() {
    let messages = [1, 2].map(|seq| Sent { ts: NOW + seq, ..Sent::nth(seq) }.message());
    let [one, two] = [Envelope::parse(&messages[0]).unwrap(), Envelope::parse(&messages[1]).unwrap()];
    let mut verifier = verifier();
    let (kid, mac) = key(2);
    verifier.add_key(kid.clone(), mac, NOW + LIFE);
    for mixed in [
        Envelope { kid, ..one.clone() },
        Envelope { ts: two.ts, ..one.clone() },
        Envelope { nonce: two.nonce, ..one.clone() },
        Envelope { sig: two.sig, ..one.clone() },
        Envelope { payload: one.payload, ..two.clone() },
    ] {
        assert_eq!(reject(&mut verifier, mixed.to_string().as_bytes(), NOW), PushRejection::BadMac);
    }
    for (from, to) in [("\"seq\":2", "\"seq\":1"), ("grüße", "gruße")] {
        let changed = messages[usize::from(from.starts_with('"'))].replace(from, to);
        assert_eq!(reject(&mut verifier, changed.as_bytes(), NOW), PushRejection::BadMac);
    }
    let elsewhere = Sent { conn: 2, ..Sent::nth(1) }.message().replace(&conn(2).to_string(), &conn(1).to_string());
    assert_eq!(reject(&mut verifier, elsewhere.as_bytes(), NOW), PushRejection::BadMac);
    for message in &messages {
        assert!(verify(&mut verifier, message.as_bytes(), NOW).is_ok());
    }
}

proptest! {
    #[test]
    fn flipped_bit_is_rejected(at: Index, bit in 0_u8..8, before in 0_u64..3) {
        let mut verifier = verifier();
        for seq in 1..=before {
            verify(&mut verifier, Sent::nth(seq).message().as_bytes(), NOW).unwrap();
        }
        let message = Sent::nth(before + 1).message();
        let mut wire = message.clone().into_bytes();
        let at = at.index(wire.len());
        wire[at] ^= 1 << bit;
        reject(&mut verifier, &wire, NOW);
        prop_assert!(verify(&mut verifier, message.as_bytes(), NOW).is_ok(), "the genuine message is accepted");
    }

    #[test]
    fn clock_changes_allow_no_replay(
        steps in prop::collection::vec((0_u64..6, -30_000_i64..30_000), 0..60),
    ) {
        let mut verifier = verifier();
        // The timestamp follows the clock, so that no message is rejected as stale.
        let (mut now, mut accepted) = (NOW + 300_000, Vec::new());
        for (seq, step) in steps {
            now = now.saturating_add_signed(step);
            for ts in [now, NOW + 300_000] {
                if verify(&mut verifier, Sent { ts, ..Sent::nth(seq) }.message().as_bytes(), now).is_ok() {
                    accepted.push(seq);
                }
            }
        }
        let in_order: Vec<u64> = (1..=accepted.len() as u64).collect();
        prop_assert_eq!(accepted, in_order);
    }

    #[test]
    fn loss_and_reordering_leave_a_prefix(
        received in prop::collection::vec(1_u64..12, 0..80),
    ) {
        let mut verifier = verifier();
        let mut passes = |seq| verify(&mut verifier, Sent::nth(seq).message().as_bytes(), NOW).is_ok();
        let accepted: Vec<u64> = received.into_iter().filter(|&seq| passes(seq)).collect();
        let in_order: Vec<u64> = (1..=accepted.len() as u64).collect();
        prop_assert_eq!(accepted, in_order);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(wire: Vec<u8>, now: u64) {
        let mut verifier = verifier();
        reject(&mut verifier, &wire, now);
    }

    #[test]
    fn nonces_are_kept_for_the_window_only(gaps in prop::collection::vec(0_u64..4_000, 1..100)) {
        let mut verifier = verifier();
        let (mut now, mut recent) = (NOW, Vec::new());
        for (seq, gap) in (1..).zip(gaps) {
            now += gap;
            verify(&mut verifier, Sent { ts: now, ..Sent::nth(seq) }.message().as_bytes(), now).unwrap();
            recent.push(now);
            recent.retain(|at| now - at <= REPLAY);
            prop_assert_eq!(state(&verifier).matches("PushNonce(").count(), recent.len());
        }
    }
}
