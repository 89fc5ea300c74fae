//! Verifies the push messages of a connection.
//!
//! It computes no MAC: the caller verifies the MAC between [`PushVerifier::check`] and [`PushVerifier::accept`]. So the
//! signing frame uses it with `WebCrypto` keys, and the tests with another HMAC implementation.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{ConnectionId, Envelope, KeyId, PayloadHeader, PushNonce};

/// The number of keys that are kept: the current one and, around a rotation, the previous one.
const KEYS: usize = 2;

/// Why a push message was rejected. The signing frame reports it to the server in its next signed request for a
/// connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushRejection {
    /// Not a push message.
    Malformed,
    /// The key was never agreed for this connection, or has expired.
    UnknownKey,
    /// The timestamp is too far from the current time.
    Stale,
    /// The message was received before.
    Replayed,
    /// The message is for another connection, or not the next one in sequence.
    OutOfOrder,
    /// The signature is invalid.
    BadMac,
}

impl PushRejection {
    /// The name in metrics and the audit log.
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

/// Time tolerances, in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance {
    /// The maximum distance of a message's timestamp from the current time, in either direction.
    pub skew: u64,
    /// How long a nonce is remembered, and how long an old key is accepted after the first use of the next one.
    pub replay: u64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { skew: 5_000, replay: 10_000 }
    }
}

/// A push key and its state.
#[derive(Clone, Debug)]
struct StoredKey<K> {
    kid: KeyId,
    key: K,
    /// When the key expires: Unix ms. Later messages are not signed with it.
    expires: u64,
    /// Messages signed by the key are accepted until then: Unix ms.
    until: u64,
    /// Whether a message signed by the key was accepted.
    is_used: bool,
}

/// Verifies the push messages of one connection. `K` is the type of its MAC keys.
#[derive(Clone, Debug)]
pub struct PushVerifier<K> {
    conn: ConnectionId,
    tolerance: Tolerance,
    keys: Vec<StoredKey<K>>,
    /// Nonces and when each was received, oldest first.
    nonces: VecDeque<(u64, PushNonce)>,
    /// The sequence number of the last accepted message.
    seq: u64,
}

impl<K> PushVerifier<K> {
    /// A verifier for a new connection.
    pub const fn new(conn: ConnectionId, tolerance: Tolerance) -> Self {
        Self { conn, tolerance, keys: Vec::new(), nonces: VecDeque::new(), seq: 0 }
    }

    /// The connection.
    pub const fn conn(&self) -> ConnectionId {
        self.conn
    }

    /// Whether a message was accepted.
    pub const fn has_accepted(&self) -> bool {
        self.seq > 0
    }

    /// Adds a key that expires at `expires` (Unix ms, the server's time).
    ///
    /// Once a message signed by it is accepted, earlier keys are accepted for the replay window only. Not sooner: the
    /// server at the other end may not have the key, if another server agreed it.
    pub fn add_key(&mut self, kid: KeyId, key: K, expires: u64) {
        if self.keys.len() == KEYS {
            let is_used = self.keys.last().is_some_and(|newest| newest.is_used);
            self.keys.remove(if is_used { 0 } else { KEYS - 1 });
        }
        let until = expires.saturating_add(self.tolerance.replay);
        self.keys.push(StoredKey { kid, key, expires, until, is_used: false });
    }

    /// Checks everything but the signature, in the order of docs/PROTOCOL.md §9. Returns the key to verify the
    /// signature with. Does not change the state.
    ///
    /// # Errors
    /// The reason for the rejection.
    pub fn check(&self, message: &Envelope<'_>, now: u64) -> Result<&K, PushRejection> {
        let stored = self.keys.iter().find(|stored| stored.kid == message.kid);
        let stored = stored
            .filter(|stored| now <= stored.until && message.ts < stored.expires)
            .ok_or(PushRejection::UnknownKey)?;
        if now.abs_diff(message.ts) > self.tolerance.skew {
            return Err(PushRejection::Stale);
        }
        if self.nonces.iter().any(|(_, nonce)| *nonce == message.nonce) {
            return Err(PushRejection::Replayed);
        }
        let header = PayloadHeader::parse(message.payload).map_err(|_| PushRejection::Malformed)?;
        let is_next = header.conn == self.conn && header.seq.checked_sub(1) == Some(self.seq);
        if is_next { Ok(&stored.key) } else { Err(PushRejection::OutOfOrder) }
    }

    /// Accepts a message whose signature is valid. Repeats the checks, because another message may have been accepted
    /// while the signature was verified: of two identical concurrent messages, one is accepted.
    ///
    /// # Errors
    /// As [`PushVerifier::check`]. The state is then unchanged.
    pub fn accept(&mut self, message: &Envelope<'_>, now: u64) -> Result<(), PushRejection> {
        self.check(message, now)?;
        // Removing old nonces allows no replay even if a clock is set back, because the sequence number has advanced.
        let replay = self.tolerance.replay;
        while self.nonces.front().is_some_and(|&(at, _)| now.abs_diff(at) > replay) {
            self.nonces.pop_front();
        }
        self.nonces.push_back((now, message.nonce));
        self.seq += 1;
        let signer = self.keys.iter().position(|stored| stored.kid == message.kid).unwrap_or_default();
        if self.keys.get(signer).is_some_and(|stored| !stored.is_used) {
            for older in &mut self.keys[..signer] {
                older.until = older.until.min(now.saturating_add(replay));
            }
            self.keys[signer].is_used = true;
        }
        Ok(())
    }
}
