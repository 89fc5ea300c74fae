//! How many sessions a user has, and what ends them.

use super::{macros::group, sources::Sources};
use crate::model::{AtCap, SessionCap};

group! {
    /// How many sessions a user has, and what ends them.
    #[derive(Copy, Debug)]
    pub struct Sessions in "sessions" {
        /// The most at one time.
        max: usize = 3;
        /// What happens at the cap.
        at_cap: AtCap = AtCap::EndOldest;
        /// What happens when a session's token is presented without its key.
        on_theft: OnTheft = OnTheft::Report;
    }
}

/// What happens when a session's token is presented without its key. It is audited and shown to the owner anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum OnTheft {
    /// Nothing more: the thief can do nothing, and the owner goes on.
    Report,
    /// The session ends. Whoever has the token can then end the owner's session too.
    End,
}

impl Sessions {
    /// The cap, as the store takes it.
    pub fn cap(self) -> SessionCap {
        SessionCap { max: self.max, at_cap: self.at_cap }
    }

    pub(super) fn check(from: &mut Sources) {
        from.refuse_zero("sessions.max", "nobody could sign in");
    }
}
