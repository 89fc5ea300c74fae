//! A session in memory: what it may do, and what it remembers.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use protocol::{key::PublicKey, token::Nonce};

use crate::{
    risk::{Fingerprint, History, MAX_FINGERPRINTS, Running, Sample},
    store::{Bind, Binding, Counted, Limit, MAX_NONCES, NewSession, Quota, Session, Theft},
};

/// More than a clock errs between two readings. A time further ahead was written before the clock was set back.
pub(super) const AHEAD: u64 = 60_000;

/// A session, entered or not.
pub(super) struct Stored {
    pub(super) session: Session,
    /// The end of the time to enter it (Unix ms), until it is entered.
    enter_by: Option<u64>,
    /// When it is over unless it is used again: Unix ms.
    ends: u64,
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

impl Stored {
    /// One that is yet to be entered.
    pub(super) fn unentered(new: NewSession) -> Self {
        let NewSession { user, confirmation_key, created, enter_by, expires, ip, agent, sign_secret, .. } = new;
        let (frame_key, pending_frame_key, theft, seen) = (None, None, None, created);
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
        };
        Self { enter_by: Some(enter_by), ..Self::entered(session) }
    }

    /// One that lives.
    pub(super) fn entered(session: Session) -> Self {
        Self {
            enter_by: None,
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

    pub(super) fn is_entered(&self) -> bool {
        self.enter_by.is_none()
    }

    pub(super) fn may_enter(&self, now: u64) -> bool {
        now < self.session.expires && self.enter_by.is_some_and(|enter_by| now < enter_by)
    }

    pub(super) fn enter(&mut self, now: u64) {
        self.enter_by = None;
        self.session.seen = now;
    }

    pub(super) fn lives(&self, idle: Duration, now: u64) -> bool {
        self.is_entered() && now < self.session.expires && now < self.session.seen.saturating_add(ms(idle))
    }

    /// Whether it may be forgotten.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.enter_by.unwrap_or(self.ends)
    }

    /// Binds a frame key to a living session.
    pub(super) fn bind(&mut self, bind: &Bind) -> Binding {
        // Both are hashes of 256 random bits, so how long the comparison takes tells nothing.
        if self.session.sign_secret != bind.sign_secret {
            return Binding::NoSession;
        }
        if self.session.confirmation_key == bind.key {
            return Binding::ConfirmationKey;
        }
        let before = self.session.frame_key;
        if before.is_some_and(|key| key != bind.key) {
            self.session.pending_frame_key = Some(bind.key);
            return Binding::Pending(Box::new(self.session.clone()));
        }
        self.session.frame_key = Some(bind.key);
        self.issue(&bind.nonces, bind.now);
        let session = Box::new(self.session.clone());
        if before.is_some() { Binding::Again(session) } else { Binding::Bound(session) }
    }

    /// Replaces the frame key by the pending one, if it is this one.
    pub(super) fn restore(&mut self, key: PublicKey) -> bool {
        let is_pending = self.session.pending_frame_key == Some(key);
        if is_pending {
            self.session.frame_key = self.session.pending_frame_key.take();
        }
        is_pending
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

    /// Moves the time of last use, never back.
    pub(super) fn touch(&mut self, now: u64) {
        self.session.seen = self.session.seen.max(now);
    }

    /// It is over after so long without use.
    pub(super) fn keep(&mut self, idle: Duration) {
        self.ends = self.session.expires.min(self.session.seen.saturating_add(ms(idle)));
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

    pub(super) fn record_theft(&mut self, now: u64) -> Theft {
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
