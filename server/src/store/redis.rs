//! The store in Redis 7 or later, for any number of servers.
//!
//! | key | value | lifetime |
//! |---|---|---|
//! | `session:{handle}` | hash: user, `confirmation_key`, created, seen, expires, ip, agent, `sign_secret`, `frame_key`, `pending_frame_key`, theft; `enter_by` until the session is entered; its request limits as `limit:<counter>`; its interaction statistics as `fingerprints` and `running`; `forgotten`, the time up to which spent nonces are forgotten; after its end only `ended` | the session's |
//! | `challenge:<challenge>` | its expiry | 60 s |
//! | `nonces:{handle}` | sorted set: nonce → time of issue | the session's, at most 32 |
//! | `spent:{handle}` | sorted set: nonce → time of use | the session's |
//! | `sessions:{user}` | sorted set: handle → time of creation | that of the user's last session |
//! | `ratelimit:<counter>` | a count and the end of its window | the window's |
//! | `record:{all}:<name>` | a version and a value | unlimited |
//! | `push:{news}` | stream: events to push | unlimited, at most `push.keep` entries |
//! | `outcome:{<handle>}:<nonce>` | the response of a change, or `void` | a nonce's lifetime |
//! | `audit:{log}`, `audit:{log}:traffic` | streams: the audit logs | at most `audit.keep` and `audit.traffic_keep` entries |
//! | `audit:{log}:head`, `audit:{log}:traffic:head` | the last entry's number and hash | unlimited |
//! | `audit:{log}:of:<user>` | list: the user's newest entries | 30 days |
//! | `audit:{log}:repeated:<user>` | hash: counters of rejections and theft signals | 30 days |
//!
//! The braces are literal: in a cluster they keep related keys in one slot. A nonce is a member of its session's set
//! instead of a key of its own (`nonce:{handle}:<nonce>`). Only then is "at most 32 live" exact, and ending a session
//! certainly ends its nonces. `ZREM` spends as atomically as `GETDEL` does. The session's limits are fields of its
//! hash, so they cannot outlive it either.
//!
//! # Why scripts
//!
//! `authorize_request` is one command, `EVALSHA`. A pipeline would be one round trip as well, but its commands do not
//! depend on each other: the count, the next nonce and `seen` would be written whether or not the nonce was live. The
//! thief of a cookie could then use up the owner's limit and push out the owner's nonces. A request in flight could
//! write `seen` into a session that has just ended, and so restore half of it. A script decides first and writes
//! afterwards, and no other command runs in between. The other methods of several steps are scripts for the same
//! reason. Because of `#!lua` on the first line, Redis rejects a script as a whole when its memory is full.
//!
//! Expiry is judged by the time that the caller passes. `PEXPIRE` only frees memory, a minute later.
//!
//! `connection` describes what happens when Redis is unavailable, `node` what happens when Redis loses data.

use redis::{Cmd, FromRedisValue};

mod audit_log;
mod challenges;
mod cluster;
mod connection;
mod decode;
mod event_log;
mod node;
mod rate_limits;
mod records;
mod script;
mod sessions;

use connection::Connection;
use script::Call;

use super::error::Result;
#[cfg(doc)]
use super::error::StoreError;
use crate::settings::RedisSettings;

/// The store in Redis.
pub struct RedisStore {
    connection: Connection,
}

impl RedisStore {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError`] when no Redis 7 answers within two seconds.
    pub async fn connect(settings: &RedisSettings) -> Result<Self> {
        Ok(Self { connection: Connection::open(settings).await? })
    }

    /// Calls a function of the script.
    async fn run<T: FromRedisValue>(&self, call: Call) -> Result<T> {
        self.connection.run(&call).await
    }

    /// Sends a plain command about keys in the slot of `key`.
    async fn send<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T> {
        self.connection.send(key, command).await
    }
}
