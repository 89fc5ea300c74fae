//! Several app instances share one Redis: a nonce that is spent, a session that is ended or a request that is counted at one
//! instance is so at all. Also the number of Redis commands per request.

use std::sync::LazyLock;

use http::StatusCode;
use protocol::{
    built_in::{Revoke, SignOut},
    problem::Code,
    push::{Push, Security},
};
use server::store::redis::RedisStore;
use tokio::task::JoinSet;

use crate::{TestApp, browser::Reply, order, push_client::PushClient, read, redis_server::RedisServer, rename};

/// Started once. Ends with the tests.
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

async fn instance(server: &RedisServer) -> TestApp {
    TestApp::new(RedisStore::connect(&server.settings()).await.unwrap().into())
}

async fn two() -> [TestApp; 2] {
    [instance(&SERVER).await, instance(&SERVER).await]
}

fn accepted(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.status == StatusCode::OK).count()
}

#[tokio::test]
async fn session_opens_across_instances() {
    let [one, other] = two().await;
    let mut browser = one.signed_in("opened-here").await;
    assert_eq!(browser.enter(&other).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&one).await.status, StatusCode::OK);
    for app in [&one, &other, &one] {
        assert_eq!(browser.call(app, &read()).await.status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonce_is_spent_once_across_instances() {
    let apps = two().await;
    let mut browser = apps[0].browser("everywhere").await;
    for _ in 0..3 {
        let signed = browser.request(&apps[0], &read());
        let mut sending = JoinSet::new();
        for at in 0..100 {
            let (app, request) = (apps[at % 2].clone(), signed.build());
            sending.spawn(async move { app.send(request).await });
        }
        let replies = sending.join_all().await;
        assert_eq!(accepted(&replies), 1);
        let refused = replies.iter().filter(|reply| reply.status != StatusCode::OK);
        assert!(refused.map(Reply::code).all(|code| code == Code::NonceUsed));
    }
}

#[tokio::test]
async fn ended_session_is_rejected_by_other_instance() {
    let [one, other] = two().await;
    let mut leaving = one.browser("leaving").await;
    let kept = leaving.request(&other, &read());
    assert_eq!(leaving.call(&one, &SignOut {}).await.status, StatusCode::OK);
    assert_eq!(other.send(kept.build()).await.code(), Code::InvalidSession);

    let mut owner = one.browser("owner").await;
    let mut stolen = other.browser("owner").await;
    assert_eq!(stolen.call(&other, &read()).await.status, StatusCode::OK);
    assert!(owner.call(&one, &Revoke { session: stolen.handle }).await.json::<bool>());
    assert_eq!(stolen.call(&other, &read()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn attack_18_end_at_other_instance_closes_connection() {
    let [one, other] = two().await;
    let mut owner = one.browser("watched").await;
    let mut stolen = other.browser("watched").await;
    let mut page = PushClient::open(&other, &mut stolen, None).await;
    page.next().await;
    assert!(owner.call(&one, &Revoke { session: stolen.handle }).await.json::<bool>());
    // The event of its own sign-in may come first.
    while let Some(push) = page.event().await {
        assert!(matches!(push, Push::Security(Security::SignedIn { .. })), "{push:?}");
    }
}

#[tokio::test]
async fn limit_holds_across_instances() {
    let apps = two().await;
    let mut browser = apps[0].browser("busy").await;
    for at in 0..60 {
        assert_eq!(browser.call(&apps[at % 2], &rename()).await.status, StatusCode::OK, "{at}");
    }
    let limited = browser.request(&apps[1], &rename());
    for app in &apps {
        assert_eq!(app.send(limited.build()).await.code(), Code::RateLimited);
    }
}

/// The claim of docs/PROTOCOL.md §7: one store round trip for a verified request, whatever its level.
#[tokio::test]
async fn verified_request_is_one_redis_command() {
    // A separate server, so that other tests send nothing to it.
    let server = RedisServer::start();
    let app = instance(&server).await;
    let mut browser = app.browser("frugal").await;
    app.server.flush().await;

    let watch = server.watch();
    let replies =
        [browser.call(&app, &read()).await, browser.call(&app, &rename()).await, browser.call(&app, &order()).await];
    assert_eq!(accepted(&replies), 3, "{replies:?}");
    app.server.flush().await;
    let sent = watch.stop();
    // Other tasks write the audit log and read the event log. No response waits for them.
    let commands = sent.iter().filter(|command| !command.contains("\"push:{news}\""));
    let (audit, commands): (Vec<_>, Vec<_>) = commands.partition(|command| command.contains("\"audit:{log}"));
    // The outcome of a change is recorded after its handler.
    let (outcomes, requests): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| command.contains("\"outcome:{"));
    assert_eq!(outcomes.len(), 2, "{outcomes:#?}");
    assert_eq!(requests.len(), 3, "{requests:#?}");
    assert!(
        requests.iter().all(|command| command.starts_with("\"EVALSHA\"") && command.contains("\"authorize_request\"")),
        "{requests:#?}"
    );
    assert!((1..=3).contains(&audit.len()), "{audit:#?}");
}
