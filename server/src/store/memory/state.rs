//! Everything that the store in memory holds.

use std::{collections::HashMap, time::Duration};

use protocol::{
    problem::Ended,
    token::{Challenge, SessionHandle},
    user::UserName,
};

use super::{
    audit_log::Log,
    event_log::UserEvent,
    session::{AHEAD, Stored, Window},
};
use crate::store::{Record, RecordKey};

/// How often what is over is swept out, in ms.
const SWEEP: u64 = 60_000;

#[derive(Default)]
pub(super) struct State {
    /// With the end of their life: Unix ms.
    pub(super) challenges: HashMap<Challenge, u64>,
    pub(super) sessions: HashMap<SessionHandle, Stored>,
    pub(super) counters: HashMap<String, Window>,
    /// Why sessions were ended, and until when that is remembered.
    pub(super) ended: HashMap<SessionHandle, (Ended, u64)>,
    pub(super) records: HashMap<RecordKey, Record>,
    pub(super) log: Log,
    pub(super) news: UserEvent,
    swept: u64,
    /// When it began with what a file held, by the system's clock: Unix ms.
    not_before: u64,
}

impl State {
    /// What a file held. `not_before`: Unix ms.
    pub(super) fn loaded(
        sessions: HashMap<SessionHandle, Stored>,
        records: HashMap<RecordKey, Record>,
        not_before: u64,
    ) -> Self {
        Self { sessions, records, not_before, ..Self::default() }
    }

    /// Whether something that was signed then may have been answered before the restart.
    pub(super) fn is_too_old(&self, created: u64, now: u64) -> bool {
        // The clock was set back since it was started: what it said of that moment means nothing.
        self.not_before <= now.saturating_add(AHEAD) && created <= self.not_before
    }

    pub(super) fn sweep(&mut self, now: u64) {
        if now.abs_diff(self.swept) >= SWEEP {
            self.challenges.retain(|_, &mut expires| now < expires);
            self.sessions.retain(|_, session| !session.is_over(now));
            self.counters.retain(|_, window| now < window.ends);
            self.ended.retain(|_, &mut (_, until)| now < until);
            self.swept = now;
        }
    }

    pub(super) fn living(&mut self, handle: &SessionHandle, idle: Duration, now: u64) -> Option<&mut Stored> {
        self.sessions.get_mut(handle).filter(|stored| stored.lives(idle, now))
    }

    /// All sessions of a user that live or are yet to be entered, oldest first.
    pub(super) fn all_of(&self, user: &UserName, idle: Duration, now: u64) -> Vec<SessionHandle> {
        let mut all: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, stored)| stored.session.user == *user && (stored.lives(idle, now) || stored.may_enter(now)))
            .map(|(&handle, stored)| (stored.session.created, handle))
            .collect();
        all.sort_by_key(|&(created, _)| created);
        all.into_iter().map(|(_, handle)| handle).collect()
    }

    pub(super) fn end(&mut self, handle: &SessionHandle, why: Ended) -> bool {
        let Some(Stored { session, .. }) = self.sessions.remove(handle) else { return false };
        self.ended.insert(*handle, (why, session.expires));
        true
    }
}
