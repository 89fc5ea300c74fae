//! The contract of every store: one suite per trait in `contract/`, run on memory, Redis, Redis with a password over TLS,
//! and a Redis Cluster. Tests pass the time in and never wait for it. What only one store must do is in
//! `store_specific/`.
//!
//! To test another store, add a module with the suites of the traits that it implements, as `hash_map` below:
//!
//! ```text
//! mod my_store {
//!     crate::contract::sessions::session_store!(async { crate::my_store().await });
//! }
//! ```
//!
//! `my_store` returns an `Arc<dyn SessionStore>`. It is called once per test.

/// Makes a test of each rule, which is a function of the module `contract::$suite`.
macro_rules! rules {
    ($store:expr => $suite:ident: $($rule:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                crate::contract::$suite::$rule($store.await).await;
            }
        )+
    };
}

mod contract {
    pub(crate) mod audit_log;
    pub(crate) mod challenges;
    pub(crate) mod event_log;
    pub(crate) mod fixture;
    pub(crate) mod passkeys;
    pub(crate) mod rate_limits;
    pub(crate) mod records;
    pub(crate) mod sessions;
}
mod store_specific {
    mod memory;
    mod redis;
    mod redis_at_most_once;
    mod redis_auth;
    mod redis_cluster;
}
mod support {
    pub(crate) mod redis_cluster;
    pub(crate) mod redis_server;
}

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use async_trait::async_trait;
use protocol::token::Challenge;
use server::{
    passkeys::store::{PasskeyStore, RecordPasskeys},
    settings::RedisSettings,
    store::{ChallengeStore, Result, Stores, redis::RedisStore},
};

use support::{redis_cluster::RedisCluster, redis_server::RedisServer};

/// Runs all suites on the stores that a function returns.
macro_rules! contract {
    ($stores:ident) => {
        mod $stores {
            crate::contract::sessions::session_store!(async { crate::$stores().await.sessions });
            crate::contract::challenges::challenge_store!(async { crate::$stores().await.challenges });
            crate::contract::rate_limits::rate_limit_store!(async { crate::$stores().await.rate_limits });
            crate::contract::records::record_store!(async { crate::$stores().await.records });
            crate::contract::passkeys::passkey_store!(async { crate::passkeys(crate::$stores().await) });
            crate::contract::audit_log::audit_store!(async { crate::$stores().await.audit_log });
            crate::contract::event_log::event_store!(async { crate::$stores().await.event_log });
        }
    };
}

contract!(memory);
contract!(redis);
contract!(redis_with_password_over_tls);
contract!(redis_cluster_with_password_over_tls);

async fn memory() -> Stores {
    Stores::memory()
}

// Each server is started once and ends with the tests.

async fn redis() -> Stores {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
    connect(&SERVER.settings()).await
}

async fn redis_with_password_over_tls() -> Stores {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::secured);
    connect(&SERVER.settings()).await
}

async fn redis_cluster_with_password_over_tls() -> Stores {
    static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::secured);
    connect(&CLUSTER.settings()).await
}

/// PAN's own [`PasskeyStore`], which keeps passkeys in a [`RecordStore`](server::store::RecordStore).
fn passkeys(stores: Stores) -> Arc<dyn PasskeyStore> {
    Arc::new(RecordPasskeys::new(stores.records))
}

async fn connect(settings: &RedisSettings) -> Stores {
    RedisStore::connect(settings).await.expect("a connection to Redis").into()
}

/// A store that implements one trait, and runs one suite.
mod hash_map {
    crate::contract::challenges::challenge_store!(async { crate::hash_map() });
}

fn hash_map() -> Arc<dyn ChallengeStore> {
    Arc::new(HashMapStore::default())
}

#[derive(Default)]
struct HashMapStore(Mutex<HashMap<Challenge, u64>>);

#[async_trait]
impl ChallengeStore for HashMapStore {
    async fn add(&self, challenge: &Challenge, expires: u64, _now: u64) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*challenge, expires);
        Ok(())
    }

    async fn take(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        let expires = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(challenge);
        Ok(expires.is_some_and(|expires| now < expires))
    }
}
