//! What both endpoints check of a request before the proof, and what they do if the store fails.

use async_trait::async_trait;
use dbsc::{
    ChallengeId, Dbsc, Error, MemoryStore, PublicKey, Registration, Rejection, SessionId, SessionStore, StoreError,
    StoreFailure,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::browser::{Key, config, headers, offered_challenge, register, server};

/// The rejections of both endpoints for the same change of valid headers.
async fn rejections(change: impl Fn(&mut HeaderMap)) -> [Option<Rejection>; 2] {
    let (server, key) = (server(), Key::p256(1));
    let (session, challenge) = register(&server, &key).await;
    let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
    let mut registration = headers(Some(&key.registration(&offered, "alice")), None);
    let mut refresh = headers(Some(&key.refresh(&challenge)), Some(&session));
    change(&mut registration);
    change(&mut refresh);
    let reason = |error: Error| match error {
        Error::Rejected(rejection) => rejection,
        Error::Store(error) => panic!("{error}"),
    };
    [server.register(&registration).await.err().map(reason), server.refresh(&refresh).await.err().map(reason)]
}

fn set(name: &'static str, value: &'static str) -> impl Fn(&mut HeaderMap) {
    move |headers| drop(headers.insert(name, HeaderValue::from_static(value)))
}

#[tokio::test]
async fn requests_of_the_browser_itself_pass() {
    assert_eq!(rejections(|_| ()).await, [None, None]);
    assert_eq!(rejections(set("sec-fetch-site", "same-site")).await, [None, None]);
}

#[tokio::test]
async fn requests_of_scripts_and_pages_are_rejected() {
    let rejected = [Some(Rejection::FetchMetadata); 2];
    for mode in ["cors", "same-origin", "navigate", "websocket"] {
        assert_eq!(rejections(set("sec-fetch-mode", mode)).await, rejected, "{mode}");
    }
    for site in ["cross-site", "none"] {
        assert_eq!(rejections(set("sec-fetch-site", site)).await, rejected, "{site}");
    }
    assert_eq!(rejections(set("sec-fetch-dest", "document")).await, rejected);
    for name in ["sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"] {
        assert_eq!(rejections(|headers| drop(headers.remove(name))).await, rejected, "{name}");
    }
}

#[tokio::test]
async fn other_origins_are_rejected() {
    let rejected = [Some(Rejection::Origin); 2];
    for origin in
        ["https://evil.example", "https://sub.example.com", "http://example.com", "https://example.com:8443", "null"]
    {
        assert_eq!(rejections(set("origin", origin)).await, rejected, "{origin}");
    }
    assert_eq!(rejections(|headers| drop(headers.remove("origin"))).await, rejected);
}

#[tokio::test]
async fn second_origin_is_accepted_if_configured() {
    let config = config().also_from("https://sub.example.com").expect("an origin");
    let server = Dbsc::new(config, MemoryStore::default());
    let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
    let mut headers = headers(Some(&Key::p256(1).registration(&offered, "alice")), None);
    headers.insert("origin", HeaderValue::from_static("https://sub.example.com"));
    assert!(server.register(&headers).await.is_ok());
}

#[tokio::test]
async fn fetch_metadata_may_be_absent_if_configured() {
    let server = Dbsc::new(config().without_fetch_metadata(), MemoryStore::default());
    let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
    let mut headers = headers(Some(&Key::p256(1).registration(&offered, "alice")), None);
    for name in ["sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"] {
        headers.remove(name);
    }
    assert!(server.register(&headers).await.is_ok());
}

/// A store that fails at one of its methods.
struct FailingStore {
    memory: MemoryStore,
    fails: &'static str,
}

impl FailingStore {
    fn check(&self, method: &str) -> Result<(), StoreError> {
        if self.fails == method { Err("no connection".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl SessionStore for FailingStore {
    async fn register(&self, registration: Registration<'_>) -> Result<Option<SessionId>, StoreError> {
        self.check("register")?;
        if self.fails == "refuse" { Ok(None) } else { self.memory.register(registration).await }
    }

    async fn key(&self, session: &SessionId) -> Result<Option<PublicKey>, StoreError> {
        self.check("key")?;
        self.memory.key(session).await
    }

    async fn spend_challenge(
        &self,
        challenge: ChallengeId,
        expires: std::time::SystemTime,
    ) -> Result<bool, StoreError> {
        self.check("spend_challenge")?;
        self.memory.spend_challenge(challenge, expires).await
    }
}

#[tokio::test]
async fn failing_store_answers_503() {
    for fails in ["register", "key", "spend_challenge"] {
        let server = Dbsc::new(config(), FailingStore { memory: MemoryStore::default(), fails });
        let key = Key::p256(1);
        let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
        let registration =
            server.respond_to_registration(&headers(Some(&key.registration(&offered, "alice")), None)).await;
        let session = SessionId::random();
        let refresh = server.respond_to_refresh(&headers(None, Some(&session))).await;
        let response = if fails == "key" { refresh } else { registration };
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{fails}");
        assert_eq!(response.extensions().get(), Some(&StoreFailure("no connection".into())));
    }
}

#[tokio::test]
async fn refused_authorization_is_rejected() {
    let server = Dbsc::new(config(), FailingStore { memory: MemoryStore::default(), fails: "refuse" });
    let offered = offered_challenge(&server.offer("alice").expect("ASCII"));
    let response =
        server.respond_to_registration(&headers(Some(&Key::p256(1).registration(&offered, "alice")), None)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.extensions().get(), Some(&Rejection::Authorization));
    assert!(!response.headers().contains_key("set-cookie"));
}
