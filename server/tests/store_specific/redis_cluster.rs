//! What happens only in a Redis Cluster: slots move, and servers fail and come back.

use std::time::Duration;

use super::redis::{bound_now, now, save};
use crate::{
    contract::fixture::*,
    support::{
        redis_cluster::{RedisCluster, cluster, query, wait_until},
        redis_server::RedisServer,
    },
};
use protocol::token::SessionHandle;
use redis::cmd;

async fn connect(cluster: &RedisCluster) -> Sessions {
    crate::connect(&cluster.settings()).await.sessions
}

fn key_of(handle: SessionHandle) -> String {
    format!("session:{{{handle}}}")
}

/// A handle whose slot is at this primary.
fn handle_at(cluster: &RedisCluster, place: usize) -> SessionHandle {
    loop {
        let handle = handle();
        if cluster.owner_of(&key_of(handle)) == place {
            return handle;
        }
    }
}

fn scripts(node: &RedisServer) -> u32 {
    let info: String = query(node, cmd("INFO").arg("memory"));
    let count = info.lines().find_map(|line| line.strip_prefix("number_of_cached_scripts:"));
    count.and_then(|count| count.parse().ok()).expect("Redis counts scripts")
}

fn id(node: &RedisServer) -> String {
    cluster(node, &["MYID"])
}

/// Moves the keys of a slot but not the slot: requests for them get the answer `ASK`.
fn move_keys(from: &RedisServer, to: &RedisServer, slot: &str) {
    cluster::<()>(to, &["SETSLOT", slot, "IMPORTING", &id(from)]);
    cluster::<()>(from, &["SETSLOT", slot, "MIGRATING", &id(to)]);
    let keys: Vec<String> = cluster(from, &["GETKEYSINSLOT", slot, "1000"]);
    let mut migrate = cmd("MIGRATE");
    migrate.arg("127.0.0.1").arg(to.port()).arg("").arg(0).arg(5000).arg("KEYS").arg(keys);
    query::<()>(from, &migrate);
}

/// Moves the slot: requests to its former primary get the answer `MOVED`.
fn move_slot(from: &RedisServer, to: &RedisServer, slot: &str) {
    for node in [to, from] {
        cluster::<()>(node, &["SETSLOT", slot, "NODE", &id(to)]);
    }
}

#[tokio::test]
async fn session_works_while_its_slot_moves() {
    let mut all = RedisCluster::start();
    let store = connect(&all).await;
    let many = nonces::<4>();
    let handle = handle_at(&all, 0);
    bound_now(&store, handle, &many).await;
    let slot: u16 = cluster(&all.nodes[0], &["KEYSLOT", &key_of(handle)]);
    let slot = slot.to_string();

    // While some keys of a request are missing at the new primary, Redis answers `TRYAGAIN`: they may not have arrived
    // yet. This session has spent no nonce so far, so one of its keys does not exist.
    let (from, to) = (&all.nodes[0], &all.nodes[1]);
    move_keys(from, to, &slot);
    let waiting = tokio::spawn({
        let (store, request) = (store.clone(), request(handle, many[0], now()));
        async move { verdict(&store, request).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    move_slot(from, to, &slot);
    assert_eq!(waiting.await.expect("no panic"), Verdict::Passed, "TRYAGAIN");

    let (from, to) = (to, from);
    move_keys(from, to, &slot);
    assert!(passes(&store, handle, many[1], now()).await, "ASK");
    assert_eq!(verdict(&store, request(handle, many[1], now())).await, Verdict::Replayed);
    move_slot(from, to, &slot);
    assert!(passes(&store, handle, many[2], now()).await, "MOVED");

    // A server that has just joined has no script yet, so the store cannot know whether it has lost data.
    all.join();
    let (from, to) = (&all.nodes[0], &all.nodes[3]);
    move_keys(from, to, &slot);
    assert_eq!(verdict(&store, request(handle, many[3], now())).await, Verdict::BadNonce);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fresh = nonces::<2>();
    assert!(issue_nonces(&store, handle, nonce(), &fresh, now()).await);
    assert!(passes(&store, handle, fresh[0], now()).await, "ASK");
    move_slot(from, to, &slot);
    assert!(passes(&store, handle, fresh[1], now()).await, "MOVED");
    assert_eq!(verdict(&store, request(handle, fresh[1], now())).await, Verdict::Replayed);
}

/// Attacks 10 and 21.
#[tokio::test]
async fn old_primary_replays_nothing_others_go_on() {
    let mut all = RedisCluster::start();
    let store = connect(&all).await;
    let [here, there] = [handle_at(&all, 0), handle_at(&all, 1)];
    let ([spent, unspent], [other, another]) = (nonces(), nonces());
    bound_now(&store, here, &[spent, unspent]).await;
    bound_now(&store, there, &[other, another]).await;
    save(&all.nodes[0]);
    assert!(passes(&store, here, spent, now()).await);
    all.nodes[0].kill();
    assert!(store.authorize_request(request(here, unspent, now())).await.is_err());
    // The others do not know yet that it is unavailable.
    assert!(passes(&store, there, other, now()).await);

    all.nodes[0].restart();
    wait_until("the primary serves again", || cluster::<String>(&all.nodes[0], &["INFO"]).contains("cluster_state:ok"));
    while store.find(&here, IDLE, now()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for nonce in [spent, unspent] {
        assert_eq!(verdict(&store, request(here, nonce, now())).await, Verdict::BadNonce);
    }
    // Each server has a separate script, so the nonces of the others are still valid.
    assert!(passes(&store, there, another, now()).await);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fresh = nonce();
    assert!(issue_nonces(&store, here, nonce(), &[fresh], now()).await);
    assert!(passes(&store, here, fresh, now()).await);
}

#[tokio::test]
async fn promoted_replica_rejects_older_nonces() {
    let mut all = RedisCluster::start();
    let primary = id(&all.nodes[0]);
    let replica = all.join();
    cluster::<()>(replica, &["REPLICATE", &primary]);
    wait_until("the replica follows", || {
        query::<String>(replica, cmd("INFO").arg("replication")).contains("master_link_status:up")
    });
    // Any node will do: a replica knows the slot map as well.
    let store = crate::connect(&replica.settings()).await.sessions;
    assert_eq!(all.nodes.iter().map(scripts).collect::<Vec<_>>(), [1, 1, 1, 0]);

    let handle = handle_at(&all, 0);
    let [spent, unspent] = nonces();
    bound_now(&store, handle, &[spent, unspent]).await;
    assert!(passes(&store, handle, spent, now()).await);
    let offset = |node: &RedisServer| {
        let info: String = query(node, cmd("INFO").arg("replication"));
        info.lines().find_map(|line| line.strip_prefix("master_repl_offset:").map(str::to_owned))
    };
    wait_until("the replica has all", || offset(&all.nodes[0]) == offset(&all.nodes[3]));

    all.nodes[0].kill();
    while store.find(&handle, IDLE, now()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(scripts(&all.nodes[3]), 1);
    assert_eq!(verdict(&store, request(handle, spent, now())).await, Verdict::Replayed);
    assert_eq!(verdict(&store, request(handle, unspent, now())).await, Verdict::BadNonce);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fresh = nonce();
    assert!(issue_nonces(&store, handle, nonce(), &[fresh], now()).await);
    assert!(passes(&store, handle, fresh, now()).await);
}
