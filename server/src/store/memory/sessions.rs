//! All sessions in memory.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use protocol::{
    key::PublicKey,
    problem::Ended,
    token::{Nonce, SessionHandle},
};

use super::{stored_session::StoredSession, timing::MAX_SKEW};
use crate::{
    model::{AtCap, Session, Theft, UserId},
    store::{
        rate_limits::Counted,
        sessions::{
            Authorization, AuthorizeRequest, Authorized, BindFrameKey, EnterSession, Enterable, Entering,
            FrameKeyBinding, IssueNonces, NewSession, NonceIssue, Settled,
        },
    },
};

#[derive(Default)]
pub(super) struct Sessions {
    stored: HashMap<SessionHandle, StoredSession>,
    /// Why sessions were ended, and until when that is remembered: Unix ms.
    ended: HashMap<SessionHandle, (Ended, u64)>,
    /// When the sessions were restored from a snapshot, by the system's clock: Unix ms.
    not_before: u64,
}

impl Sessions {
    /// The sessions of a snapshot. `now`: Unix ms.
    pub(super) fn restore(sessions: HashMap<SessionHandle, Session>, now: u64) -> Self {
        let stored = sessions.into_iter().map(|(handle, session)| (handle, StoredSession::entered(session))).collect();
        Self { stored, ended: HashMap::new(), not_before: now }
    }

    /// The sessions for a snapshot.
    pub(super) fn entered(&self) -> HashMap<SessionHandle, Session> {
        let entered = self.stored.iter().filter(|(_, stored)| stored.is_entered());
        entered.map(|(&handle, stored)| (handle, stored.session.clone())).collect()
    }

