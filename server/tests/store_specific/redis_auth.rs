//! Which servers the Redis store accepts, and the errors for the others.

use std::{error::Error, fs};

use server::{
    settings::{Password, RedisSettings},
    store::redis::RedisStore,
};

use crate::support::redis_server::RedisServer;

/// The texts of the error and its causes.
async fn connect_error(settings: &RedisSettings) -> String {
    let error = RedisStore::connect(settings).await.err().expect("an error");
    let mut body = Vec::new();
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(error) = next {
        body.push(error.to_string());
        next = error.source();
    }
    body.join(": ")
}

#[tokio::test]
async fn untrusted_certificate_is_rejected() {
    let server = RedisServer::secured();
    let right = server.settings();
    RedisStore::connect(&right).await.expect("a connection to Redis");

    // The system does not know the test's certificate authority.
    let by_the_system = RedisSettings { ca: None, ..right.clone() };
    assert!(connect_error(&by_the_system).await.contains("UnknownIssuer"));

    let another = RedisServer::secured();
    let by_another = RedisSettings { ca: another.settings().ca, ..right.clone() };
    let body = connect_error(&by_another).await;
    assert!(body.contains("certificate"), "{body}");

    // The certificate is for 127.0.0.1.
    let by_another_name = RedisSettings { nodes: vec![("localhost".to_owned(), right.nodes[0].1)], ..right.clone() };
    let body = connect_error(&by_another_name).await;
    assert!(body.contains("not valid for name"), "{body}");

    let ca = right.ca.clone().expect("a file");
    fs::write(&ca, "no certificate").expect("a file");
    assert!(connect_error(&right).await.contains("no certificate in"));
    fs::remove_file(&ca).expect("a file");
    assert!(connect_error(&right).await.contains(&ca.display().to_string()));
}

#[tokio::test]
async fn wrong_password_is_rejected() {
    let server = RedisServer::secured();
    let right = server.settings();
    for password in [None, RedisSettings::at("redis://:guess@a").expect("a URL").password] {
        let body = connect_error(&RedisSettings { password: password.clone(), ..right.clone() }).await;
        assert!(!body.contains(password.as_ref().map_or("p@ss", Password::reveal)), "{body}");
        assert!(body.to_lowercase().contains("auth"), "{body}");
    }
}

#[tokio::test]
async fn cluster_setting_must_match_the_server() {
    let server = RedisServer::node();
    let body = connect_error(&RedisSettings { cluster: false, ..server.settings() }).await;
    assert!(body.contains("redis.cluster"), "{body}");
    let single = RedisServer::start();
    let body = connect_error(&RedisSettings { cluster: true, ..single.settings() }).await;
    assert!(body.contains("cluster support disabled"), "{body}");
}
