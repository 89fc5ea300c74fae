//! Pushed frames and their connections.

use protocol::push::KeyId;

use super::{macros::group, secret::Secret, sources::Sources};

group! {
    /// Pushed frames and their connections.
    pub struct PushSettings in "push" {
        /// The name of the root that keys are derived from: up to 32 of a–z, A–Z, 0–9, - and _.
        key_id: String = "pan".to_owned(), [HMAC_KEY_ID];
        /// That root; without it each process makes its own.
        secret: Option<Secret> = None, [HMAC_SECRET];
        /// How long a key is good; the next one is agreed at 80 % of that. Seconds.
        key_seconds: u64 = 600;
        /// How far a frame's time may be from the signing frame's, which is the server's: ms.
        clock_skew_ms: u64 = 5_000, [HMAC_CLOCK_SKEW_MS];
        /// How long the signing frame remembers frames, and honours an old key after the next one was agreed: ms.
        replay_window_ms: u64 = 10_000, [HMAC_REPLAY_WINDOW_MS];
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
        if self.replay_window_ms < self.clock_skew_ms.saturating_mul(2) {
            let both = ["push.replay_window_ms", "push.clock_skew_ms"];
            from.contradiction(&both, "the replay window must be at least twice the clock skew, or a frame could be forgotten while it is fresh");
        }
        for setting in from.group("push") {
            from.refuse_zero(setting, "nothing could be pushed");
        }
    }
}
