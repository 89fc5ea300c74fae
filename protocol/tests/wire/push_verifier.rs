//! Whatever happens to frames on their way, what is believed is what was sent: by whom, to whom, in order, once, and lately.

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
/// When everything begins: Unix ms.
const NOW: u64 = 1_700_000_000_000;
const LIFE: u64 = 600_000;

type Keyed = PushVerifier<Hmac<Sha256>>;

/// A key of this number, and its name.
fn key(number: u8) -> (KeyId, Hmac<Sha256>) {
    let kid = KeyId::parse(&format!("dev.{}", ConnectionId::new([number; 16]))).unwrap();
    (kid, Hmac::new_from_slice(&[number; 32]).unwrap())
}

fn conn(number: u8) -> ConnectionId {
    ConnectionId::new([number; 16])
}

/// What the server sends.
#[derive(Clone, Copy, Debug)]
struct Sent {
    key: u8,
    conn: u8,
    seq: u64,
    ts: u64,
    nonce: u64,
}

impl Sent {
    /// The `seq`-th frame of the first connection.
    fn nth(seq: u64) -> Self {
        Self { key: 1, conn: 1, seq, ts: NOW, nonce: seq }
    }

    fn frame(self) -> String {
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

/// The listener of the first connection, with the first key.
fn verifier() -> Keyed {
    let mut verifier = PushVerifier::new(conn(1), TOLERANCE);
    let (kid, mac) = key(1);
    verifier.add_key(kid, mac, NOW + LIFE);
    verifier
}

/// Hears bytes as they came, as the signing frame does.
fn hear(verifier: &mut Keyed, wire: &[u8], now: u64) -> Result<String, PushRejection> {
    let text = core::str::from_utf8(wire).map_err(|_| PushRejection::Malformed)?;
    let envelope = Envelope::parse(text).map_err(|_| PushRejection::Malformed)?;
    let mac = verifier.check(&envelope, now)?.clone();
    mac.chain_update(envelope.message()).verify_slice(envelope.sig.as_bytes()).map_err(|_| PushRejection::BadMac)?;
    verifier.accept(&envelope, now)?;
    Ok(envelope.payload.to_owned())
}

/// Hears what must be refused, and must leave everything as it was.
fn refused(verifier: &mut Keyed, wire: &[u8], now: u64) -> PushRejection {
    let before = state(verifier);
    let rejected = hear(verifier, wire, now).expect_err("it is refused");
    assert_eq!(state(verifier), before, "what is refused changes nothing");
    rejected
}

/// All that it remembers, as a text.
fn state(verifier: &Keyed) -> String {
    format!("{verifier:?}")
}

#[test]
fn messages_are_accepted_once_and_in_order() {
    let mut verifier = verifier();
    let [one, two, three] = [1, 2, 3].map(|seq| Sent::nth(seq).frame());
    assert_eq!(refused(&mut verifier, two.as_bytes(), NOW), PushRejection::OutOfOrder);
    let heard = hear(&mut verifier, one.as_bytes(), NOW).unwrap();
    assert_eq!(serde_json::from_str::<Payload>(&heard).unwrap().seq, 1);
    assert_eq!(refused(&mut verifier, one.as_bytes(), NOW), PushRejection::Replayed);
    assert_eq!(refused(&mut verifier, three.as_bytes(), NOW), PushRejection::OutOfOrder);
    assert!(hear(&mut verifier, two.as_bytes(), NOW).is_ok());
    assert!(hear(&mut verifier, three.as_bytes(), NOW).is_ok());
}

#[test]
fn one_of_two_concurrent_messages_is_accepted() {
    let mut verifier = verifier();
    let frame = Sent::nth(1).frame();
    let envelope = Envelope::parse(&frame).unwrap();
    assert!(verifier.check(&envelope, NOW).is_ok() && verifier.check(&envelope, NOW).is_ok());
    assert_eq!(verifier.accept(&envelope, NOW), Ok(()));
    assert_eq!(verifier.accept(&envelope, NOW), Err(PushRejection::Replayed));
}

#[test]
fn time_window_has_exact_edges() {
    for (ts, is_believed) in
        [(NOW - SKEW, true), (NOW - SKEW - 1, false), (NOW + SKEW, true), (NOW + SKEW + 1, false), (0, false)]
    {
        let frame = Sent { ts, ..Sent::nth(1) }.frame();
        let heard = hear(&mut verifier(), frame.as_bytes(), NOW);
        assert_eq!(heard.is_ok(), is_believed, "{ts}");
        assert!(is_believed || heard == Err(PushRejection::Stale));
    }
}

#[test]
fn other_connection_or_key_is_rejected() {
    let mut verifier = verifier();
    assert_eq!(
        refused(&mut verifier, Sent { conn: 2, ..Sent::nth(1) }.frame().as_bytes(), NOW),
        PushRejection::OutOfOrder
    );
    assert_eq!(
        refused(&mut verifier, Sent { key: 2, ..Sent::nth(1) }.frame().as_bytes(), NOW),
        PushRejection::UnknownKey
    );
    // Another's key under this one's name.
    let (kid, _) = key(1);
    let foreign = Sent { key: 2, ..Sent::nth(1) }.frame().replace(key(2).0.as_str(), kid.as_str());
    assert_eq!(refused(&mut verifier, foreign.as_bytes(), NOW), PushRejection::BadMac);
    assert!(hear(&mut verifier, Sent::nth(1).frame().as_bytes(), NOW).is_ok());
}

#[test]
fn old_key_is_valid_for_the_replay_window() {
    let mut verifier = verifier();
    let (kid, mac) = key(2);
    hear(&mut verifier, Sent::nth(1).frame().as_bytes(), NOW).unwrap();
    verifier.add_key(kid, mac, NOW + LIFE);
    // What was on its way when the next key was agreed, and what comes after it.
    let at = |key, seq, ts| Sent { key, seq, ts, ..Sent::nth(seq) }.frame();
    assert!(hear(&mut verifier, at(1, 2, NOW).as_bytes(), NOW).is_ok());
    assert!(hear(&mut verifier, at(2, 3, NOW).as_bytes(), NOW).is_ok());
    let edge = NOW + REPLAY;
    assert_eq!(refused(&mut verifier, at(1, 4, edge + 1).as_bytes(), edge + 1), PushRejection::UnknownKey);
    assert!(hear(&mut verifier, at(1, 4, edge).as_bytes(), edge).is_ok());
    assert!(hear(&mut verifier, at(2, 5, edge + 1).as_bytes(), edge + 1).is_ok());
}

#[test]
fn unused_next_key_does_not_expire_the_old_one() {
    let mut verifier = verifier();
    let at = |key, seq, ts| Sent { key, seq, ts, ..Sent::nth(seq) }.frame();
    hear(&mut verifier, at(1, 1, NOW).as_bytes(), NOW).unwrap();
    // Two were agreed where nobody signs with them.
    for next in [2, 3] {
        let (kid, mac) = key(next);
        verifier.add_key(kid, mac, NOW + LIFE);
    }
    let later = NOW + 10 * REPLAY;
    assert!(hear(&mut verifier, at(1, 2, later).as_bytes(), later).is_ok());
    assert_eq!(refused(&mut verifier, at(2, 3, later).as_bytes(), later), PushRejection::UnknownKey);
    assert!(hear(&mut verifier, at(3, 3, later).as_bytes(), later).is_ok(), "the newest one may sign");
}

#[test]
fn expired_key_is_rejected() {
    let end = NOW + LIFE;
    let at = |seq, ts| Sent { ts, ..Sent::nth(seq) }.frame();
    let mut verifier = verifier();
    assert_eq!(refused(&mut verifier, at(1, end).as_bytes(), end), PushRejection::UnknownKey);
    // Signed in time, and heard a little later.
    assert!(hear(&mut verifier, at(1, end - 1).as_bytes(), end + SKEW - 1).is_ok());
    assert_eq!(refused(&mut verifier, at(2, end - 1).as_bytes(), end + SKEW), PushRejection::Stale);
}

#[test]
fn mixed_parts_of_valid_messages_are_rejected() {
    let frames = [1, 2].map(|seq| Sent { ts: NOW + seq, ..Sent::nth(seq) }.frame());
    let [one, two] = [Envelope::parse(&frames[0]).unwrap(), Envelope::parse(&frames[1]).unwrap()];
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
        assert_eq!(refused(&mut verifier, mixed.to_string().as_bytes(), NOW), PushRejection::BadMac);
    }
    for (from, to) in [("\"seq\":2", "\"seq\":1"), ("grüße", "gruße")] {
        let changed = frames[usize::from(from.starts_with('"'))].replace(from, to);
        assert_eq!(refused(&mut verifier, changed.as_bytes(), NOW), PushRejection::BadMac);
    }
    let elsewhere = Sent { conn: 2, ..Sent::nth(1) }.frame().replace(&conn(2).to_string(), &conn(1).to_string());
    assert_eq!(refused(&mut verifier, elsewhere.as_bytes(), NOW), PushRejection::BadMac);
    for frame in &frames {
        assert!(hear(&mut verifier, frame.as_bytes(), NOW).is_ok());
    }
}

proptest! {
    #[test]
    fn flipped_bit_is_rejected(at: Index, bit in 0_u8..8, before in 0_u64..3) {
        let mut verifier = verifier();
        for seq in 1..=before {
            hear(&mut verifier, Sent::nth(seq).frame().as_bytes(), NOW).unwrap();
        }
        let frame = Sent::nth(before + 1).frame();
        let mut wire = frame.clone().into_bytes();
        let at = at.index(wire.len());
        wire[at] ^= 1 << bit;
        refused(&mut verifier, &wire, NOW);
        prop_assert!(hear(&mut verifier, frame.as_bytes(), NOW).is_ok(), "and the genuine one is believed after it");
    }

    #[test]
    fn clock_changes_allow_no_replay(
        steps in prop::collection::vec((0_u64..6, -30_000_i64..30_000), 0..60),
    ) {
        let mut verifier = verifier();
        // As wide as the clock goes, so that no frame is refused for its time alone.
        let (mut now, mut believed) = (NOW + 300_000, Vec::new());
        for (seq, step) in steps {
            now = now.saturating_add_signed(step);
            for ts in [now, NOW + 300_000] {
                if hear(&mut verifier, Sent { ts, ..Sent::nth(seq) }.frame().as_bytes(), now).is_ok() {
                    believed.push(seq);
                }
            }
        }
        let in_order: Vec<u64> = (1..=believed.len() as u64).collect();
        prop_assert_eq!(believed, in_order);
    }

    #[test]
    fn loss_and_reordering_leave_a_prefix(
        way in prop::collection::vec(1_u64..12, 0..80),
    ) {
        let mut verifier = verifier();
        let heard = way.iter().filter(|&&seq| hear(&mut verifier, Sent::nth(seq).frame().as_bytes(), NOW).is_ok());
        let believed: Vec<u64> = heard.copied().collect();
        let in_order: Vec<u64> = (1..=believed.len() as u64).collect();
        prop_assert_eq!(believed, in_order);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(wire: Vec<u8>, now: u64) {
        let mut verifier = verifier();
        refused(&mut verifier, &wire, now);
    }

    #[test]
    fn nonces_are_kept_for_the_window_only(gaps in prop::collection::vec(0_u64..4_000, 1..100)) {
        let mut verifier = verifier();
        let (mut now, mut lately) = (NOW, Vec::new());
        for (seq, gap) in (1..).zip(gaps) {
            now += gap;
            hear(&mut verifier, Sent { ts: now, ..Sent::nth(seq) }.frame().as_bytes(), now).unwrap();
            lately.push(now);
            lately.retain(|at| now - at <= REPLAY);
            prop_assert_eq!(state(&verifier).matches("PushNonce(").count(), lately.len());
        }
    }
}
