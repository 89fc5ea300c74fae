//! Session limit and theft policy.

use super::{macros::group, sources::Sources};
use crate::model::{AtCap, SessionCap};

group! {
    /// Session limit and theft policy.
    #[derive(Copy, Debug)]
    pub struct Sessions in "sessions" {
        /// Maximum number of sessions per user.
        max: usize = 3;
        /// What happens when a user signs in at the session limit.
        at_cap: AtCap = AtCap::EndOldest;
        /// What happens when a session's token is sent without its key.
        on_theft: OnTheft = OnTheft::Report;
    }
}

/// What happens when a session's token is sent without its key. In any case it is audited and shown to the owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum OnTheft {
    /// Nothing more: the attacker cannot use the session, and the owner continues.
    Report,
    /// The session ends. An attacker with the token can thus end the owner's session.
    End,
}

impl Sessions {
    /// The session limit for the store.
    pub fn cap(self) -> SessionCap {
        SessionCap { max: self.max, at_cap: self.at_cap }
    }

    pub(super) fn check(from: &mut Sources) {
        from.reject_zero("sessions.max", "no user could sign in");
    }
}