    pub(super) fn sweep(&mut self, now: u64) {
        self.stored.retain(|_, session| !session.is_over(now));
        self.ended.retain(|_, &mut (_, until)| now < until);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn create(&mut self, session: NewSession) {
        self.stored.insert(session.handle, StoredSession::unentered(session));
    }

    pub(super) fn find_enterable(&self, handle: &SessionHandle, now: u64) -> Option<Enterable> {
        let stored = self.stored.get(handle).filter(|stored| stored.may_enter(now) || stored.may_enter_again(now))?;
        Some(Enterable { session: stored.session.clone(), replaces: stored.replaces })
    }

    pub(super) fn enter(&mut self, enter: &EnterSession) -> Entering {
        let EnterSession { handle, user, cap, idle, now } = enter;
        let Some(stored) = self.stored.get(handle) else { return Entering::NoSession };
        if stored.may_enter_again(*now) {
            return Entering::Again(Box::new(stored.session.clone()));
        }
        if !stored.may_enter(*now) {
            return Entering::NoSession;
        }
        let live = self.list(user, *idle, *now);
        let too_many = (live.len() + 1).saturating_sub(cap.max);
        if too_many > 0 && cap.at_cap == AtCap::RejectNew {
            return Entering::AtCap;
        }
        let displaced: Vec<_> = live.into_iter().rev().take(too_many).map(|(handle, _)| handle).collect();
        for handle in &displaced {
            self.end(handle, Ended::Replaced);
        }
        let Some(stored) = self.stored.get_mut(handle) else { return Entering::NoSession };
        stored.enter(*now);
        Entering::Entered(Box::new(stored.session.clone()), displaced)
    }

    pub(super) fn bind_frame_key(&mut self, bind: &BindFrameKey) -> FrameKeyBinding {
        let stored = self.live(&bind.handle, bind.idle, bind.now);
        stored.map_or(FrameKeyBinding::NoSession, |stored| stored.bind_frame_key(bind))
    }

    pub(super) fn authorize_request(&mut self, request: AuthorizeRequest) -> Authorization {
        let AuthorizeRequest {
            handle,
            nonce,
            next,
            now,
            idle,
            nonce_life,
            counter,
            limit,
            touch,
            sample,
            device,
            tier,
        } = request;
        let end_reason = self.end_reason(&handle);
        let Some(stored) = self.live(&handle, idle, now) else {
            return Authorization::NoSession(end_reason);
        };
        if !stored.proves_device(device, now) {
            return Authorization::NoDeviceProof(Box::new(stored.session.clone()));
        }
        if stored.session.tier() < tier {
            return Authorization::TierTooLow(Box::new(stored.session.clone()));
        }
        if stored.has_spent(&nonce) {
            return Authorization::Replayed(Box::new(stored.session.clone()));
        }
        if !stored.has_live(&nonce, nonce_life, now) {
            return Authorization::BadNonce(Box::new(stored.session.clone()));
        }
        let quota = match stored.count(counter, limit, now) {
            Counted::Within(quota) => quota,
            Counted::Over(quota) => return Authorization::Limited(quota),
        };
        stored.spend(nonce, now, nonce_life, now);
        stored.issue(&[next], now);
        if touch {
            stored.touch(now);
        }
        stored.keep(idle);
        let history = stored.learn(sample.as_ref());
        Authorization::Authorized(Box::new(Authorized { session: stored.session.clone(), quota, history }))
    }

    pub(super) fn offer_device(&mut self, handle: &SessionHandle, jwk: &str, idle: Duration, now: u64) -> bool {
        self.live(handle, idle, now).is_some_and(|stored| stored.offer_device(jwk))
    }

    pub(super) fn find(&mut self, handle: &SessionHandle, idle: Duration, now: u64) -> Option<Session> {
        self.live(handle, idle, now).map(|stored| stored.session.clone())
    }

    pub(super) fn end_reason(&self, handle: &SessionHandle) -> Option<Ended> {
        self.ended.get(handle).map(|&(reason, _)| reason)
    }

    pub(super) fn list(&self, user: &UserId, idle: Duration, now: u64) -> Vec<(SessionHandle, Session)> {
        let live = self.stored.iter().filter(|(_, stored)| stored.session.user == *user && stored.is_live(idle, now));
        let mut all: Vec<_> = live.map(|(&handle, stored)| (handle, stored.session.clone())).collect();
        all.sort_by_key(|(_, session)| Reverse(session.created));
        all
    }

    pub(super) fn handles(&self, user: &UserId, idle: Duration, now: u64) -> Vec<SessionHandle> {
        let mut all: Vec<_> = self
            .stored
            .iter()
            .filter(|(_, stored)| stored.session.user == *user && (stored.is_live(idle, now) || stored.may_enter(now)))
            .map(|(&handle, stored)| (stored.session.created, handle))
            .collect();
        all.sort_by_key(|&(created, _)| created);
        all.into_iter().map(|(_, handle)| handle).collect()
    }

    pub(super) fn record_theft(&mut self, handle: &SessionHandle, idle: Duration, now: u64) -> Option<Theft> {
        self.live(handle, idle, now).map(|stored| stored.record_theft(now))
    }

    pub(super) fn record_outcome(
        &mut self,
        handle: &SessionHandle,
        nonce: &Nonce,
        outcome: &str,
        life: Duration,
        now: u64,
    ) {
        if let Some(stored) = self.stored.get_mut(handle) {
            stored.record_outcome(*nonce, Some(outcome.to_owned()), life, now);
        }
    }

    pub(super) fn settle(
        &mut self,
        handle: &SessionHandle,
        nonce: &Nonce,
        idle: Duration,
        nonce_life: Duration,
        now: u64,
    ) -> Settled {
        self.live(handle, idle, now).map_or(Settled::Unknown, |stored| stored.settle(nonce, nonce_life, now))
    }

    pub(super) fn restore_frame_key(
        &mut self,
        handle: &SessionHandle,
        key: &PublicKey,
        idle: Duration,
        now: u64,
    ) -> bool {
        self.live(handle, idle, now).is_some_and(|stored| stored.restore_frame_key(key))
    }

    pub(super) fn issue_nonces(&mut self, request: IssueNonces) -> NonceIssue {
        let IssueNonces { handle, spent, created, nonces, idle, nonce_life, now } = request;
        let is_too_old = self.is_too_old(created, now);
        let Some(stored) = self.live(&handle, idle, now) else {
            return NonceIssue::NoSession;
        };
        if is_too_old {
            return NonceIssue::TooOld;
        }
        if stored.may_have_forgotten(created) {
            return NonceIssue::NoSession;
        }
        if stored.has_spent(&spent) {
            return NonceIssue::Replayed;
        }
        stored.spend(spent, created, nonce_life, now);
        stored.issue(&nonces, now);
        NonceIssue::Issued
    }

    pub(super) fn end(&mut self, handle: &SessionHandle, reason: Ended) -> bool {
        let Some(StoredSession { session, .. }) = self.stored.remove(handle) else { return false };
        self.ended.insert(*handle, (reason, session.expires));
        true
    }

    fn live(&mut self, handle: &SessionHandle, idle: Duration, now: u64) -> Option<&mut StoredSession> {
        self.stored.get_mut(handle).filter(|stored| stored.is_live(idle, now))
    }

    /// Whether a request that was signed at `created` may have been answered before the restart.
    fn is_too_old(&self, created: u64, now: u64) -> bool {
        // If the clock was set back since the start, `not_before` means nothing.
        self.not_before <= now.saturating_add(MAX_SKEW) && created <= self.not_before
    }
}
