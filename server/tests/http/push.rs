//! What is pushed: signed, for one connection, in order, and over at once when the session is (attacks 18 and 20).

use std::{sync::Arc, time::Duration};

use axum::body::BodyDataStream;
use futures::StreamExt;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use p256::{NonZeroScalar, SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToSec1Point};
use protocol::{
    catalogue::{PushKeys, PushStream, ReadActivity, SignOut},
    key::PublicKey,
    problem::{Code, Ended},
    push::{AgreedKey, ConnectionId, Cursor, Envelope, KEY_INFO, Payload, Push, Security},
};
use server::{clock::random, store::memory::MemoryStore};
use sha2::Sha256;
use tokio::time::timeout;

use crate::{
    House,
    browser::{Browser, new_key},
    house, owner_still_acts, read,
};

/// What a page and its frame have of a connection.
struct Listener {
    conn: ConnectionId,
    secret: SecretKey,
    keys: Vec<(AgreedKey, Hmac<Sha256>)>,
    stream: Option<BodyDataStream>,
    seq: u64,
    cursor: Cursor,
}

impl Listener {
    fn new() -> Self {
        Self {
            conn: ConnectionId::new(random().unwrap()),
            secret: SecretKey::from_slice(&random::<32>().unwrap()).unwrap(),
            keys: Vec::new(),
            stream: None,
            seq: 0,
            cursor: Cursor::default(),
        }
    }

