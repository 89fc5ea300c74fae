//! One session in memory, with its nonces, limits and interaction statistics.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use protocol::{
    key::PublicKey,
    token::{Nonce, SessionHandle},
};

use super::{
    timing::{MAX_SKEW, ms},
    window::Window,
};
use crate::{
    model::{DeviceBinding, Limit, Session, Theft},
    risk::{Fingerprint, History, MAX_FINGERPRINTS, Running, Sample},
    store::{
        rate_limits::Counted,
        sessions::{BindFrameKey, DeviceProof, FrameKeyBinding, MAX_NONCES, NewSession, Settled},
    },
};

/// One session, with what belongs to it.
pub(super) struct StoredSession {
    pub(super) session: Session,
    /// Deadline for entering (Unix ms); `None` once the session is entered.
    enter_by: Option<u64>,
    /// The same once it is entered; until then 0.
    again_by: u64,
    /// The user's previous session in this browser.
    pub(super) replaces: Option<SessionHandle>,
    /// Expiry if the session is not used again: Unix ms.
    ends: u64,
    /// Live nonces and the time of their issue (Unix ms), oldest first.
    nonces: Vec<(Nonce, u64)>,
    /// Spent nonces and the later of the times of use and of signature: Unix ms.
    spent: HashMap<Nonce, u64>,
    /// The outcome of a spent nonce's request, or `None` for a void nonce; and until when it is kept: Unix ms.
    outcomes: HashMap<Nonce, (Option<String>, u64)>,
    /// Nonces that were spent until then may be forgotten: Unix ms.
    forgotten: u64,
    limits: HashMap<&'static str, Window>,
    fingerprints: VecDeque<Fingerprint>,
    running: Running,
}

impl StoredSession {
    pub(super) fn unentered(new: NewSession) -> Self {
        let NewSession { user, confirmation_key, created, enter_by, expires, ip, agent, sign_secret, replaces, .. } =
            new;
        let (frame_key, pending_frame_key, theft, device, seen) = (None, None, None, None, created);
        let session = Session {
            user,
            confirmation_key,
            frame_key,
            pending_frame_key,
            created,
            seen,
            expires,
            ip,
            agent,
            sign_secret,
            theft,
            device,
        };
        Self { enter_by: Some(enter_by), replaces, ..Self::entered(session) }
    }

    pub(super) fn entered(session: Session) -> Self {
        Self {
            enter_by: None,
            again_by: 0,
            replaces: None,
            ends: session.expires,
            session,
            nonces: Vec::new(),
            spent: HashMap::new(),
            outcomes: HashMap::new(),
            forgotten: 0,
            limits: HashMap::new(),
            fingerprints: VecDeque::new(),
            running: Running::default(),
        }
    }

    pub(super) fn is_entered(&self) -> bool {
        self.enter_by.is_none()
    }

    pub(super) fn may_enter(&self, now: u64) -> bool {
        now < self.session.expires && self.enter_by.is_some_and(|enter_by| now < enter_by)
    }

    /// Whether the session is entered, but its browser may not know: it has bound no frame key.
    pub(super) fn may_enter_again(&self, now: u64) -> bool {
        now < self.again_by && self.session.frame_key.is_none()
    }

    pub(super) fn enter(&mut self, now: u64) {
        self.again_by = self.enter_by.take().unwrap_or_default();
        self.session.seen = now;
    }

    pub(super) fn is_live(&self, idle: Duration, now: u64) -> bool {
        self.is_entered() && now < self.session.expires && now < self.session.seen.saturating_add(ms(idle))
    }

