//! Session limit and theft policy.

use super::{macros::group, sources::Sources};
use crate::model::{AtCap, SessionCap};
use protocol::action::Tier;

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
        /// Whether sessions are bound to devices (DBSC).
        device_binding: DevicePolicy = DevicePolicy::Offer;
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

/// Whether sessions are bound to devices. Browsers bind them over https only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum DevicePolicy {
    /// Never. Bound sessions continue without.
    Off,
    /// In browsers that support it.
    Offer,
    /// Always: a session that is not bound can only end.
    Require,
}

impl Sessions {
    /// The lowest tier of a session.
    pub(crate) fn tier(self) -> Tier {
        if self.device_binding == DevicePolicy::Require { Tier::Device } else { Tier::Browser }
    }

    /// The session limit for the store.
    pub fn cap(self) -> SessionCap {
        SessionCap { max: self.max, at_cap: self.at_cap }
    }

    pub(super) fn check(from: &mut Sources) {
        from.reject_zero("sessions.max", "no user could sign in");
    }
}
