//! The Lua script of the store, and how its functions are called.

use std::{fmt::Display, time::Duration};

use redis::Cmd;

/// The script, without its first lines. Each noun has a part; the first part defines what the others use.
pub(super) const SCRIPT: &str = concat!(
    include_str!("common.lua"),
    include_str!("sessions.lua"),
    include_str!("nonces.lua"),
    include_str!("requests.lua"),
    include_str!("rate_limits.lua"),
    include_str!("records.lua"),
    include_str!("audit_log.lua"),
    include_str!("event_log.lua"),
    "\nreturn functions[ARGV[1]]()\n",
);

/// A request to a Redis server.
pub(super) enum Request<'a> {
    /// A function of the script.
    Script(&'a Call),
    /// A plain command.
    Command(&'a Cmd),
}

/// A call of a function of the script: its keys, its name, the time, and its arguments.
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<String>,
}

impl Call {
    /// A call without arguments. All keys must be in one slot.
    pub(super) fn new(keys: impl Into<Vec<String>>, function: &str, now: u64) -> Self {
        Self { keys: keys.into(), args: vec![function.to_owned(), now.to_string()] }
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

/// Milliseconds, the script's unit of time.
pub(super) fn ms(length: Duration) -> u128 {
    length.as_millis()
}
