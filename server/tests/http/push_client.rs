//! A push client: the page and its signing frame.

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

/// The page's and the frame's state of a connection.
pub(crate) struct PushClient {
    secret: SecretKey,
    pub(crate) verifier: PushVerifier<Hmac<Sha256>>,
    /// The agreed keys, newest last.
    pub(crate) agreed: Vec<AgreedKey>,
    stream: Option<BodyDataStream>,
    pub(crate) seq: u64,
    pub(crate) cursor: Cursor,
}

impl PushClient {
    pub(crate) fn new() -> Self {
        Self {
            secret: SecretKey::from_slice(&random::<32>().unwrap()).unwrap(),
            verifier: PushVerifier::new(ConnectionId::new(random().unwrap()), Tolerance::default()),
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
        let conn = self.verifier.conn();
        let reply = browser.call(app, &PushKeys { key: self.point(), conn }).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let agreed: AgreedKey = reply.json();
        let server = p256::PublicKey::from_sec1_bytes(agreed.server_key.as_sec1()).unwrap();
        let shared = diffie_hellman(NonZeroScalar::from(&self.secret), server.as_affine());
        let info = key_info(&browser.handle, &conn, &agreed.kid, &self.point(), &agreed.server_key);
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, shared.raw_secret_bytes()).expand(&info, &mut key).unwrap();
        let mac = Hmac::new_from_slice(&key).unwrap();
        self.verifier.add_key(agreed.kid.clone(), mac, agreed.expires_at);
        self.agreed.push(agreed);
    }

    pub(crate) async fn open(app: &TestApp, browser: &mut Browser, after: Option<Cursor>) -> Self {
        let mut client = Self::new();
        client.agree(app, browser).await;
        client.attach(app, browser, after).await;
        client
    }

    /// Opens the connection.
    pub(crate) async fn attach(&mut self, app: &TestApp, browser: &mut Browser, after: Option<Cursor>) {
        let response = app.respond(browser.request(app, &self.stream_request(after)).build()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        browser.take_nonces(response.headers());
        self.stream = Some(response.into_body().into_data_stream());
    }

    /// The request that opens the connection.
    pub(crate) fn stream_request(&self, after: Option<Cursor>) -> PushStream {
        let kid = self.agreed[0].kid.clone();
        PushStream { conn: self.verifier.conn(), kid, key: self.point(), after, rejected: None }
    }

    /// The next message as sent; `None` when the stream has ended.
    pub(crate) async fn message(&mut self) -> Option<String> {
        let next = self.stream.as_mut().unwrap().next();
        let bytes = timeout(Duration::from_secs(20), next).await.expect("a message or the end")?.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Some(text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap().to_owned())
    }

    /// Verifies a message as the signing frame does.
    pub(crate) fn verify(&mut self, message: &str, now: u64) -> Result<Payload, PushRejection> {
        let envelope = Envelope::parse(message).map_err(|_| PushRejection::Malformed)?;
        let mac = self.verifier.check(&envelope, now)?.clone();
        mac.chain_update(envelope.message())
            .verify_slice(envelope.sig.as_bytes())
            .map_err(|_| PushRejection::BadMac)?;
        self.verifier.accept(&envelope, now)?;
        Ok(serde_json::from_str(envelope.payload).unwrap())
    }

    /// The next payload, verified.
    pub(crate) async fn next(&mut self) -> Option<Push> {
        let message = self.message().await?;
        // At the time at which it was signed, because these tests set the clock.
        let now = Envelope::parse(&message).unwrap().ts;
        let payload = self.verify(&message, now).expect("a valid message");
        assert!(payload.id >= self.cursor);
        (self.seq, self.cursor) = (payload.seq, payload.id);
        Some(payload.push)
    }

    /// The next event that is not telemetry.
    pub(crate) async fn event(&mut self) -> Option<Push> {
        loop {
            match self.next().await {
                Some(Push::Telemetry { .. } | Push::UserActivity { .. }) => {}
                other => return other,
            }
        }
    }
}
