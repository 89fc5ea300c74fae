//! A session in memory: what it may do, and what it remembers.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use protocol::token::{Challenge, Nonce};

use crate::{
    risk::{Fingerprint, History, MAX_FINGERPRINTS, Running, Sample},
    store::{Counted, Limit, MAX_NONCES, NewSession, Quota, Session, Theft},
};

/// More than a clock errs between two readings. A time further ahead was written before the clock was set back.
pub(super) const AHEAD: u64 = 60_000;

/// A session that waits for its key.
pub(super) struct Unbound {
    pub(super) session: NewSession,
    pub(super) challenge: Option<Challenge>,
}

/// A session that has its key.
pub(super) struct Bound {
    pub(super) session: Session,
    /// When it is over unless it is used again: Unix ms.
    pub(super) ends: u64,
    /// With the time of their issue, oldest first.
    nonces: Vec<(Nonce, u64)>,
    /// Nonces that were spent, with the time of their use or, where that is later, of their signature.
    spent: HashMap<Nonce, u64>,
    /// Spent nonces of until then are forgotten: Unix ms.
    forgotten: u64,
    pub(super) limits: HashMap<&'static str, Window>,
    fingerprints: VecDeque<Fingerprint>,
    running: Running,
}

/// A fixed window of a limit.
#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    count: u32,
    pub(super) ends: u64,
}

impl Window {
    /// Counts one more, unless the limit is passed.
    pub(super) fn count(&mut self, limit: Limit, now: u64) -> Counted {
        let length = ms(limit.window);
        // A window that ends too late was begun before the clock was set back.
        if now >= self.ends || self.ends > now.saturating_add(length) {
            *self = Self { count: 0, ends: now.saturating_add(length) };
        }
        let is_over = self.count >= limit.max;
        self.count += u32::from(!is_over);
        let left = limit.max.saturating_sub(self.count);
        let quota = Quota { limit, left, reset: Duration::from_millis(self.ends - now) };
        if is_over { Counted::Over(quota) } else { Counted::Within(quota) }
    }
}

impl Unbound {
    pub(super) fn may_bind(&self, bind_secret: &str, now: u64) -> bool {
        // Both are hashes of 256 random bits, so how long the comparison takes tells nothing.
        now < self.session.bind_by && self.session.bind_secret == bind_secret
    }
}

impl Bound {
    pub(super) fn new(session: Session) -> Self {
        Self {
            ends: session.expires,
            session,
            nonces: Vec::new(),
            spent: HashMap::new(),
            forgotten: 0,
            limits: HashMap::new(),
            fingerprints: VecDeque::new(),
            running: Running::default(),
        }
    }

    pub(super) fn lives(&self, idle: Duration, now: u64) -> bool {
        now < self.session.expires && now < self.session.seen.saturating_add(ms(idle))
    }

    pub(super) fn has_live(&self, nonce: &Nonce, life: Duration, now: u64) -> bool {
        self.nonces.iter().any(|&(other, issued)| other == *nonce && is_live(issued, life, now))
    }

    pub(super) fn has_spent(&self, nonce: &Nonce) -> bool {
        self.spent.contains_key(nonce)
    }

    /// Whether a nonce that was signed for then may be one that was spent and is forgotten.
    pub(super) fn has_forgotten(&self, created: u64) -> bool {
        created <= self.forgotten
    }

    /// Spends a nonce that was signed for at `created`, and forgets those that can be spent no more, of a clock that was
    /// set back too.
    pub(super) fn spend(&mut self, nonce: Nonce, created: u64, life: Duration, now: u64) {
        let known = self.spent.len();
        self.spent.retain(|_, at| now < at.saturating_add(ms(life)));
        if self.spent.len() < known {
            self.forgotten = self.forgotten.max(now.saturating_sub(ms(life)));
        }
        self.spent.insert(nonce, now.max(created));
        self.nonces.retain(|&(other, issued)| other != nonce && is_live(issued, life, now));
    }

    pub(super) fn issue(&mut self, nonces: &[Nonce], now: u64) {
        self.nonces.extend(nonces.iter().map(|&nonce| (nonce, now)));
        // Requests overtake each other.
        self.nonces.sort_by_key(|&(_, issued)| issued);
        self.nonces.drain(..self.nonces.len().saturating_sub(MAX_NONCES));
    }

    pub(super) fn touch(&mut self, now: u64) {
        self.session.seen = self.session.seen.max(now);
    }

    /// Remembers a sample, and gives what was known before.
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

    pub(super) fn accuse(&mut self, now: u64) -> Theft {
        let before = self.session.theft.unwrap_or(Theft { times: 0, last: now });
        let theft = Theft { times: before.times + 1, last: before.last.max(now) };
        self.session.theft = Some(theft);
        theft
    }
}

fn is_live(issued: u64, life: Duration, now: u64) -> bool {
    now < issued.saturating_add(ms(life)) && issued <= now.saturating_add(AHEAD)
}

/// Milliseconds, as times are counted.
pub(super) fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
