//! A browser in plain Rust: signs in, enters, binds a frame key, signs requests. Tests can change every header.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use p256::ecdsa::{Signature as P256Signature, SigningKey, signature::Signer};
use protocol::{
    action::{Action, Level},
    built_in::{Nonces, PushKeys},
    digest::ContentDigest,
    key::{KeyThumbprint, PublicKey},
    message::header as name,
    problem::{Code, Problem},
    proof::{self, Kind, Proof, Recorder},
    sign_origin::{
        Bind, Bound, Challenged, Password, SignIn, SignedIn, bind_statement, enter_statement, sign_in_statement,
    },
    signature::{Covered, Signature, SignatureInput},
    token::{Challenge, EntryTicket, Nonce, SessionHandle, SessionToken},
};
use server::random::random;

use crate::TestApp;

pub(crate) fn new_key() -> SigningKey {
    loop {
        if let Ok(key) = SigningKey::from_slice(&random::<32>().expect("randomness")) {
            return key;
        }
    }
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_sec1(key.verifying_key().to_sec1_point(false).as_bytes()).expect("a point")
}

pub(crate) fn sign(key: &SigningKey, message: &str) -> Signature {
    let signature: P256Signature = key.sign(message.as_bytes());
    Signature::from_p1363(&signature.to_bytes()).expect("64 bytes")
}

pub(crate) fn from_app(path: &str) -> http::request::Builder {
    Request::post(path)
        .header(header::HOST, "pan.localhost:3000")
        .header(header::ORIGIN, "http://pan.localhost:3000")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/json")
}

pub(crate) fn from_frame(path: &str) -> http::request::Builder {
    Request::post(path)
        .header(header::HOST, "sign.pan.localhost:3000")
        .header(header::ORIGIN, "http://sign.pan.localhost:3000")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/json")
}

/// The form that the sign-in page posts to the app origin.
pub(crate) fn enter_form(form: String) -> Request<Body> {
    Request::post("/enter")
        .header(header::HOST, "pan.localhost:3000")
        .header(header::ORIGIN, "http://sign.pan.localhost:3000")
        .header("sec-fetch-site", "same-site")
        .header("sec-fetch-mode", "navigate")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into())
        .expect("a request")
}

/// The password of every test user.
pub(crate) const PASSWORD: &str = "vT9#plover-quartz-41";

