//! A command is never sent twice: what was done and could not be told is an error, and not done again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redis::cmd;
use server::{
    settings::RedisSettings,
    store::{Counted, RecordKey, SharedStore, Write},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

use super::redis::recovered_without_asking_the_script as recovered;
use crate::{
    contract::fixture::*,
    support::{
        redis_cluster::{RedisCluster, cluster, wait_until},
        redis_server::RedisServer,
    },
};

/// A network to Redis that can lose an answer.
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
    let asking = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        let is_lost = is_to_lose.swap(false, Ordering::SeqCst);
        if is_lost || to_client.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    asking.abort();
}

async fn loses_answers(store: SharedStore, network: &Network) {
    let left = |counted| match counted {
        Counted::Within(quota) | Counted::Over(quota) => quota.left,
    };
    // In the slot of the records.
    let counter = format!("{{all}}:{}", handle());
    assert_eq!(left(store.count(&counter, AMPLE, *T0).await.expect("the store answers")), AMPLE.max - 1);
    network.lose_an_answer();
    assert!(store.count(&counter, AMPLE, *T0).await.is_err());
    recovered(&store).await;
    assert_eq!(left(store.count(&counter, AMPLE, *T0).await.expect("the store answers")), AMPLE.max - 3);

    // Were it sent again, it would be told as one that came too late; and who tries again upon that would do it twice.
    let record = Write { key: RecordKey(counter), seen: 0, value: "all the money".to_owned() };
    network.lose_an_answer();
    assert!(store.write(std::slice::from_ref(&record)).await.is_err());
    recovered(&store).await;
    let found = store.read(std::slice::from_ref(&record.key)).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| record.version), Some(1));
}

#[tokio::test]
async fn what_redis_has_done_and_could_not_tell_is_an_error_and_is_not_done_again() {
    let server = RedisServer::start();
    let network = Network::to(server.port()).await;
    let settings = RedisSettings { nodes: vec![("127.0.0.1".to_owned(), network.port)], ..server.settings() };
    loses_answers(crate::connect(&settings).await, &network).await;
}

#[tokio::test]
async fn what_a_cluster_has_done_and_could_not_tell_is_an_error_and_is_not_done_again() {
    let all = RedisCluster::start();
    let owner = &all.nodes[all.owner_of("record:{all}:")];
    let network = Network::to(owner.port()).await;
    // Where it tells others that it is.
    let mut announce = cmd("CONFIG");
    announce.arg("SET").arg("cluster-announce-port").arg(network.port);
    announce.exec(&mut owner.aside()).expect("Redis obeys");
    for node in &all.nodes {
        let port = format!(":{}@", network.port);
        wait_until("all know", || cluster::<String>(node, &["NODES"]).contains(&port));
    }
    loses_answers(crate::connect(&all.settings()).await, &network).await;
}
