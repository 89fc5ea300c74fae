//! No command is sent twice: if the answer to an executed command is lost, the result is an error, not a repetition.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redis::cmd;
use server::{
    settings::RedisSettings,
    store::{Counted, Counter, RecordKey, Stores, Write},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

use super::redis::recovered_without_script as recovered;
use crate::{
    contract::fixture::*,
    support::{
        redis_cluster::{RedisCluster, cluster, wait_until},
        redis_server::RedisServer,
    },
};

/// A TCP proxy to Redis that can lose an answer.
struct Network {
    port: u16,
    is_to_lose: Arc<AtomicBool>,
}

impl Network {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let network = Self { port: listener.local_addr().expect("an address").port(), is_to_lose: Arc::default() };
        let is_to_lose = network.is_to_lose.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::spawn(carry(client, server, is_to_lose.clone()));
                }
            }
        });
        network
    }

    /// Loses the next answer, and the connection with it.
    fn lose_an_answer(&self) {
        self.is_to_lose.store(true, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: TcpStream, is_to_lose: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let nonce_request = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        let is_lost = is_to_lose.swap(false, Ordering::SeqCst);
        if is_lost || to_client.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    nonce_request.abort();
}

async fn loses_answers(stores: Stores, network: &Network) {
    let left = |counted| match counted {
        Counted::Within(quota) | Counted::Over(quota) => quota.left,
    };
    // A key in the slot of the records.
    let name = format!("{{all}}:{}", handle());
    let counter = [Counter { name: name.clone(), limit: AMPLE }];
    assert_eq!(left(stores.rate_limits.count(&counter, *T0).await.expect("the store answers")), AMPLE.max - 1);
    network.lose_an_answer();
    assert!(stores.rate_limits.count(&counter, *T0).await.is_err());
    recovered(stores.records.as_ref()).await;
    assert_eq!(left(stores.rate_limits.count(&counter, *T0).await.expect("the store answers")), AMPLE.max - 3);

    // If it were sent again, it would look like a write that lost a race, and a caller who retries would write twice.
    let record = Write { key: RecordKey(name), seen: 0, value: "all the money".to_owned() };
    network.lose_an_answer();
    assert!(stores.records.write(std::slice::from_ref(&record)).await.is_err());
    recovered(stores.records.as_ref()).await;
    let found = stores.records.read(std::slice::from_ref(&record.key)).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| record.version), Some(1));
}

#[tokio::test]
async fn redis_lost_answer_is_an_error_not_a_repeat() {
    let server = RedisServer::start();
    let network = Network::to(server.port()).await;
    let settings = RedisSettings { nodes: vec![("127.0.0.1".to_owned(), network.port)], ..server.settings() };
    loses_answers(crate::connect(&settings).await, &network).await;
}

#[tokio::test]
async fn cluster_lost_answer_is_an_error_not_a_repeat() {
    let all = RedisCluster::start();
    let owner = &all.nodes[all.owner_of("record:{all}:")];
    let network = Network::to(owner.port()).await;
    // The address that it announces to the others.
    let mut announce = cmd("CONFIG");
    announce.arg("SET").arg("cluster-announce-port").arg(network.port);
    announce.exec(&mut owner.aside()).expect("Redis obeys");
    for node in &all.nodes {
        let port = format!(":{}@", network.port);
        wait_until("all know", || cluster::<String>(node, &["NODES"]).contains(&port));
    }
    loses_answers(crate::connect(&all.settings()).await, &network).await;
}
