//! Each store trait can have a different store: here sessions are in Redis and all other data is in memory.

use http::StatusCode;
use redis::cmd;
use server::{
    settings::Settings,
    store::{RecordKey, Stores, memory::MemoryStore, redis::RedisStore},
};

use crate::{TestApp, browser::PASSWORD, read, redis_server::RedisServer};

#[tokio::test]
async fn sessions_in_redis_work_with_records_in_memory() {
    let server = RedisServer::start();
    let connect = async || RedisStore::connect(&server.settings()).await.unwrap();
    let memory = Stores::from(MemoryStore::new());
    let stores = Stores { sessions: Stores::from(connect().await).sessions, ..memory.clone() };
    let app = TestApp::with(stores, Settings::default());

    // Registration, sign-in, entering, binding and a verified request.
    let mut first = app.browser("ada").await;
    assert_eq!(first.call(&app, &read()).await.status, StatusCode::OK);
    let mut browser = crate::Browser::new();
    let signed_in = browser.post(&app, "/sign-in", "ada", PASSWORD).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{signed_in:?}");
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    let reply = browser.call(&app, &read()).await;
    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, &b"ada"[..]));

    // The account and the application's record are in memory. Redis has only the sessions.
    let keys = ["account:ada", "balance:ada"].map(|key| RecordKey(key.to_owned()));
    assert!(memory.records.read(&keys).await.unwrap().iter().all(Option::is_some));
    let found: Vec<String> = cmd("KEYS").arg("*").query(&mut server.aside()).unwrap();
    let kinds = ["session:", "nonces:", "spent:", "sessions:"];
    assert!(found.iter().all(|key| kinds.iter().any(|kind| key.starts_with(kind))), "{found:?}");
    assert_eq!(found.iter().filter(|key| key.starts_with("session:")).count(), 2);

    // Another server with the same sessions and no records verifies requests, but cannot sign a user in.
    let other = TestApp::new(Stores { sessions: Stores::from(connect().await).sessions, ..Stores::memory() });
    assert_eq!(browser.call(&other, &read()).await.status, StatusCode::OK);
    let rejected = crate::Browser::new().post(&other, "/sign-in", "ada", PASSWORD).await;
    assert_eq!(rejected.status, StatusCode::UNAUTHORIZED, "{rejected:?}");
}
