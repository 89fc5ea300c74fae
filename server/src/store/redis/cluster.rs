//! A Redis Cluster: which server has a slot, and what to do when the slot has moved.
//!
//! The slot map comes from any server that answers `CLUSTER SLOTS`. It is read at the start, when a server answers
//! `MOVED`, and when a server is unavailable, because another may have taken its place.
//!
//! This is not the cluster client of the crate `redis` (1.8), because that follows `MOVED` only if it may also repeat
//! what a broken connection carried (see `connection`): an `INCR` whose answer is lost would count twice. And here each
//! server has a script of its own (see `node`).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use redis::{
    ErrorKind, FromRedisValue, ParsingError, RedisError, RedisResult, ServerErrorKind, Value, cluster_routing::Slot,
    cmd,
};
use tokio::{sync, task::JoinSet, time::sleep};

use super::{
    node::{Address, ConnectOptions, Node},
    script::Request,
};

/// How many redirections (`MOVED`, then `ASK`) are followed without a pause.
const MAX_IMMEDIATE: usize = 3;

/// Pause before the next request to a cluster that is being changed.
const PAUSE: Duration = Duration::from_millis(50);

/// The primary of each slot.
type SlotMap = HashMap<Slot, Arc<Node>>;

/// The connections to the servers of a cluster.
pub(super) struct Cluster {
    options: ConnectOptions,
    /// The servers from the settings.
    seeds: Vec<Address>,
    /// All servers that were contacted, without former primaries. A server that becomes a primary again is treated as a
    /// new one and gets a new script.
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    map: RwLock<Arc<SlotMap>>,
    /// Held while a new map is being read.
    refreshing: sync::Mutex<()>,
}

impl Cluster {
    /// Reads the slot map, and loads the script into every primary that can be reached.
    pub(super) async fn open(options: ConnectOptions, seeds: Vec<Address>) -> RedisResult<Self> {
        let (nodes, map, refreshing) = Default::default();
        let cluster = Self { options, seeds, nodes, map, refreshing };
        let map = cluster.refresh(&cluster.map(), cluster.seeds.clone()).await?;
        let primaries: HashMap<_, _> = map.values().map(|node| (node.address(), node)).collect();
        let mut loading = JoinSet::new();
        for node in primaries.into_values() {
            let node = Arc::clone(node);
            loading.spawn(async move { node.load().await });
        }
        while let Some(loaded) = loading.join_next().await {
            // A primary that is unavailable now gets the script with its first request.
            if let Ok(Err(error)) = loaded {
                tracing::warn!(%error, "a node of the Redis Cluster is unavailable");
            }
        }
        Ok(cluster)
    }

    /// Sends a request to the primary of the slot of `key`. While the slot is being moved, or has no primary, this
    /// waits until the caller's timeout.
    pub(super) async fn ask(&self, key: &str, request: &Request<'_>) -> RedisResult<Value> {
        let slot = Slot::for_key(key);
        let mut map = self.map();
        // The server that the last answer redirected to, and whether the request needs `ASKING`.
        let mut redirection = None;
        for turn in 0.. {
            if turn > MAX_IMMEDIATE {
                sleep(PAUSE).await;
            }
            let (node, asking) = match (redirection.take(), map.get(&slot)) {
                (Some((address, asking)), _) => (self.node(&address)?, asking),
                (None, Some(node)) => (node.clone(), false),
                (None, None) => {
                    map = self.refresh(&map, self.all_but(None)).await?;
                    continue;
                }
            };
            let error = match node.ask(request, asking).await {
                Err(error) => error,
                answer => return answer,
            };
            match error.kind() {
                ErrorKind::Server(ServerErrorKind::Moved) => {
                    let owner = redirected(&error, node.address())?;
                    map = self.refresh(&map, vec![owner.clone()]).await?;
                    redirection = Some((owner, false));
                }
                ErrorKind::Server(ServerErrorKind::Ask) => {
                    redirection = Some((redirected(&error, node.address())?, true));
                }
                ErrorKind::Server(
                    ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::BusyLoading,
                ) => map = self.refresh(&map, self.all_but(Some(node.address()))).await?,
                ErrorKind::Io => {
                    // For later requests.
                    let _ = self.refresh(&map, self.all_but(Some(node.address()))).await;
                    return Err(error);
                }
                _ => return Err(error),
            }
        }
        Err(unknown())
    }

