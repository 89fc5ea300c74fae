//! Push messages are signed, for one connection and in order, and the connection closes when the session ends (attacks 18
//! and 20).

use base64ct::Encoding;
use http::StatusCode;
use protocol::{
    built_in::{PushKeys, PushStream, ReadActivity, SignOut},
    key::PublicKey,
    problem::{Code, Ended, Problem},
    push::{ConnectionId, Cursor, Envelope, Push, Security},
};
use server::{
    settings::{Lifetimes, PushSettings, Secret, Settings},
    store::Stores,
};

use crate::{
    TestApp, app,
    browser::{Browser, new_key},
    owner_still_acts,
    push_client::PushClient,
    read,
};

fn activity(browser: &Browser, action: &str) -> Push {
    Push::Activity { action: action.to_owned(), session: Some(browser.handle), note: "Grüße \"ä\"".to_owned() }
}

#[tokio::test]
async fn event_reaches_only_its_users_pages() {
    let app = app();
    let (mut ada, mut bob) = (app.browser("ada").await, app.browser("bob").await);
    let mut pages = Vec::new();
    for browser in [&mut ada, &mut bob] {
        for _ in 0..2 {
            let mut page = PushClient::open(&app, browser, None).await;
            assert_eq!(page.next().await, Some(Push::Heartbeat { latest: 0 }));
            pages.push(page);
        }
    }
    for action in ["one", "two"] {
        app.server.publish(&"ada".parse().unwrap(), activity(&ada, action)).await;
        app.server.publish(&"bob".parse().unwrap(), activity(&bob, action)).await;
    }
    for (page, browser) in pages.iter_mut().zip([&ada, &ada, &bob, &bob]) {
        for action in ["one", "two"] {
            assert_eq!(page.event().await, Some(activity(browser, action)));
        }
    }
}

#[tokio::test]
async fn page_resumes_at_its_cursor() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let user = "ada".parse().unwrap();
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    app.server.publish(&user, activity(&ada, "seen")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "seen")));
    let cursor = page.cursor;
    drop(page);
    app.server.publish(&user, activity(&ada, "missed")).await;
    app.server.publish(&"bob".parse().unwrap(), activity(&ada, "of another user")).await;
    app.server.publish(&user, activity(&ada, "missed too")).await;
    let mut page = PushClient::open(&app, &mut ada, Some(cursor)).await;
    assert_eq!(page.next().await, Some(Push::Heartbeat { latest: 0 }));
    for action in ["missed", "missed too"] {
        assert_eq!(page.event().await, Some(activity(&ada, action)));
    }
    app.server.publish(&user, activity(&ada, "live")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "live")));

    // A cursor that the log does not have: the page must reload its data.
    let mut page = PushClient::open(&app, &mut ada, Some(Cursor { ms: 7, n: 7 })).await;
    assert_eq!(page.next().await, Some(Push::Reset {}));
}

#[tokio::test]
async fn overflowing_backlog_causes_a_reset() {
    let app = app();
    let (mut ada, mut bob) = (app.browser("ada").await, app.browser("bob").await);
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    let cursor = page.cursor;
    drop(page);
    let mut last = PushClient::open(&app, &mut bob, None).await;
    last.next().await;
    for _ in 0..101 {
        app.server.publish(&"ada".parse().unwrap(), activity(&ada, "missed")).await;
    }
    app.server.publish(&"bob".parse().unwrap(), activity(&bob, "all of them are in the log")).await;
    assert!(last.event().await.is_some());
    let mut page = PushClient::open(&app, &mut ada, Some(cursor)).await;
    assert_eq!(page.next().await, Some(Push::Reset {}));
}

#[tokio::test]
async fn rekeying_loses_no_messages() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let user = "ada".parse().unwrap();
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    app.server.publish(&user, activity(&ada, "before")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "before")));
    let first = page.agreed[0].kid.clone();
    page.agree(&app, &mut ada).await;
    app.server.publish(&user, activity(&ada, "after")).await;
    let mut last = String::new();
    while !last.contains("after") {
        last = page.message().await.unwrap();
    }
    let kid = Envelope::parse(&last).unwrap().kid;
    assert!(kid != first && kid == page.agreed[1].kid, "{last}");
}

#[tokio::test]
async fn expired_push_key_closes_the_connection() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    let expires = page.agreed[0].expires_at;
    app.wait(479_000);
    app.server.publish(&"ada".parse().unwrap(), activity(&ada, "early")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "early")));
    app.wait(1_000);
    app.server.publish(&"ada".parse().unwrap(), activity(&ada, "late")).await;
    assert_eq!(page.event().await, Some(Push::Rekey { expires }));
    assert_eq!(page.event().await, Some(activity(&ada, "late")));
    app.wait(120_000);
    app.server.publish(&"ada".parse().unwrap(), activity(&ada, "too late")).await;
    assert_eq!(page.event().await, None);
}

