//! Pushed frames and their connections.

use protocol::push::KeyId;

use super::{group::group, secret::Secret, sources::Sources};

group! {
    /// Pushed frames and their connections.
    pub struct PushSettings in "push" {
        /// The name of the root that keys are derived from: up to 32 of a–z, A–Z, 0–9, - and _.
        key_id: String = "pan".to_owned(), [HMAC_KEY_ID];
        /// That root; without it each process makes its own.
        secret: Option<Secret> = None, [HMAC_SECRET];
        /// The most open connections of a session: one a tab.
        connections_per_session: usize = 8;
        /// The most open connections of this server.
        connections: usize = 10_000;
        /// How many frames a connection may get at once.
        burst: u32 = 10;
        /// And after that, how many a second.
        frames_per_second: u32 = 1;
        /// How many frames may wait for a connection.
        buffer: usize = 100;
        /// How many events are kept for pages that come back.
        keep: usize = 10_000;
        /// Keys agreed a minute and session.
        keys_per_minute: u32 = 10;
    }
}

impl PushSettings {
    pub(super) fn check(&self, from: &mut Sources) {
        if KeyId::parse(&format!("{}.AAAAAAAAAAAAAAAAAAAAAA", self.key_id)).is_err() {
            from.contradiction(&["push.key_id"], "the name of a root is up to 32 of a–z, A–Z, 0–9, - and _");
        }
        for setting in from.group("push") {
            from.refuse_zero(setting, "nothing could be pushed");
        }
    }
}
