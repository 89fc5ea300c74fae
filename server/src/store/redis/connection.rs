//! The connection to Redis: to one server or to a cluster.
//!
//! Every command returns within two seconds, if need be with [`StoreError`]. A lost connection is restored
//! automatically.
//!
//! # No command is sent twice
//!
//! A command may have been executed even if its connection broke afterwards, so the caller must get the error. If the
//! command were repeated silently, a write that was executed would look like one that lost a race. The caller would
//! retry it with a new version, and a payment would be made twice. So a network error is always returned. A command is
//! sent again only when the server says that it has not executed it (`MOVED`, `NOSCRIPT` and the like).

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::time::timeout;

use super::{
    cluster::Cluster,
    node::{ConnectOptions, Node},
    script::{Call, Request},
};
use crate::{
    settings::RedisSettings,
    store::error::{Result, StoreError},
};

/// The most time for a request, reconnecting included.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One server or many.
pub(super) enum Connection {
    Single(Box<Node>),
    Cluster(Box<Cluster>),
}

impl Connection {
    /// Connects, and loads the script.
    pub(super) async fn open(settings: &RedisSettings) -> Result<Self> {
        let options = ConnectOptions::new(settings).map_err(StoreError::new)?;
        if settings.cluster {
            let cluster = in_time(Cluster::open(options, settings.nodes.clone())).await?;
            return Ok(Self::Cluster(Box::new(cluster)));
        }
        let address = settings.nodes.first().ok_or_else(|| StoreError::new("no address of Redis is given"))?;
        let node = Node::new(&options, address.clone()).map_err(StoreError::new)?;
        in_time(node.load()).await?;
        if is_in_a_cluster(&node).await {
            return Err(StoreError::new(
                "the server is a node of a Redis Cluster, and redis.cluster (PAN_REDIS_CLUSTER) is false",
            ));
        }
        Ok(Self::Single(Box::new(node)))
    }

    /// Calls a function of the script. Its keys must be in one slot.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Call) -> Result<T> {
        let key = call.keys.first().map_or("", String::as_str);
        self.ask(key, &Request::Script(call)).await
    }

    /// Sends a plain command about keys in the slot of `key`.
    pub(super) async fn send<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T> {
        self.ask(key, &Request::Command(command)).await
    }

    async fn ask<T: FromRedisValue>(&self, key: &str, request: &Request<'_>) -> Result<T> {
        in_time(async {
            let answer = match self {
                Self::Single(node) => node.ask(request, false).await,
                Self::Cluster(cluster) => cluster.ask(key, request).await,
            }?;
            Ok(T::from_redis_value(answer)?)
        })
        .await
    }
}

/// Whether the server is a cluster node, which has only some of the keys. `false` if the Redis user may not ask.
async fn is_in_a_cluster(node: &Node) -> bool {
    let info = in_time(node.ask(&Request::Command(cmd("INFO").arg("cluster")), false)).await;
    info.is_ok_and(|info| String::from_redis_value(info).is_ok_and(|info| info.contains("cluster_enabled:1")))
}

/// Limits the time of a request: a Redis that hangs counts as unavailable.
async fn in_time<T>(work: impl Future<Output = RedisResult<T>>) -> Result<T> {
    timeout(TIMEOUT, work).await.map_err(StoreError::new)?.map_err(StoreError::new)
}