#[tokio::test]
async fn attack_18_ended_session_closes_connection_at_once() {
    let app = app();
    let (mut ada, mut elsewhere) = (app.browser("ada").await, app.browser("ada").await);
    let mut page = PushClient::open(&app, &mut ada, None).await;
    let mut other = PushClient::open(&app, &mut elsewhere, None).await;
    other.next().await;
    page.next().await;
    assert_eq!(ada.call(&app, &SignOut {}).await.status, StatusCode::OK);
    assert_eq!(page.event().await, None);
    // The user's other pages receive the event and stay connected.
    let ended = Security::Ended { session: ada.handle, why: Ended::SignedOut };
    assert_eq!(other.event().await, Some(Push::Security(ended)));
}

#[tokio::test]
async fn attack_18_idle_timeout_closes_connection() {
    let lifetimes = Lifetimes { idle: 400, ..Lifetimes::default() };
    let app = TestApp::with(Stores::memory(), Settings { lifetimes, ..Settings::default() });
    let (mut ada, mut bob) = (app.browser("ada").await, app.browser("bob").await);
    let mut idle = PushClient::open(&app, &mut ada, None).await;
    let mut busy = PushClient::open(&app, &mut bob, None).await;
    idle.next().await;
    busy.next().await;
    app.wait(200_000);
    assert_eq!(bob.call(&app, &read()).await.status, StatusCode::OK);
    // Renewing a push key does not reset the idle timeout.
    idle.agree(&app, &mut ada).await;
    // Both first keys are still valid.
    app.wait(250_000);
    for (name, browser, page, is_over) in [("ada", &ada, &mut idle, true), ("bob", &bob, &mut busy, false)] {
        app.server.publish(&name.parse().unwrap(), activity(browser, "late")).await;
        assert_eq!(page.event().await, (!is_over).then(|| activity(browser, "late")));
    }
}

/// The end of a session is usually an event. Here the event is missing.
#[tokio::test]
async fn attack_18_missed_end_closes_connection_in_a_minute() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    let user = "ada".parse().unwrap();
    assert!(app.server.stores().sessions.end(&ada.handle, &user, Ended::Revoked, app.now()).await.unwrap());
    app.wait(60_001);
    app.server.publish(&user, activity(&ada, "late")).await;
    assert_eq!(page.event().await, None);
}

#[tokio::test]
async fn servers_with_same_root_share_push_keys() {
    let stores = Stores::memory();
    let secret = Secret::parse(&base64ct::Base64::encode_string(&[5; 32])).unwrap();
    let shared =
        || Settings { push: PushSettings { secret: Some(secret.clone()), ..Default::default() }, ..Default::default() };
    let [one, other] = [(); 2].map(|()| TestApp::with(stores.clone(), shared()));
    let mut ada = one.browser("ada").await;
    let mut page = PushClient::new();
    page.agree(&one, &mut ada).await;
    page.attach(&other, &mut ada, None).await;
    assert_eq!(page.next().await, Some(Push::Heartbeat { latest: 0 }));
    one.server.publish(&"ada".parse().unwrap(), activity(&ada, "published at one, received at the other")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "published at one, received at the other")));

    // The next key is agreed with the first server. The second one keeps signing with the old key, which stays valid.
    page.agree(&one, &mut ada).await;
    for app in [&one, &other] {
        app.wait(30_000);
    }
    one.server.publish(&"ada".parse().unwrap(), activity(&ada, "still under the first key")).await;
    assert_eq!(page.event().await, Some(activity(&ada, "still under the first key")));
    ada.issue_nonces(&one).await;

    // A server with another root rejects the key.
    let stranger = TestApp::new(stores);
    let mut page = PushClient::new();
    page.agree(&one, &mut ada).await;
    assert_eq!(ada.call(&stranger, &page.stream_request(None)).await.code(), Code::Malformed);
}

#[tokio::test]
async fn theft_and_new_sign_in_reach_the_owner() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    let thief = Browser { key: new_key(), ..ada.clone() };
    let request = thief.sign::<ReadActivity>(app.now() / 1000, protocol::token::Nonce::new([1; 16]), "{}".into(), None);
    assert_eq!(app.send(request.build()).await.code(), Code::UseFreshNonce);
    let theft = Security::Theft { session: ada.handle, times: 1 };
    assert_eq!(page.event().await, Some(Push::Security(theft)));
    let second = app.browser("ada").await;
    let Some(Push::Security(Security::SignedIn { session, .. })) = page.event().await else { panic!("no sign-in") };
    assert_eq!(session, second.handle);
}

