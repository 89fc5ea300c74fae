//! How the script is called, and the names of the keys that it is called with: what belongs together is in one slot.

use std::{fmt::Display, time::Duration};

use protocol::{
    token::{Challenge, SessionHandle},
    user::UserName,
};

use crate::store::RecordKey;

/// The events to push.
pub(super) const NEWS: &str = "push:{news}";

/// The audit log.
pub(super) const LOG: &str = "audit:{log}";

/// The last entry of the audit log.
pub(super) const LOG_HEAD: &str = "audit:{log}:head";

/// What the script is called with: the verb, the time, and what the verb needs.
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<String>,
}

impl Call {
    pub(super) fn new(keys: impl Into<Vec<String>>, verb: &str, now: u64) -> Self {
        Self { keys: keys.into(), args: vec![verb.to_owned(), now.to_string()] }
    }

    pub(super) fn of(handle: &SessionHandle, verb: &str, now: u64) -> Self {
        Self::new(session_keys(handle), verb, now)
    }

    pub(super) fn arg(mut self, value: impl Display) -> Self {
        self.args.push(value.to_string());
        self
    }

    pub(super) fn args(self, values: &[impl Display]) -> Self {
        values.iter().fold(self, Self::arg)
    }

    pub(super) fn field(self, name: &str, value: impl Display) -> Self {
        self.arg(name).arg(value)
    }
}

/// Milliseconds, as the script counts.
pub(super) fn ms(length: Duration) -> u128 {
    length.as_millis()
}

pub(super) fn session_keys(handle: &SessionHandle) -> [String; 3] {
    ["session", "nonces", "spent"].map(|kind| format!("{kind}:{{{handle}}}"))
}

pub(super) fn challenge_key(challenge: &Challenge) -> String {
    format!("challenge:{challenge}")
}

pub(super) fn sessions_key(user: &UserName) -> String {
    format!("sessions:{{{user}}}")
}

pub(super) fn log_key(user: &UserName) -> String {
    format!("{LOG}:of:{user}")
}

pub(super) fn record_key(RecordKey(name): &RecordKey) -> String {
    format!("record:{{all}}:{name}")
}