/// One user's browser: cookies, keys and nonces.
#[derive(Clone)]
pub(crate) struct Browser {
    /// The app origin's cookie: name and value.
    pub session: String,
    /// The sign origin's cookie: name and value.
    pub sign: String,
    /// The sign origin's cookie of known devices: name and value.
    pub known: String,
    pub address: IpAddr,
    pub handle: SessionHandle,
    pub ticket: Option<EntryTicket>,
    /// The frame key.
    pub key: SigningKey,
    pub confirmation: SigningKey,
    pub nonces: Vec<Nonce>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self {
            session: String::new(),
            sign: String::new(),
            known: String::new(),
            address: Ipv4Addr::new(192, 0, 2, 1).into(),
            handle: SessionToken::new([0; 32]).handle(),
            ticket: None,
            key: new_key(),
            confirmation: new_key(),
            nonces: Vec::new(),
        }
    }

    /// The body of `POST /sign-in` and `POST /register`.
    pub(crate) fn credentials(&self, challenge: Challenge, user: &str, password: &str) -> SignIn {
        let key = public(&self.confirmation);
        let statement = sign_in_statement("sign.pan.localhost:3000", &challenge, &key.thumbprint());
        SignIn {
            user: user.parse().expect("a user name"),
            password: Password::new(password.to_owned()),
            jwk: key.to_jwk(),
            challenge,
            signature: sign(&self.confirmation, &statement),
        }
    }

    /// Posts credentials to `/sign-in` or `/register`. Stores ticket and cookie.
    pub(crate) async fn post(&mut self, app: &TestApp, path: &str, user: &str, password: &str) -> Reply {
        let body = serde_json::to_vec(&self.credentials(self.challenge(app).await, user, password)).expect("JSON");
        let reply = self.send_from_frame(app, path, body).await;
        if reply.status == StatusCode::OK {
            let ticket = reply.json::<SignedIn>().ticket;
            self.handle = ticket.token().handle();
            self.ticket = Some(ticket);
            [self.sign, self.known] = reply.cookies().try_into().expect("two cookies");
        }
        reply
    }

    /// Sends a request of the sign origin's pages with its cookies.
    pub(crate) async fn send_from_frame(&self, app: &TestApp, path: &str, body: Vec<u8>) -> Reply {
        let cookies = [self.sign.as_str(), &self.known].join("; ");
        let request = from_frame(path).header(header::COOKIE, cookies).body(body.into());
        self.send(app, request.expect("a request")).await
    }

    /// Sends a request from the browser's address.
    async fn send(&self, app: &TestApp, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((self.address, 4000))));
        app.send(request).await
    }

    /// The fields of the form that enters the app origin and returns to this path.
    pub(crate) fn form(&self, return_path: &str) -> Vec<(&'static str, String)> {
        let statement = enter_statement("pan.localhost:3000", &self.handle, return_path);
        vec![
            ("ticket", self.ticket.as_ref().expect("a ticket").reveal()),
            ("signature", sign(&self.confirmation, &statement).to_string()),
            ("return", return_path.to_owned()),
        ]
    }

    /// Enters the app origin. Stores the cookie.
    pub(crate) async fn enter(&mut self, app: &TestApp) -> Reply {
        let mut request = enter_form(encoded(&self.form("/account")));
        request.headers_mut().insert(header::COOKIE, self.session.parse().expect("a header value"));
        let reply = self.send(app, request).await;
        if reply.status == StatusCode::SEE_OTHER {
            // Of two cookies of one name, a browser keeps the last.
            self.session.clone_from(reply.cookies().last().expect("a cookie"));
        }
        reply
    }

    pub(crate) async fn challenge(&self, app: &TestApp) -> Challenge {
        self.send_from_frame(app, "/challenge", b"{}".to_vec()).await.json::<Challenged>().challenge
    }

    /// The body of `POST /bind`.
    pub(crate) fn statement(&self, challenge: Challenge) -> Bind {
        let key = public(&self.key);
        let statement = bind_statement("sign.pan.localhost:3000", &challenge, &key.thumbprint());
        Bind { jwk: key.to_jwk(), challenge, signature: sign(&self.key, &statement) }
    }

    pub(crate) async fn send_bind(&self, app: &TestApp, body: impl serde::Serialize) -> Reply {
        let body = serde_json::to_vec(&body).expect("JSON");
        self.send_from_frame(app, "/bind", body).await
    }

    pub(crate) async fn bind(&mut self, app: &TestApp) -> Reply {
        let challenge = self.challenge(app).await;
        let reply = self.send_bind(app, self.statement(challenge)).await;
        if reply.status == StatusCode::OK {
            self.nonces = reply.json::<Bound>().nonces;
        }
        reply
    }

    /// A valid request at the level that the action needs. Uses a nonce.
    pub(crate) fn request<A: Action>(&mut self, app: &TestApp, action: &A) -> Signed {
        let nonce = self.nonces.pop().expect("a nonce");
        let proof = proof_of::<A>(A::LEVEL, app.now());
        self.sign::<A>(app.now() / 1000, nonce, serde_json::to_string(action).expect("JSON"), proof.as_ref())
    }

    pub(crate) fn sign<A: Action>(&self, created: u64, nonce: Nonce, body: String, proof: Option<&Proof>) -> Signed {
        let is_confirmed = proof.is_some_and(|proof| proof.by == Recorder::Signer);
        let key = if is_confirmed { &self.confirmation } else { &self.key };
        self.sign_as::<A>(created, nonce, body, proof, key, public(key).thumbprint())
    }

    /// Signs with any key under any key ID.
    pub(crate) fn sign_as<A: Action>(
        &self,
        created: u64,
        nonce: Nonce,
        body: String,
        proof: Option<&Proof>,
        key: &SigningKey,
        thumbprint: KeyThumbprint,
    ) -> Signed {
        let of_frame = A::PATH == PushKeys::PATH;
        let input = SignatureInput::new(created, nonce, thumbprint).expect("a time");
        let proof = proof::header(proof).expect("a proof");
        let digest = ContentDigest::of(body.as_bytes());
        let base = Covered {
            method: "POST",
            authority: if of_frame { "sign.pan.localhost:3000" } else { "pan.localhost:3000" },
            path: A::PATH,
            query: "",
            digest: &digest,
            session: &self.handle,
            proof: &proof,
        }
        .base(&input);
        let signature = sign(key, &base);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (name::SESSION, self.handle.to_string()),
            (name::PROOF, proof),
            (name::DIGEST, digest.to_string()),
            (name::SIGNATURE_INPUT, input.to_string()),
            (name::SIGNATURE, signature.to_string()),
            ("cookie", if of_frame { self.sign.clone() } else { self.session.clone() }),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a header"));
        }
        Signed { path: A::PATH.to_owned(), headers, body, base }
    }

    /// Requests nonces with a client-generated nonce, as the frame does when the page has none left.
    pub(crate) async fn issue_nonces(&mut self, app: &TestApp) {
        self.nonces = vec![Nonce::new(random().expect("randomness"))];
        let reply = self.call(app, &Nonces {}).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    }

    /// Sends a valid request. Stores the nonces of the reply.
    pub(crate) async fn call<A: Action>(&mut self, app: &TestApp, action: &A) -> Reply {
        let reply = app.send(self.request(app, action).build()).await;
        self.take_nonces(&reply.headers);
        reply
    }

    pub(crate) fn take_nonces(&mut self, headers: &HeaderMap) {
        self.nonces.extend(nonces(headers));
    }
}