    /// Whether the session can be removed.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.enter_by.unwrap_or(self.ends)
    }

    pub(super) fn bind_frame_key(&mut self, bind: &BindFrameKey) -> FrameKeyBinding {
        // Both are hashes of 256 random bits, so the time that the comparison takes reveals nothing.
        if self.session.sign_secret != bind.sign_secret {
            return FrameKeyBinding::NoSession;
        }
        if self.session.confirmation_key == bind.key {
            return FrameKeyBinding::ConfirmationKey;
        }
        let before = self.session.frame_key;
        if before.is_some_and(|key| key != bind.key) {
            self.session.pending_frame_key = Some(bind.key);
            return FrameKeyBinding::Pending(Box::new(self.session.clone()));
        }
        self.session.frame_key = Some(bind.key);
        self.issue(&bind.nonces, bind.now);
        let session = Box::new(self.session.clone());
        if before.is_some() { FrameKeyBinding::Again(session) } else { FrameKeyBinding::Bound(session) }
    }

    /// Keeps the outcome of a request for `life`; `None` if its nonce is void.
    pub(super) fn record_outcome(&mut self, nonce: Nonce, outcome: Option<String>, life: Duration, now: u64) {
        self.outcomes.insert(nonce, (outcome, now.saturating_add(ms(life))));
    }

    pub(super) fn settle(&mut self, nonce: &Nonce, life: Duration, now: u64) -> Settled {
        self.outcomes.retain(|_, (_, until)| now < *until);
        match self.outcomes.get(nonce) {
            Some((Some(outcome), _)) => Settled::Recorded(outcome.clone()),
            Some((None, _)) => Settled::Void,
            None if self.has_spent(nonce) => Settled::Spent,
            None if !self.has_live(nonce, life, now) => Settled::Unknown,
            None => {
                self.nonces.retain(|(other, _)| other != nonce);
                self.record_outcome(*nonce, None, life, now);
                Settled::Void
            }
        }
    }

    /// Offers a device's key. Returns whether it is offered or bound.
    pub(super) fn offer_device(&mut self, jwk: &str) -> bool {
        if let Some(DeviceBinding { jwk: bound, since: Some(_) }) = &self.session.device {
            return bound == jwk;
        }
        self.session.device = Some(DeviceBinding { jwk: jwk.to_owned(), since: None });
        true
    }

    /// Whether a request may come from the session's device. Binds an offered key.
    pub(super) fn proves_device(&mut self, proof: DeviceProof, now: u64) -> bool {
        match (&mut self.session.device, proof) {
            (Some(DeviceBinding { since, .. }), DeviceProof::Valid) => {
                since.get_or_insert(now);
                true
            }
            (Some(DeviceBinding { since: Some(_), .. }), DeviceProof::Missing) => false,
            _ => true,
        }
    }

    /// Replaces the frame key by the pending one, if that is `key`. Returns whether `key` is the frame key now.
    pub(super) fn restore_frame_key(&mut self, key: &PublicKey) -> bool {
        if self.session.pending_frame_key.as_ref() == Some(key) {
            self.session.frame_key = self.session.pending_frame_key.take();
        }
        self.session.frame_key.as_ref() == Some(key)
    }

    pub(super) fn has_live(&self, nonce: &Nonce, life: Duration, now: u64) -> bool {
        self.nonces.iter().any(|&(other, issued)| other == *nonce && is_live(issued, life, now))
    }

    pub(super) fn has_spent(&self, nonce: &Nonce) -> bool {
        self.spent.contains_key(nonce)
    }

    /// Whether a nonce that was signed at `created` may have been spent and forgotten.
    pub(super) fn may_have_forgotten(&self, created: u64) -> bool {
        created <= self.forgotten
    }

    /// Spends a nonce that was signed at `created`. Forgets nonces that can no longer be spent, including those that
    /// were issued before the clock was set back.
    pub(super) fn spend(&mut self, nonce: Nonce, created: u64, life: Duration, now: u64) {
        let known = self.spent.len();
        self.spent.retain(|_, at| now < at.saturating_add(ms(life)));
        self.outcomes.retain(|_, (_, until)| now < *until);
        if self.spent.len() < known {
            self.forgotten = self.forgotten.max(now.saturating_sub(ms(life)));
        }
        self.spent.insert(nonce, now.max(created));
        self.nonces.retain(|&(other, issued)| other != nonce && is_live(issued, life, now));
    }

    pub(super) fn issue(&mut self, nonces: &[Nonce], now: u64) {
        self.nonces.extend(nonces.iter().map(|&nonce| (nonce, now)));
        // Requests can overtake each other.
        self.nonces.sort_by_key(|&(_, issued)| issued);
        self.nonces.drain(..self.nonces.len().saturating_sub(MAX_NONCES));
    }

    pub(super) fn count(&mut self, counter: &'static str, limit: Limit, now: u64) -> Counted {
        self.limits.entry(counter).or_default().count(limit, now)
    }

    /// Updates the time of last use, which never moves back.
    pub(super) fn touch(&mut self, now: u64) {
        self.session.seen = self.session.seen.max(now);
    }

    /// Updates the expiry after a use.
    pub(super) fn keep(&mut self, idle: Duration) {
        self.ends = self.session.expires.min(self.session.seen.saturating_add(ms(idle)));
    }

    /// Adds a sample. Returns the statistics from before.
    pub(super) fn learn(&mut self, sample: Option<&Sample>) -> History {
        let Some(Sample { fingerprint, features }) = sample else { return History::default() };
        let running = self.running.clone();
        self.running.add(features);
        let repeated = fingerprint.is_some_and(|fingerprint| self.fingerprints.contains(&fingerprint));
        self.fingerprints.extend(fingerprint.filter(|_| !repeated));
        if self.fingerprints.len() > MAX_FINGERPRINTS {
            self.fingerprints.pop_front();
        }
        History { repeated, running }
    }

    pub(super) fn record_theft(&mut self, now: u64) -> Theft {
        let before = self.session.theft.unwrap_or(Theft { times: 0, last: now });
        let theft = Theft { times: before.times + 1, last: before.last.max(now) };
        self.session.theft = Some(theft);
        theft
    }
}

/// Whether a nonce that was issued at `issued` can be spent.
fn is_live(issued: u64, life: Duration, now: u64) -> bool {
    now < issued.saturating_add(ms(life)) && issued <= now.saturating_add(MAX_SKEW)
}
