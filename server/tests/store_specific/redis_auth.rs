//! Whom the Redis store talks to, and with which words it refuses.

use std::{error::Error, fs};

use server::{
    settings::{Password, RedisSettings},
    store::redis::RedisStore,
};

use crate::support::redis_server::RedisServer;

/// Everything that the error and its causes say.
async fn refusal(settings: &RedisSettings) -> String {
    let error = RedisStore::connect(settings).await.err().expect("nobody to talk to");
    let mut body = Vec::new();
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(error) = next {
        body.push(error.to_string());
        next = error.source();
    }
    body.join(": ")
}

#[tokio::test]
async fn a_server_must_be_vouched_for() {
    let server = RedisServer::secured();
    let right = server.settings();
    RedisStore::connect(&right).await.expect("a connection to Redis");

    // The system has never heard of the test's authority.
    let by_the_system = RedisSettings { ca: None, ..right.clone() };
    assert!(refusal(&by_the_system).await.contains("UnknownIssuer"));

    let another = RedisServer::secured();
    let by_another = RedisSettings { ca: another.settings().ca, ..right.clone() };
    let body = refusal(&by_another).await;
    assert!(body.contains("certificate"), "{body}");

    // The certificate is 127.0.0.1's.
    let by_another_name = RedisSettings { nodes: vec![("localhost".to_owned(), right.nodes[0].1)], ..right.clone() };
    let body = refusal(&by_another_name).await;
    assert!(body.contains("not valid for name"), "{body}");

    let ca = right.ca.clone().expect("a file");
    fs::write(&ca, "no certificate").expect("a file");
    assert!(refusal(&right).await.contains("no certificate in"));
    fs::remove_file(&ca).expect("a file");
    assert!(refusal(&right).await.contains(&ca.display().to_string()));
}

#[tokio::test]
async fn a_password_must_be_right() {
    let server = RedisServer::secured();
    let right = server.settings();
    for password in [None, RedisSettings::at("redis://:guess@a").expect("a URL").password] {
        let body = refusal(&RedisSettings { password: password.clone(), ..right.clone() }).await;
        assert!(!body.contains(password.as_ref().map_or("p@ss", Password::reveal)), "{body}");
        assert!(body.to_lowercase().contains("auth"), "{body}");
    }
}

#[tokio::test]
async fn a_lone_node_of_a_cluster_is_not_taken_for_a_redis() {
    let server = RedisServer::node();
    let body = refusal(&RedisSettings { cluster: false, ..server.settings() }).await;
    assert!(body.contains("redis.cluster"), "{body}");
    let single = RedisServer::start();
    let body = refusal(&RedisSettings { cluster: true, ..single.settings() }).await;
    assert!(body.contains("cluster support disabled"), "{body}");
}
