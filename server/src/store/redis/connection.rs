//! The way to Redis: to one server or to a cluster.
//!
//! Every command answers within two seconds, with [`StoreError`] if need be, and a lost connection comes back by
//! itself.
//!
//! # No command is ever sent twice
//!
//! A command that was sent before its connection broke may have been done: the caller must hear of it. Were it sent
//! again in silence, a write that had been done would be told as one that came too late, and who tries again upon that
//! would pay twice. So an error of the network is always an error, and a command goes out again only when the server
//! that had it says that it has not done it (`MOVED`, `NOSCRIPT` and the like).

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::time::timeout;

use super::{
    Result,
    cluster::Cluster,
    failed,
    node::{ConnectOptions, Node},
    script::Call,
};
use crate::settings::RedisSettings;
#[cfg(doc)]
use crate::store::StoreError;

/// How long a verb may take, with reconnecting.
const PATIENCE: Duration = Duration::from_secs(2);

/// One server or many.
pub(super) enum Connection {
    Single(Node),
    Cluster(Box<Cluster>),
}

/// What is asked of a server.
pub(super) enum Request<'a> {
    /// A verb of the script.
    Verb(&'a Call),
    /// A command.
    Plain(&'a Cmd),
}

impl Connection {
    /// Connects, and loads the script.
    pub(super) async fn open(settings: &RedisSettings) -> Result<Self> {
        let entrance = ConnectOptions::new(settings).map_err(failed)?;
        if settings.cluster {
            let cluster = in_time(Cluster::open(entrance, settings.nodes.clone())).await?;
            return Ok(Self::Cluster(Box::new(cluster)));
        }
        let address = settings.nodes.first().ok_or_else(|| failed("it has no address"))?;
        let node = Node::new(&entrance, address.clone()).map_err(failed)?;
        in_time(node.load()).await?;
        if is_in_a_cluster(&node).await {
            return Err(failed("it is a node of a Redis Cluster, and redis.cluster (PAN_REDIS_CLUSTER) is false"));
        }
        Ok(Self::Single(node))
    }

    /// Runs a verb of the script. Its keys are in one slot.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Call) -> Result<T> {
        let key = call.keys.first().map_or("", String::as_str);
        self.ask(key, &Request::Verb(call)).await
    }

    /// Sends a plain command about keys in the slot of `key`.
    pub(super) async fn send<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T> {
        self.ask(key, &Request::Plain(command)).await
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

/// Whether it is: such a server has only some of the keys. A user who may not ask this is taken at their word.
async fn is_in_a_cluster(node: &Node) -> bool {
    let info = in_time(node.ask(&Request::Plain(cmd("INFO").arg("cluster")), false)).await;
    info.is_ok_and(|info| String::from_redis_value(info).is_ok_and(|info| info.contains("cluster_enabled:1")))
}

/// Puts an end to waiting: a Redis that hangs is a Redis that is away.
async fn in_time<T>(work: impl Future<Output = RedisResult<T>>) -> Result<T> {
    timeout(PATIENCE, work).await.map_err(failed)?.map_err(failed)
}
