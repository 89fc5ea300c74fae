//! A Redis Cluster: which server has a key, and what to do when it has moved.
//!
//! The map of slots is learned from any server that answers `CLUSTER SLOTS`: at the start, when a server says `MOVED`,
//! and when one is away, because another may have taken its place.
//!
//! Not the cluster client of the crate `redis`: that one (1.8) follows `MOVED` only if it may also send again what a broken
//! connection carried (see [`connection`](super::connection)); an `INCR` whose answer is lost counts twice with it. And
//! here each server has a script of its own (see [`node`](super::node)).

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
    connection::Request,
    node::{Address, ConnectOptions, Node},
};

/// How often a request is sent elsewhere at once: to whom `MOVED` names, and from there to whom `ASK` names.
const AT_ONCE: usize = 3;

/// How long to wait until a cluster that is being changed is asked again.
const CHANGE: Duration = Duration::from_millis(50);

/// Which primary has which slot.
type Map = HashMap<Slot, Arc<Node>>;

/// The servers of a cluster.
pub(super) struct Cluster {
    entrance: ConnectOptions,
    /// Those that the settings name.
    seeds: Vec<Address>,
    /// Those that were ever asked, but for those that have stopped being a primary: should one become it again, it is a
    /// new one, with a new script.
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    map: RwLock<Arc<Map>>,
    /// Held by the one that learns a new map.
    learning: sync::Mutex<()>,
}

impl Cluster {
    /// Learns the map, and loads the script into every primary that can be reached.
    pub(super) async fn open(entrance: ConnectOptions, seeds: Vec<Address>) -> RedisResult<Self> {
        let (nodes, map, learning) = Default::default();
        let cluster = Self { entrance, seeds, nodes, map, learning };
        let map = cluster.learn(&cluster.map(), cluster.seeds.clone()).await?;
        let primaries: HashMap<_, _> = map.values().map(|node| (node.address(), node)).collect();
        let mut loading = JoinSet::new();
        for node in primaries.into_values() {
            let node = Arc::clone(node);
            loading.spawn(async move { node.load().await });
        }
        while let Some(loaded) = loading.join_next().await {
            // One that is away now is loaded when it is first asked.
            if let Ok(Err(error)) = loaded {
                tracing::warn!(%error, "a node of the Redis Cluster is away");
            }
        }
        Ok(cluster)
    }

    /// Asks the primary that has the slot of `key`. While the slot is being moved, or nobody has it, it waits for as
    /// long as the caller does.
    pub(super) async fn ask(&self, key: &str, request: &Request<'_>) -> RedisResult<Value> {
        let slot = Slot::for_key(key);
        let mut map = self.map();
        // Whom the last answer named, and whether it is to be asked with `ASKING`.
        let mut named = None;
        for turn in 0.. {
            if turn > AT_ONCE {
                sleep(CHANGE).await;
            }
            let (node, asking) = match (named.take(), map.get(&slot)) {
                (Some((address, asking)), _) => (self.node(&address)?, asking),
                (None, Some(node)) => (node.clone(), false),
                (None, None) => {
                    map = self.learn(&map, self.all_but(None)).await?;
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
                    map = self.learn(&map, vec![owner.clone()]).await?;
                    named = Some((owner, false));
                }
                ErrorKind::Server(ServerErrorKind::Ask) => named = Some((redirected(&error, node.address())?, true)),
                ErrorKind::Server(
                    ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::BusyLoading,
                ) => map = self.learn(&map, self.all_but(Some(node.address()))).await?,
                ErrorKind::Io => {
                    // For the requests that come after this one.
                    let _ = self.learn(&map, self.all_but(Some(node.address()))).await;
                    return Err(error);
                }
                _ => return Err(error),
            }
        }
        Err(unknown())
    }

    fn map(&self) -> Arc<Map> {
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
        let node = Arc::new(Node::new(&self.entrance, address.clone())?);
        nodes.insert(address.clone(), node.clone());
        Ok(node)
    }

    /// Whom to ask for the map.
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

    /// Learns the map from the first that answers, unless another request has already done it since `stale`.
    async fn learn(&self, stale: &Arc<Map>, from: Vec<Address>) -> RedisResult<Arc<Map>> {
        let _learning = self.learning.lock().await;
        let known = self.map();
        if !Arc::ptr_eq(&known, stale) {
            return Ok(known);
        }
        let mut asked = JoinSet::new();
        for address in from {
            let node = self.node(&address)?;
            asked.spawn(async move {
                let answer = node.ask(&Request::Plain(cmd("CLUSTER").arg("SLOTS")), false).await?;
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

    fn adopt(&self, old: &Map, ranges: Vec<Range>) -> RedisResult<Arc<Map>> {
        let mut map = Map::new();
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

/// Slots that one primary has.
struct Range {
    first: u16,
    last: u16,
    primary: Address,
}

/// Reads the answer to `CLUSTER SLOTS` of the host `asked`: lists of first and last slot, primary, and replicas.
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

/// A server that does not say its host is where it was asked.
fn host_of(body: Option<String>, asked: &str) -> String {
    body.filter(|host| !host.is_empty()).unwrap_or_else(|| asked.to_owned())
}

/// Whom `MOVED` or `ASK` names.
fn redirected(error: &RedisError, (asked, _): &Address) -> RedisResult<Address> {
    let (address, _slot) = error.redirect_node().ok_or_else(unknown)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unknown)?;
    Ok((host_of(Some(host.to_owned()), asked), port.parse().map_err(|_| unknown())?))
}

fn unknown() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "the cluster does not say who has the key").into()
}
