//! A real Redis Cluster of three primaries for tests.

#![allow(dead_code, reason = "every test binary compiles this in, and each uses a part of it")]

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use redis::{Cmd, FromRedisValue, cmd};
use server::settings::RedisSettings;

use super::redis_server::{Certificates, RedisServer};

/// The first and the last slot of each primary.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// Three primaries, and the servers that have joined them.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster and waits until it serves every key.
    pub(crate) fn start() -> Self {
        Self::of(RedisServer::node)
    }

    /// Starts a cluster with a password and TLS.
    pub(crate) fn secured() -> Self {
        let certificates = Certificates::new();
        Self::of(|| RedisServer::secured_node(&certificates))
    }

    fn of(node: impl Fn() -> RedisServer) -> Self {
        let nodes: Vec<_> = SLOTS.map(|_| node()).into();
        for (epoch, (node, (first, last))) in (1..).zip(nodes.iter().zip(SLOTS)) {
            // Without distinct epochs the nodes would have to resolve a conflict first.
            cluster::<()>(node, &["SET-CONFIG-EPOCH", &format!("{epoch}")]);
            cluster::<()>(node, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes[1..] {
            cluster.meet(node);
        }
        cluster.agree(3);
        cluster
    }

    /// The settings with which the store connects to it: one node, from which the store learns the others.
    pub(crate) fn settings(&self) -> RedisSettings {
        self.nodes[0].settings()
    }

    /// Adds a server without slots.
    pub(crate) fn join(&mut self) -> &RedisServer {
        let node = RedisServer::node();
        self.meet(&node);
        self.nodes.push(node);
        self.agree(self.nodes.len());
        &self.nodes[self.nodes.len() - 1]
    }

    fn meet(&self, node: &RedisServer) {
        let [host, port, bus] = node.meeting_place();
        cluster::<()>(&self.nodes[0], &["MEET", &host, &port, &bus]);
    }

    /// Waits until all nodes know each other and every key is served.
    fn agree(&self, nodes: usize) {
        for node in &self.nodes {
            wait_until("the cluster serves", || {
                let info: String = cluster(node, &["INFO"]);
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r"))
            });
        }
    }

    /// The index of the primary that has a key.
    pub(crate) fn owner_of(&self, key: &str) -> usize {
        let slot: u16 = cluster(&self.nodes[0], &["KEYSLOT", key]);
        SLOTS.iter().position(|(first, last)| (*first..=*last).contains(&slot)).expect("every slot has a primary")
    }
}

/// Sends `CLUSTER …`.
pub(crate) fn cluster<T: FromRedisValue>(node: &RedisServer, words: &[&str]) -> T {
    query(node, cmd("CLUSTER").arg(words))
}

/// Sends a command to one server.
pub(crate) fn query<T: FromRedisValue>(node: &RedisServer, command: &Cmd) -> T {
    command.query(&mut node.aside()).expect("Redis obeys")
}

/// Waits until the condition holds.
pub(crate) fn wait_until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(30), "timeout: {what}");
        sleep(Duration::from_millis(20));
    }
}
