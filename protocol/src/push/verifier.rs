//! What a listener has heard on its connection, and whether it may believe the next frame.
//!
//! It holds no key material of its own and makes no MAC: whoever has the key checks that between [`PushVerifier::judge`] and
//! [`PushVerifier::accept`]. So the signing frame runs it over `WebCrypto`'s keys and the tests over any other HMAC.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{ConnectionId, Envelope, KeyId, Order, PushNonce};

/// How many keys are held: the one that signs and, around a rotation, the one before.
const KEYS: usize = 2;

/// Why a frame is not believed. It is not told to whoever sent the frame; the frame's next request for a connection says
/// it, signed, to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// Not a frame.
    Malformed,
    /// Signed, so it says, by a key that was never agreed for this connection, or is over.
    UnknownKey,
    /// Its time is too far from now.
    Stale,
    /// It was heard before.
    Replayed,
    /// It is for another connection, or not the next one of this.
    OutOfOrder,
    /// The signature does not hold.
    BadMac,
}

impl Rejected {
    /// Its name for metrics and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "frame_malformed",
            Self::UnknownKey => "frame_of_unknown_key",
            Self::Stale => "frame_stale",
            Self::Replayed => "frame_replayed",
            Self::OutOfOrder => "frame_out_of_order",
            Self::BadMac => "frame_signature_bad",
        }
    }
}

/// How exact time must be: ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance {
    /// How far a frame's time may be from now, either way.
    pub skew: u64,
    /// How long a nonce is remembered, and an old key honoured after the next one was first heard.
    pub replay: u64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { skew: 5_000, replay: 10_000 }
    }
}

#[derive(Clone, Debug)]
struct Held<K> {
    kid: KeyId,
    key: K,
    /// It signs nothing from then on: Unix ms.
    expires: u64,
    /// What it has signed is heard up to then: Unix ms.
    until: u64,
    /// Whether anything was heard under it.
    is_used: bool,
}

/// One connection, as its listener knows it. `K` is whatever its MACs are checked with.
#[derive(Clone, Debug)]
pub struct PushVerifier<K> {
    conn: ConnectionId,
    tolerance: Tolerance,
    keys: Vec<Held<K>>,
    /// Nonces, and when each was heard, oldest first.
    heard: VecDeque<(u64, PushNonce)>,
    /// Of the last frame that was accepted.
    seq: u64,
}

impl<K> PushVerifier<K> {
    /// Of a connection that nothing was heard of yet.
    pub const fn new(conn: ConnectionId, tolerance: Tolerance) -> Self {
        Self { conn, tolerance, keys: Vec::new(), heard: VecDeque::new(), seq: 0 }
    }

    /// The connection.
    pub const fn conn(&self) -> ConnectionId {
        self.conn
    }

    /// Whether any frame was accepted.
    pub const fn has_heard(&self) -> bool {
        self.seq > 0
    }

    /// Takes a key that signs until `expires` (Unix ms, the server's time). Once it is heard, those before it are honoured
    /// for the replay window only. Not sooner: the server may not sign with it, as when another one agreed it.
    pub fn add_key(&mut self, kid: KeyId, key: K, expires: u64) {
        if self.keys.len() == KEYS {
            let is_used = self.keys.last().is_some_and(|newest| newest.is_used);
            self.keys.remove(if is_used { 0 } else { KEYS - 1 });
        }
        let until = expires.saturating_add(self.tolerance.replay);
        self.keys.push(Held { kid, key, expires, until, is_used: false });
    }

    /// Everything but the signature, in the order of docs/PROTOCOL.md §9. Gives the key that must have made it; nothing
    /// changes.
    ///
    /// # Errors
    /// Why the frame is not believed.
    pub fn judge(&self, frame: &Envelope<'_>, now: u64) -> Result<&K, Rejected> {
        let held = self.keys.iter().find(|held| held.kid == frame.kid);
        let held = held.filter(|held| now <= held.until && frame.ts < held.expires).ok_or(Rejected::UnknownKey)?;
        if now.abs_diff(frame.ts) > self.tolerance.skew {
            return Err(Rejected::Stale);
        }
        if self.heard.iter().any(|(_, nonce)| *nonce == frame.nonce) {
            return Err(Rejected::Replayed);
        }
        let order = Order::parse(frame.payload).map_err(|_| Rejected::Malformed)?;
        let is_next = order.conn == self.conn && order.seq.checked_sub(1) == Some(self.seq);
        if is_next { Ok(&held.key) } else { Err(Rejected::OutOfOrder) }
    }

    /// Takes a frame whose signature holds. It is judged once more, because something may have been heard while the
    /// signature was checked: of two that were judged at one time, one is taken.
    ///
    /// # Errors
    /// As [`PushVerifier::judge`]; then nothing has changed.
    pub fn accept(&mut self, frame: &Envelope<'_>, now: u64) -> Result<(), Rejected> {
        self.judge(frame, now)?;
        // Forgetting opens nothing, whatever clock is set back: the sequence has gone on.
        let replay = self.tolerance.replay;
        while self.heard.front().is_some_and(|&(at, _)| now.abs_diff(at) > replay) {
            self.heard.pop_front();
        }
        self.heard.push_back((now, frame.nonce));
        self.seq += 1;
        let signer = self.keys.iter().position(|held| held.kid == frame.kid).unwrap_or_default();
        if self.keys.get(signer).is_some_and(|held| !held.is_used) {
            for older in &mut self.keys[..signer] {
                older.until = older.until.min(now.saturating_add(replay));
            }
            self.keys[signer].is_used = true;
        }
        Ok(())
    }
}
