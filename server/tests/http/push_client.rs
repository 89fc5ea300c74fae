//! A page and its frame, as far as they listen for what is pushed.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use p256::{NonZeroScalar, SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToSec1Point};
use protocol::{
    built_in::{PushKeys, PushStream},
    key::PublicKey,
    push::{
        AgreedKey, ConnectionId, Cursor, Envelope, Payload, Push, PushRejection, PushVerifier, Tolerance, key_info,
    },
};
use server::random::random;
use sha2::Sha256;
use tokio::time::timeout;

use crate::{TestApp, browser::Browser};

/// What a page and its frame have of a connection.
pub(crate) struct PushClient {
    secret: SecretKey,
    pub(crate) inbox: PushVerifier<Hmac<Sha256>>,
    /// Those that were agreed, the newest last.
    pub(crate) agreed: Vec<AgreedKey>,
    stream: Option<BodyDataStream>,
    pub(crate) seq: u64,
    pub(crate) cursor: Cursor,
}

impl PushClient {
    pub(crate) fn new() -> Self {
        Self {
            secret: SecretKey::from_slice(&random::<32>().unwrap()).unwrap(),
            inbox: PushVerifier::new(ConnectionId::new(random().unwrap()), Tolerance::default()),
            agreed: Vec::new(),
            stream: None,
            seq: 0,
            cursor: Cursor::default(),
        }
    }

    pub(crate) fn point(&self) -> PublicKey {
        PublicKey::from_sec1(self.secret.public_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    pub(crate) async fn agree(&mut self, app: &TestApp, browser: &mut Browser) {
        let conn = self.inbox.conn();
        let reply = browser.call(app, &PushKeys { key: self.point(), conn }).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let agreed: AgreedKey = reply.json();
        let server = p256::PublicKey::from_sec1_bytes(agreed.server_key.as_sec1()).unwrap();
        let shared = diffie_hellman(NonZeroScalar::from(&self.secret), server.as_affine());
        let info = key_info(&browser.handle, &conn, &agreed.kid, &self.point(), &agreed.server_key);
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, shared.raw_secret_bytes()).expand(&info, &mut key).unwrap();
        let mac = Hmac::new_from_slice(&key).unwrap();
        self.inbox.add_key(agreed.kid.clone(), mac, agreed.expires_at);
        self.agreed.push(agreed);
    }

    pub(crate) async fn open(app: &TestApp, browser: &mut Browser, after: Option<Cursor>) -> Self {
        let mut listener = Self::new();
        listener.agree(app, browser).await;
        listener.attach(app, browser, after).await;
        listener
    }

    /// Opens its connection.
    pub(crate) async fn attach(&mut self, app: &TestApp, browser: &mut Browser, after: Option<Cursor>) {
        let response = app.respond(browser.request(app, &self.asks(after)).build()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        browser.take_nonces(response.headers());
        self.stream = Some(response.into_body().into_data_stream());
    }

    /// The request for its connection.
    pub(crate) fn asks(&self, after: Option<Cursor>) -> PushStream {
        let kid = self.agreed[0].kid.clone();
        PushStream { conn: self.inbox.conn(), kid, key: self.point(), after, rejected: None }
    }

    /// The next frame as sent; `None` when the stream is over.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        let next = self.stream.as_mut().unwrap().next();
        let bytes = timeout(Duration::from_secs(20), next).await.expect("a frame, or the end")?.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Some(text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap().to_owned())
    }

    /// Verifies a frame as the signing frame does.
    pub(crate) fn verify(&mut self, frame: &str, now: u64) -> Result<Payload, PushRejection> {
        let envelope = Envelope::parse(frame).map_err(|_| PushRejection::Malformed)?;
        let mac = self.inbox.check(&envelope, now)?.clone();
        mac.chain_update(envelope.message())
            .verify_slice(envelope.sig.as_bytes())
            .map_err(|_| PushRejection::BadMac)?;
        self.inbox.accept(&envelope, now)?;
        Ok(serde_json::from_str(envelope.payload).unwrap())
    }

    /// The next payload, verified.
    pub(crate) async fn next(&mut self) -> Option<Push> {
        let frame = self.frame().await?;
        // At the very time at which it was signed: the clocks of these tests jump.
        let now = Envelope::parse(&frame).unwrap().ts;
        let payload = self.verify(&frame, now).expect("it holds");
        assert!(payload.id >= self.cursor);
        (self.seq, self.cursor) = (payload.seq, payload.id);
        Some(payload.push)
    }

    /// The next payload that is no telemetry.
    pub(crate) async fn news(&mut self) -> Option<Push> {
        loop {
            match self.next().await {
                Some(Push::Telemetry { .. } | Push::UserActivity { .. }) => {}
                other => return other,
            }
        }
    }
}