    fn map(&self) -> Arc<SlotMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<Address, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, address: &Address) -> RedisResult<Arc<Node>> {
        let mut nodes = self.nodes();
        if let Some(node) = nodes.get(address) {
            return Ok(node.clone());
        }
        let node = Arc::new(Node::new(&self.options, address.clone())?);
        nodes.insert(address.clone(), node.clone());
        Ok(node)
    }

    /// The servers to read the slot map from: all but one that is unavailable.
    fn all_but(&self, one: Option<&Address>) -> Vec<Address> {
        let mut all: HashSet<_> = self.nodes().keys().cloned().collect();
        all.extend(self.seeds.iter().cloned());
        if all.len() > 1
            && let Some(one) = one
        {
            all.remove(one);
        }
        all.into_iter().collect()
    }

    /// Reads the slot map from the first server that answers, unless another request has replaced `stale` already.
    async fn refresh(&self, stale: &Arc<SlotMap>, from: Vec<Address>) -> RedisResult<Arc<SlotMap>> {
        let _refreshing = self.refreshing.lock().await;
        let known = self.map();
        if !Arc::ptr_eq(&known, stale) {
            return Ok(known);
        }
        let mut asked = JoinSet::new();
        for address in from {
            let node = self.node(&address)?;
            asked.spawn(async move {
                let answer = node.ask(&Request::Command(cmd("CLUSTER").arg("SLOTS")), false).await?;
                Ok::<_, RedisError>(read_slots(answer, &address.0)?)
            });
        }
        let mut error = unknown();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(slots)) => return self.adopt(&known, slots),
                Ok(Err(failed)) => error = failed,
                Err(panicked) => error = std::io::Error::other(panicked).into(),
            }
        }
        Err(error)
    }

    fn adopt(&self, old: &SlotMap, ranges: Vec<Range>) -> RedisResult<Arc<SlotMap>> {
        let mut map = SlotMap::new();
        for Range { first, last, primary } in ranges {
            let node = self.node(&primary)?;
            map.extend((first..=last).filter_map(Slot::new).map(|slot| (slot, node.clone())));
        }
        let primaries: HashSet<_> = map.values().map(|node| node.address()).collect();
        for node in old.values().filter(|node| !primaries.contains(node.address())) {
            self.nodes().remove(node.address());
        }
        let map = Arc::new(map);
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map.clone();
        Ok(map)
    }
}

/// A range of slots with the same primary.
struct Range {
    first: u16,
    last: u16,
    primary: Address,
}

/// Reads the answer of the host `asked` to `CLUSTER SLOTS`: lists of first slot, last slot, primary, and replicas.
fn read_slots(answer: Value, asked: &str) -> Result<Vec<Range>, ParsingError> {
    let ranges = Vec::<Vec<Value>>::from_redis_value(answer)?;
    ranges
        .into_iter()
        .map(|range| {
            let mut range = range.into_iter();
            let mut next = || range.next().unwrap_or(Value::Nil);
            let (first, last) = (u16::from_redis_value(next())?, u16::from_redis_value(next())?);
            let mut primary = Vec::<Value>::from_redis_value(next())?.into_iter();
            let mut next = || primary.next().unwrap_or(Value::Nil);
            let host = Option::<String>::from_redis_value(next())?;
            Ok(Range { first, last, primary: (host_of(host, asked), u16::from_redis_value(next())?) })
        })
        .collect()
}

/// The host of an answer. A server that does not name its host is at the host that was asked.
fn host_of(named: Option<String>, asked: &str) -> String {
    named.filter(|host| !host.is_empty()).unwrap_or_else(|| asked.to_owned())
}

/// The server that `MOVED` or `ASK` names.
fn redirected(error: &RedisError, (asked, _): &Address) -> RedisResult<Address> {
    let (address, _slot) = error.redirect_node().ok_or_else(unknown)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unknown)?;
    Ok((host_of(Some(host.to_owned()), asked), port.parse().map_err(|_| unknown())?))
}

fn unknown() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "the cluster does not say which server has the key").into()
}
