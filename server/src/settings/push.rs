//! Settings of push connections and messages.

use protocol::push::KeyId;

use super::{macros::group, secret::Secret, sources::Sources};

group! {
    /// Settings of push connections and messages. No number may be 0.
    pub struct PushSettings in "push" {
        /// Name of the root secret: up to 32 of a–z, A–Z, 0–9, - and _.
        key_id: String = "pan".to_owned(), [HMAC_KEY_ID];
        /// The root secret from which keys are derived. Without it each process generates one.
        secret: Option<Secret> = None, [HMAC_SECRET];
        /// Lifetime of a key in seconds. Pages agree a new key after 80 % of it.
        key_seconds: u64 = 600;
        /// Maximum difference between a message's time and the server time in the signing frame: ms.
        clock_skew_ms: u64 = 5_000, [HMAC_CLOCK_SKEW_MS];
        /// How long the signing frame stores nonces of messages, and accepts an old key after a new one was agreed: ms.
        replay_window_ms: u64 = 10_000, [HMAC_REPLAY_WINDOW_MS];
        /// Maximum open connections per session; each tab has one.
        connections_per_session: usize = 8;
        /// Maximum open connections per user of this server.
        connections_per_user: usize = 16;
        /// Maximum open connections of this server.
        connections: usize = 10_000;
        /// Maximum burst of messages per connection.
        burst: u32 = 10;
        /// Messages per second per connection, after a burst.
        frames_per_second: u32 = 1;
        /// Maximum queued messages per connection.
        buffer: usize = 100;
        /// Number of events to keep for pages that reconnect.
        keep: usize = 10_000;
        /// Key agreements per minute per session.
        keys_per_minute: u32 = 10;
        /// Connections per minute per user that resume at a cursor.
        resumes_per_minute_and_user: u32 = 60;
    }
}

impl PushSettings {
    pub(super) fn check(&self, from: &mut Sources) {
        if KeyId::parse(&format!("{}.AAAAAAAAAAAAAAAAAAAAAA", self.key_id)).is_err() {
            from.contradiction(&["push.key_id"], "must be up to 32 of a–z, A–Z, 0–9, - and _");
        }
        if self.replay_window_ms < self.clock_skew_ms.saturating_mul(2) {
            let both = ["push.replay_window_ms", "push.clock_skew_ms"];
            let message =
                "the replay window must be at least twice the clock skew, or a fresh message could be replayed";
            from.contradiction(&both, message);
        }
        for setting in from.group("push") {
            from.reject_zero(setting, "push would not work with 0");
        }
    }
}