    fn point(&self) -> PublicKey {
        PublicKey::from_sec1(self.secret.public_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    async fn agree(&mut self, house: &House, browser: &mut Browser) {
        let reply = browser.call(house, &PushKeys { key: self.point(), conn: self.conn }).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let agreed: AgreedKey = reply.json();
        let server = p256::PublicKey::from_sec1_bytes(agreed.server_key.as_sec1()).unwrap();
        let shared = diffie_hellman(NonZeroScalar::from(&self.secret), server.as_affine());
        let mut info = format!("{KEY_INFO}\0{}\0{}\0{}\0", browser.handle, self.conn, agreed.kid).into_bytes();
        info.extend_from_slice(self.point().as_sec1());
        info.extend_from_slice(agreed.server_key.as_sec1());
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, shared.raw_secret_bytes()).expand(&info, &mut key).unwrap();
        self.keys.push((agreed, Hmac::new_from_slice(&key).unwrap()));
    }

    async fn open(house: &House, browser: &mut Browser, after: Option<Cursor>) -> Self {
        let mut listener = Self::new();
        listener.agree(house, browser).await;
        let signed = browser.request(house, &PushStream { conn: listener.conn, after });
        let response = house.respond(signed.build()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        browser.take_nonces(response.headers());
        listener.stream = Some(response.into_body().into_data_stream());
        listener
    }

    /// The next frame as sent; `None` when the stream is over.
    async fn frame(&mut self) -> Option<String> {
        let next = self.stream.as_mut().unwrap().next();
        let bytes = timeout(Duration::from_secs(20), next).await.expect("a frame, or the end")?.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Some(text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap().to_owned())
    }

    /// The next payload, verified as the frame does.
    async fn next(&mut self) -> Option<Push> {
        let frame = self.frame().await?;
        let envelope = Envelope::parse(&frame).unwrap();
        let (_, key) = self.keys.iter().find(|(agreed, _)| agreed.kid == envelope.kid).expect("a known key");
        let mut mac = key.clone();
        mac.update(&envelope.message());
        mac.verify_slice(envelope.sig.as_bytes()).expect("the signature holds");
        let payload: Payload = serde_json::from_str(envelope.payload).unwrap();
        assert_eq!((payload.conn, payload.seq), (self.conn, self.seq + 1), "{frame}");
        assert!(payload.id >= self.cursor);
        (self.seq, self.cursor) = (payload.seq, payload.id);
        Some(payload.push)
    }

    /// The next payload that is no telemetry.
    async fn news(&mut self) -> Option<Push> {
        loop {
            match self.next().await {
                Some(Push::Tm { .. } | Push::Ua { .. }) => {}
                other => return other,
            }
        }
    }
}

fn activity(browser: &Browser, action: &str) -> Push {
    Push::Activity { action: action.to_owned(), session: Some(browser.handle), note: "Grüße \"ä\"".to_owned() }
}

#[tokio::test]
async fn what_is_published_reaches_every_page_of_its_user_and_nobody_else() {
    let house = house();
    let (mut ada, mut bob) = (house.browser("ada").await, house.browser("bob").await);
    let mut pages = Vec::new();
    for browser in [&mut ada, &mut bob] {
        for _ in 0..2 {
            let mut page = Listener::open(&house, browser, None).await;
            assert_eq!(page.next().await, Some(Push::Hb { latest: 0 }));
            pages.push(page);
        }
    }
    for action in ["one", "two"] {
        house.pan.publish(&"ada".parse().unwrap(), activity(&ada, action)).await;
        house.pan.publish(&"bob".parse().unwrap(), activity(&bob, action)).await;
    }
    for (page, browser) in pages.iter_mut().zip([&ada, &ada, &bob, &bob]) {
        for action in ["one", "two"] {
            assert_eq!(page.news().await, Some(activity(browser, action)));
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_where_it_was() {
    let house = house();
    let mut ada = house.browser("ada").await;
    let user = "ada".parse().unwrap();
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    house.pan.publish(&user, activity(&ada, "seen")).await;
    assert_eq!(page.news().await, Some(activity(&ada, "seen")));
    let cursor = page.cursor;
    drop(page);
    house.pan.publish(&user, activity(&ada, "missed")).await;
    house.pan.publish(&"bob".parse().unwrap(), activity(&ada, "of somebody else")).await;
    house.pan.publish(&user, activity(&ada, "missed too")).await;
    let mut page = Listener::open(&house, &mut ada, Some(cursor)).await;
    assert_eq!(page.next().await, Some(Push::Hb { latest: 0 }));
    for action in ["missed", "missed too"] {
        assert_eq!(page.news().await, Some(activity(&ada, action)));
    }
    house.pan.publish(&user, activity(&ada, "live")).await;
    assert_eq!(page.news().await, Some(activity(&ada, "live")));

    // A place that the log does not know: everything must be asked for anew.
    let mut page = Listener::open(&house, &mut ada, Some(Cursor { ms: 7, n: 7 })).await;
    assert_eq!(page.next().await, Some(Push::Reset {}));
}

#[tokio::test]
async fn more_than_there_is_room_for_is_a_reset() {
    let house = house();
    let (mut ada, mut bob) = (house.browser("ada").await, house.browser("bob").await);
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    let cursor = page.cursor;
    drop(page);
    let mut last = Listener::open(&house, &mut bob, None).await;
    last.next().await;
    for _ in 0..101 {
        house.pan.publish(&"ada".parse().unwrap(), activity(&ada, "missed")).await;
    }
    house.pan.publish(&"bob".parse().unwrap(), activity(&bob, "all of them are in the log")).await;
    assert!(last.news().await.is_some());
    let mut page = Listener::open(&house, &mut ada, Some(cursor)).await;
    assert_eq!(page.next().await, Some(Push::Reset {}));
}

#[tokio::test]
async fn a_new_key_signs_from_the_moment_it_is_agreed_and_nothing_is_lost() {
    let house = house();
    let mut ada = house.browser("ada").await;
    let user = "ada".parse().unwrap();
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    house.pan.publish(&user, activity(&ada, "before")).await;
    assert_eq!(page.news().await, Some(activity(&ada, "before")));
    let first = page.keys[0].0.kid.clone();
    page.agree(&house, &mut ada).await;
    house.pan.publish(&user, activity(&ada, "after")).await;
    let mut last = String::new();
    while !last.contains("after") {
        last = page.frame().await.unwrap();
    }
    let kid = Envelope::parse(&last).unwrap().kid;
    assert!(kid != first && kid == page.keys[1].0.kid, "{last}");
}

#[tokio::test]
async fn the_next_key_is_asked_for_in_time_and_an_expired_one_ends_the_connection() {
    let house = house();
    let mut ada = house.browser("ada").await;
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    let expires = page.keys[0].0.expires_at;
    house.wait(479_000);
    house.pan.publish(&"ada".parse().unwrap(), activity(&ada, "early")).await;
    assert_eq!(page.news().await, Some(activity(&ada, "early")));
    house.wait(1_000);
    house.pan.publish(&"ada".parse().unwrap(), activity(&ada, "late")).await;
    assert_eq!(page.news().await, Some(Push::Rekey { expires }));
    assert_eq!(page.news().await, Some(activity(&ada, "late")));
    house.wait(120_000);
    house.pan.publish(&"ada".parse().unwrap(), activity(&ada, "too late")).await;
    assert_eq!(page.news().await, None);
}

#[tokio::test]
async fn attack_18_a_connection_is_over_at_once_when_its_session_is() {
    let house = house();
    let (mut ada, mut elsewhere) = (house.browser("ada").await, house.browser("ada").await);
    let mut page = Listener::open(&house, &mut ada, None).await;
    let mut other = Listener::open(&house, &mut elsewhere, None).await;
    other.next().await;
    page.next().await;
    assert_eq!(ada.call(&house, &SignOut {}).await.status, StatusCode::OK);
    assert_eq!(page.news().await, None);
    // The user's other pages hear of it, and go on.
    let ended = Security::Ended { session: ada.handle, why: Ended::SignedOut };
    assert_eq!(other.news().await, Some(Push::Security(ended)));
}

#[tokio::test]
async fn a_theft_signal_and_a_new_sign_in_reach_the_owner() {
    let house = house();
    let mut ada = house.browser("ada").await;
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    let thief = Browser { key: new_key(), ..ada.clone() };
    let request =
        thief.sign::<ReadActivity>(house.now() / 1000, protocol::token::Nonce::new([1; 16]), "{}".into(), None);
    assert_eq!(house.send(request.build()).await.code(), Code::UseFreshNonce);
    let theft = Security::Theft { session: ada.handle, times: 1 };
    assert_eq!(page.news().await, Some(Push::Security(theft)));
    let second = house.browser("ada").await;
    let Some(Push::Security(Security::SignedIn { session, .. })) = page.news().await else { panic!("no sign-in") };
    assert_eq!(session, second.handle);
}

#[tokio::test]
async fn attack_20_nobody_opens_anothers_connection_or_one_without_a_key() {
    let house = house();
    let (mut ada, mut bob) = (house.browser("ada").await, house.browser("bob").await);
    let mut page = Listener::new();
    page.agree(&house, &mut ada).await;
    for conn in [page.conn, ConnectionId::new([7; 16])] {
        let reply = bob.call(&house, &PushStream { conn, after: None }).await;
        assert_eq!(reply.code(), Code::Malformed);
    }
    // Nor does it take the key of one that is open.
    let open = Listener::open(&house, &mut ada, None).await;
    let reply = bob.call(&house, &PushKeys { key: page.point(), conn: open.conn }).await;
    assert_eq!(reply.code(), Code::Malformed);
    let off_curve = PublicKey::from_sec1(&[4; 65]).unwrap();
    let reply = bob.call(&house, &PushKeys { key: off_curve, conn: ConnectionId::new([8; 16]) }).await;
    assert_eq!(reply.code(), Code::Malformed);
    owner_still_acts(&house, &mut ada).await;
}

#[tokio::test]
async fn keys_and_connections_are_limited() {
    let house = house();
    let mut ada = house.browser("ada").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Listener::open(&house, &mut ada, None).await);
    }
    let ninth = PushKeys { key: open[0].point(), conn: ConnectionId::new([9; 16]) };
    assert_eq!(ada.call(&house, &ninth).await.code(), Code::RateLimited, "as many connections as a session may have");
    drop(open);
    house.wait(60_001);
    ada.refill(&house).await;
    let mut listener = Listener::new();
    // Other tasks close what was dropped.
    while house.pan.push_connections() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        listener.agree(&house, &mut ada).await;
    }
    let reply = ada.call(&house, &PushKeys { key: listener.point(), conn: listener.conn }).await;
    assert_eq!(reply.code(), Code::RateLimited);
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(ada.call(&house, &read()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn no_page_is_told_faster_than_the_limit() {
    let house = House::new(Arc::new(MemoryStore::new()));
    let mut ada = house.browser("ada").await;
    let mut page = Listener::open(&house, &mut ada, None).await;
    page.next().await;
    for number in 0..14 {
        house.pan.publish(&"ada".parse().unwrap(), activity(&ada, &number.to_string())).await;
    }
    // Ten frames at once, the first one included; then one a second. In order, and none is lost.
    let began = tokio::time::Instant::now();
    for number in 0..11 {
        assert_eq!(page.news().await, Some(activity(&ada, &number.to_string())));
    }
    // The clock of this test only moves while everybody waits. Telemetry counts as well.
    assert_eq!(began.elapsed().as_secs(), page.seq - 10);
}