#[tokio::test]
async fn attack_20_foreign_connection_cannot_be_opened() {
    let app = app();
    let (mut ada, mut bob) = (app.browser("ada").await, app.browser("bob").await);
    let mut page = PushClient::new();
    page.agree(&app, &mut ada).await;
    let request = page.stream_request(None);
    let reply =
        ada.call(&app, &PushStream { kid: "pan.BBBBBBBBBBBBBBBBBBBBBA".parse().unwrap(), ..request.clone() }).await;
    assert_eq!(reply.code(), Code::Malformed, "a key that was never agreed");
    // The ID of an open connection is rejected.
    let open = PushClient::open(&app, &mut ada, None).await;
    let reply = bob.call(&app, &PushKeys { key: page.point(), conn: open.verifier.conn() }).await;
    assert_eq!(reply.code(), Code::Malformed);
    let off_curve = PublicKey::from_sec1(&[4; 65]).unwrap();
    let reply = bob.call(&app, &PushKeys { key: off_curve, conn: ConnectionId::new([8; 16]) }).await;
    assert_eq!(reply.code(), Code::Malformed);
    owner_still_acts(&app, &mut ada).await;
}

#[tokio::test]
async fn keys_and_connections_are_limited() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(PushClient::open(&app, &mut ada, None).await);
    }
    let ninth = PushKeys { key: open[0].point(), conn: ConnectionId::new([9; 16]) };
    let reply = ada.call(&app, &ninth).await;
    assert_eq!(reply.code(), Code::RateLimited, "the limit of connections per session");
    assert_eq!(
        (&reply.headers["retry-after"], reply.json::<Problem>().retry_after),
        (&"20".parse().unwrap(), Some(20))
    );
    drop(open);
    app.wait(60_001);
    ada.issue_nonces(&app).await;
    let mut client = PushClient::new();
    // Other tasks close the dropped connections.
    while app.server.push_connections() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        client.agree(&app, &mut ada).await;
    }
    let reply = ada.call(&app, &PushKeys { key: client.point(), conn: client.verifier.conn() }).await;
    assert_eq!(reply.code(), Code::RateLimited);
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(ada.call(&app, &read()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn push_messages_are_rate_limited() {
    let app = TestApp::new(Stores::memory());
    let mut ada = app.browser("ada").await;
    let mut page = PushClient::open(&app, &mut ada, None).await;
    page.next().await;
    for number in 0..14 {
        app.server.publish(&"ada".parse().unwrap(), activity(&ada, &number.to_string())).await;
    }
    // Ten messages at once, including the first one, then one per second. In order, and none is lost.
    let began = tokio::time::Instant::now();
    for number in 0..11 {
        assert_eq!(page.event().await, Some(activity(&ada, &number.to_string())));
    }
    // Tokio advances the paused clock only while every task waits. Telemetry counts too.
    assert_eq!(began.elapsed().as_secs(), page.seq - 10);
}

/// A user with many sessions leaves room for others.
#[tokio::test]
async fn connections_and_resumes_are_limited_by_user() {
    let push = PushSettings { connections_per_user: 3, resumes_per_minute_and_user: 2, ..PushSettings::default() };
    let app = TestApp::with(Stores::memory(), Settings { push, ..Settings::default() });
    let (mut one, mut two, mut bob) = (app.browser("ada").await, app.browser("ada").await, app.browser("bob").await);
    let mut open = vec![PushClient::open(&app, &mut one, None).await];
    for _ in 0..2 {
        open.push(PushClient::open(&app, &mut two, None).await);
    }
    let fourth = PushKeys { key: open[0].point(), conn: ConnectionId::new([9; 16]) };
    assert_eq!(one.call(&app, &fourth).await.code(), Code::RateLimited);
    open.push(PushClient::open(&app, &mut bob, None).await);
    drop(open);
    while app.server.push_connections() > 0 {
        tokio::task::yield_now().await;
    }
    let cursor = Some(Cursor { ms: 7, n: 7 });
    for browser in [&mut one, &mut two] {
        drop(PushClient::open(&app, browser, cursor).await);
    }
    let mut third = PushClient::new();
    third.agree(&app, &mut one).await;
    let reply = one.call(&app, &third.stream_request(cursor)).await;
    assert_eq!((reply.code(), reply.json::<Problem>().retry_after), (Code::RateLimited, Some(60)));
    drop(PushClient::open(&app, &mut one, None).await);
    drop(PushClient::open(&app, &mut bob, cursor).await);
}