/// A proof that satisfies the level.
pub(crate) fn proof_of<A: Action>(level: Level, at: u64) -> Option<Proof> {
    let by = match level {
        Level::Signed => return None,
        Level::Interaction => Recorder::App,
        Level::Confirmed | Level::Attested => Recorder::Signer,
    };
    let is_confirmed = by == Recorder::Signer;
    Some(Proof {
        v: 1,
        by,
        action: A::NAME.to_owned(),
        // A key press: the server accepts each pointer path only once.
        kind: if is_confirmed { Kind::Confirm } else { Kind::Keyboard },
        at,
        hold: 80,
        path: Vec::new(),
        target: [20, 15, 80, 30],
        hit: [24, 20],
        dwell: is_confirmed.then_some(900),
    })
}

/// A signed request that tests can change before they send it.
#[derive(Clone)]
pub(crate) struct Signed {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    /// What the key has signed.
    pub base: String,
}

impl Signed {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        self
    }

    pub(crate) fn doubled(mut self, name: &'static str) -> Self {
        let value = self.headers[name].clone();
        self.headers.append(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The nonce that it was signed with.
    pub(crate) fn nonce(&self) -> Nonce {
        let input = self.headers[name::SIGNATURE_INPUT].to_str().unwrap();
        *input.parse::<SignatureInput>().unwrap().nonce()
    }

    pub(crate) fn build(&self) -> Request<Body> {
        let request = if self.path == PushKeys::PATH { from_frame(&self.path) } else { from_app(&self.path) };
        let mut request = request.body(Body::from(self.body.clone())).expect("a request");
        // A changed header replaces the original one.
        for name in self.headers.keys() {
            request.headers_mut().remove(name);
        }
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        request
    }
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The code of the problem document.
    pub(crate) fn code(&self) -> Code {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json::<Problem>();
        assert_eq!(problem.status, self.status.as_u16());
        problem.code
    }

    /// Name and value of each cookie that the response sets.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        set.map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned()).collect()
    }

    pub(crate) fn nonces(&self) -> Vec<Nonce> {
        nonces(&self.headers)
    }
}

/// A form as browsers encode it.
pub(crate) fn encoded(fields: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn nonces(headers: &HeaderMap) -> Vec<Nonce> {
    headers
        .get(name::NONCE)
        .map(|list| list.to_str().expect("text").split(", ").map(|nonce| nonce.parse().expect("a nonce")).collect())
        .unwrap_or_default()
}
