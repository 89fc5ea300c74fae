//! Device-bound sessions: the copied profile (attack 28) and the device's proofs (attack 29).

use axum::body::Body;
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderValue, Request, StatusCode, header};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use protocol::{
    action::{Summary, Tier},
    built_in::{ReadSessions, SignOut},
    catalogue::Catalogue,
    problem::Code,
    token::SessionHandle,
};
use server::{
    Functions, Verified,
    audit::Outcome,
    extract::ActionRouter,
    origin::Origin,
    settings::{DevicePolicy, Limits, Origins, Sessions, Settings},
    store::{Session, Stores, redis::RedisStore},
};

use crate::{
    TestApp,
    browser::{Browser, Reply, Signed, new_key},
    order, owner_still_acts, read,
    redis_server::RedisServer,
    rename,
};

const MINUTE: u64 = 60_000;

/// Browsers bind sessions over https only.
pub(crate) fn secure(device_binding: DevicePolicy) -> Settings {
    let origin = |text| Origin::parse(text).unwrap();
    let origins =
        Origins { app: origin("https://pan.localhost:3000"), sign: origin("https://sign.pan.localhost:3000") };
    let sessions = Sessions { device_binding, ..Sessions::default() };
    Settings { origins, sessions, ..Settings::default() }
}

fn app() -> TestApp {
    TestApp::with(Stores::memory(), secure(DevicePolicy::Offer))
}

/// A browser's device: its key, cookies and challenge.
#[derive(Clone)]
pub(crate) struct Device {
    key: SigningKey,
    /// The session cookie: name and value.
    session: String,
    handle: SessionHandle,
    /// The device cookie: name and value.
    cookie: String,
    challenge: String,
}

/// The text of a parameter in a structured field.
fn parameter(header: &HeaderValue, name: &str) -> String {
    let (_, rest) = header.to_str().unwrap().split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn encode(text: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(text)
}

/// The headers of the browser's own requests.
fn from_browser(path: &str, cookie: &str, proof: Option<String>) -> Request<Body> {
    let mut request = Request::post(path)
        .header(header::HOST, "pan.localhost:3000")
        .header(header::ORIGIN, "https://pan.localhost:3000")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "empty")
        .header(header::COOKIE, cookie);
    if let Some(proof) = proof {
        request = request.header("secure-session-response", proof);
    }
    request.body(Body::empty()).unwrap()
}

impl Device {
    /// Answers the offer in the response of `/enter`.
    fn registration(&self, offer: &HeaderValue) -> Request<Body> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (encode(&point.as_bytes()[1..33]), encode(&point.as_bytes()[33..]));
        let header =
            format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}}}"#);
        let (challenge, authorization) = (parameter(offer, "challenge"), parameter(offer, "authorization"));
        let payload = format!(r#"{{"jti":"{challenge}","authorization":"{authorization}"}}"#);
        from_browser(&parameter(offer, "path"), &self.session, Some(self.jwt(&header, &payload)))
    }

    fn proof(&self, challenge: &str) -> String {
        self.jwt(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, &format!(r#"{{"jti":"{challenge}"}}"#))
    }

    fn jwt(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(&signature.to_bytes()))
    }

    /// Takes cookie and challenge from the response to a registration or renewal.
    fn take(&mut self, reply: &Reply) {
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        self.cookie = reply.cookies().into_iter().find(|pair| pair.starts_with("__Host-pan-device=")).unwrap();
        self.take_challenge(reply);
    }

    async fn renew(&mut self, app: &TestApp, proof: Option<String>) -> Reply {
        let mut request = from_browser("/device/refresh", &self.session, proof);
        let id = format!("\"{}\"", self.handle).parse().unwrap();
        request.headers_mut().insert("sec-secure-session-id", id);
        app.send(request).await
    }

    /// Renews the cookie. If its challenge has expired, the browser signs the next one.
    async fn renewed(&mut self, app: &TestApp) {
        let mut reply = self.renew(app, Some(self.proof(&self.challenge))).await;
        if reply.status == StatusCode::FORBIDDEN {
            self.take_challenge(&reply);
            reply = self.renew(app, Some(self.proof(&self.challenge))).await;
        }
        self.take(&reply);
    }

    fn take_challenge(&mut self, reply: &Reply) {
        let challenge = reply.headers["secure-session-challenge"].to_str().unwrap();
        challenge.split('"').nth(1).unwrap().clone_into(&mut self.challenge);
    }
}

/// A browser that has entered, and the offer that it got.
async fn entered(app: &TestApp, user: &str) -> (Browser, HeaderValue) {
    let mut browser = app.signed_in(user).await;
    let reply = browser.enter(app).await;
    (browser, reply.headers["secure-session-registration"].clone())
}

fn device_of(browser: &Browser) -> Device {
    let (session, handle) = (browser.session.clone(), browser.handle);
    Device { key: new_key(), session, handle, cookie: String::new(), challenge: String::new() }
}

/// A browser with a device, whose session is bound to it. The browser's cookies include the device cookie.
pub(crate) async fn bound(app: &TestApp) -> (Browser, Device) {
    let (mut browser, offer) = entered(app, "ada").await;
    let mut device = device_of(&browser);
    let reply = app.send(device.registration(&offer)).await;
    device.take(&reply);
    browser.bind(app).await;
    browser.session = format!("{}; {}", device.session, device.cookie);
    owner_still_acts(app, &mut browser).await;
    app.wait(MINUTE);
    (browser, device)
}

async fn listed(app: &TestApp, browser: &mut Browser) -> Session {
    let sessions: Vec<(SessionHandle, Session)> = browser.call(app, &ReadSessions {}).await.json();
    sessions.into_iter().find(|(handle, _)| *handle == browser.handle).unwrap().1
}

/// A copy of the browser's cookies and keys, with these cookies.
fn copy(browser: &Browser, cookies: &str) -> Browser {
    Browser { session: cookies.to_owned(), ..browser.clone() }
}

fn rejected(reply: &Reply, code: Code) {
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, code), "{reply:?}");
}

#[tokio::test]
async fn attack_28_copied_profile_needs_the_device() {
    let app = app();
    let (mut browser, mut device) = bound(&app).await;
    assert_eq!(listed(&app, &mut browser).await.tier(), Tier::Device);
    assert_eq!(app.logged("device_bound", Outcome::Noticed).await, 1);
    browser.issue_nonces(&app).await;

    // The copied cookie works until it expires: this is the positive control.
    let mut thief = copy(&browser, &browser.session);
    assert_eq!(thief.call(&app, &read()).await.status, StatusCode::OK);
    app.wait(11 * MINUTE);
    device.renewed(&app).await;
    browser.session = format!("{}; {}", device.session, device.cookie);
    browser.issue_nonces(&app).await;
    // An expired cookie is rejected, and removed. It is no signal: a device whose clock was set back sends one, too.
    for (cookies, signals) in [(&thief.session, 0), (&device.session, 4)] {
        browser.issue_nonces(&app).await;
        let mut thief = copy(&browser, cookies);
        let before = app.logged("theft", Outcome::Noticed).await;
        rejected(&thief.call(&app, &read()).await, Code::DeviceProofRequired);
        rejected(&thief.call(&app, &rename()).await, Code::DeviceProofRequired);
        // The confirmation key is in the profile, too.
        rejected(&thief.call(&app, &order()).await, Code::DeviceProofRequired);
        thief.nonces = vec![protocol::token::Nonce::new([7; 16])];
        rejected(&thief.call(&app, &protocol::built_in::Nonces {}).await, Code::DeviceProofRequired);
        assert_eq!(app.logged("theft", Outcome::Noticed).await, before + signals, "{cookies}");
        browser.issue_nonces(&app).await;
        let reply = copy(&browser, cookies).call(&app, &read()).await;
        assert_eq!(reply.cookies().contains(&"__Host-pan-device=".to_owned()), signals == 0);
    }
    owner_still_acts(&app, &mut browser).await;
    assert!(listed(&app, &mut browser).await.theft.is_some());
}

#[tokio::test]
async fn session_without_device_works_as_before() {
    let app = app();
    let (mut browser, _) = entered(&app, "ada").await;
    browser.bind(&app).await;
    owner_still_acts(&app, &mut browser).await;
    app.wait(11 * MINUTE);
    browser.issue_nonces(&app).await;
    assert_eq!(listed(&app, &mut browser).await.tier(), Tier::Browser);
    // So does a copy of its profile.
    let mut thief = copy(&browser, &browser.session);
    assert_eq!(thief.call(&app, &read()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn registration_whose_response_is_lost_binds_nothing() {
    let app = app();
    let (mut browser, offer) = entered(&app, "ada").await;
    let mut device = device_of(&browser);
    let registration = device.registration(&offer);
    assert_eq!(app.send(registration).await.status, StatusCode::OK);
    browser.bind(&app).await;
    app.wait(11 * MINUTE);
    browser.issue_nonces(&app).await;
    owner_still_acts(&app, &mut browser).await;
    assert_eq!(listed(&app, &mut browser).await.tier(), Tier::Browser);
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
    // The browser resends the request: its challenge is used, and the session goes on.
    let again = app.send(device.registration(&offer)).await;
    assert_eq!((again.status, again.cookies().len()), (StatusCode::BAD_REQUEST, 0));
    device.challenge = "x".into();
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn explained_absence_is_no_theft_signal() {
    let app = app();
    let (mut browser, offer) = entered(&app, "ada").await;
    let mut device = device_of(&browser);
    browser.bind(&app).await;
    let under_way = browser.request(&app, &read());
    let reply = app.send(device.registration(&offer)).await;
    device.take(&reply);
    browser.session = format!("{}; {}", device.session, device.cookie);
    owner_still_acts(&app, &mut browser).await;
    // It was sent before the browser had the cookie, and is sent again with it.
    rejected(&app.send(under_way.build()).await, Code::DeviceProofRequired);
    let again = under_way.with("cookie", &browser.session);
    assert_eq!(app.send(again.build()).await.status, StatusCode::OK);

    app.wait(9 * MINUTE);
    browser.issue_nonces(&app).await;
    let skipped = |request: Signed, reason: &str| {
        let skipped = format!("{reason};session_identifier=\"{}\"", device.handle);
        request.with("cookie", &device.session).with("secure-session-skipped", &skipped)
    };
    for reason in ["unreachable", "server_error", "quota_exceeded"] {
        let request = skipped(browser.request(&app, &read()), reason);
        rejected(&app.send(request.build()).await, Code::DeviceProofRequired);
    }
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
    // The positive controls: without an explanation, or with a signature by another key, the same is a theft.
    browser.issue_nonces(&app).await;
    let request = browser.request(&app, &read()).with("cookie", &device.session);
    rejected(&app.send(request.build()).await, Code::DeviceProofRequired);
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 1);
    let stranger = Browser { key: new_key(), ..browser.clone() }.request(&app, &read());
    let reply = app.send(skipped(stranger, "unreachable").build()).await;
    assert_eq!(reply.code(), Code::UseFreshNonce, "a stranger learns nothing about the device");
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 2);
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn planted_cookies_do_not_lock_the_user_out() {
    let app = app();
    let (mut browser, device) = bound(&app).await;
    let (mut mallory, offer) = entered(&app, "mallory").await;
    let mut other = device_of(&mallory);
    let reply = app.send(other.registration(&offer)).await;
    other.take(&reply);
    mallory.bind(&app).await;
    for planted in ["__Host-pan-device=x".to_owned(), "__Host-pan-device=".to_owned(), other.cookie.clone()] {
        browser.session = format!("{planted}; {}; {}", device.session, device.cookie);
        owner_still_acts(&app, &mut browser).await;
    }
    // Another session's cookie alone proves nothing.
    browser.session = format!("{}; {}", device.session, other.cookie);
    rejected(&browser.call(&app, &read()).await, Code::DeviceProofRequired);
}

#[tokio::test]
async fn attack_29_proofs_of_others_renew_nothing() {
    let app = app();
    let (mut browser, mut device) = bound(&app).await;
    let spent = device.challenge.clone();
    device.renewed(&app).await;
    let cookies = |reply: &Reply| reply.cookies().len();

    let mut thief = Device { key: new_key(), ..device.clone() };
    let forged = thief.renew(&app, Some(thief.proof(&device.challenge))).await;
    assert_eq!((forged.status, cookies(&forged)), (StatusCode::BAD_REQUEST, 0), "another key");
    let replayed = device.clone().renew(&app, Some(device.proof(&spent))).await;
    assert_eq!((replayed.status, cookies(&replayed)), (StatusCode::FORBIDDEN, 0), "a used challenge");
    let none = device.clone().renew(&app, None).await;
    assert_eq!((none.status, cookies(&none)), (StatusCode::FORBIDDEN, 0), "no proof");
    for mode in ["cors", "same-origin", "navigate"] {
        let mut request = from_browser("/device/refresh", &device.session, Some(device.proof(&device.challenge)));
        request.headers_mut().insert("sec-secure-session-id", device.handle.to_string().parse().unwrap());
        request.headers_mut().insert("sec-fetch-mode", mode.parse().unwrap());
        let reply = app.send(request).await;
        assert_eq!((reply.status, cookies(&reply)), (StatusCode::BAD_REQUEST, 0), "{mode}");
    }
    assert_eq!(app.logged("refresh_device", Outcome::Refused).await, 5);
    device.renewed(&app).await;

    browser.session = format!("{}; {}", device.session, device.cookie);
    browser.call(&app, &SignOut {}).await;
    let ended = device.clone().renew(&app, Some(device.proof(&device.challenge))).await;
    let instructions: serde_json::Value = ended.json();
    assert_eq!((ended.status, cookies(&ended)), (StatusCode::OK, 0));
    assert_eq!(instructions["continue"], false);
}

#[tokio::test]
async fn attack_29_device_is_registered_once_by_its_browser() {
    let app = app();
    let (mut browser, offer) = entered(&app, "ada").await;
    let mut device = device_of(&browser);
    let rejects = async |request: Request<Body>, what: &str| {
        let reply = app.send(request).await;
        assert_eq!((reply.status, reply.cookies().len()), (StatusCode::BAD_REQUEST, 0), "{what}");
    };
    let mut script = device.registration(&offer);
    script.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("cors"));
    rejects(script, "by page script").await;
    let mut elsewhere = device.registration(&offer);
    elsewhere.headers_mut().insert(header::ORIGIN, HeaderValue::from_static("https://sign.pan.localhost:3000"));
    rejects(elsewhere, "of the sign origin").await;
    let foreign: HeaderValue =
        offer.to_str().unwrap().replace(&browser.handle.to_string(), &"A".repeat(22)).parse().unwrap();
    rejects(device.registration(&foreign), "of another session").await;

    let registered = app.send(device.registration(&offer)).await;
    device.take(&registered);
    rejects(device.registration(&offer), "with a used challenge").await;
    browser.bind(&app).await;
    browser.session = format!("{}; {}", device.session, device.cookie);
    owner_still_acts(&app, &mut browser).await;
    // The browser enters again, as after a lost response; the session has its device.
    let (_, second) = entered(&app, "ada").await;
    let mut thief = device_of(&browser);
    thief.session.clone_from(&device.session);
    rejects(thief.registration(&second), "without the other session's cookie").await;
}

#[tokio::test]
async fn registration_needs_the_session_token() {
    let app = app();
    let (browser, offer) = entered(&app, "ada").await;
    for cookie in ["", "__Host-pan=x"] {
        let device = Device { session: cookie.to_owned(), ..device_of(&browser) };
        let reply = app.send(device.registration(&offer)).await;
        assert_eq!((reply.status, reply.cookies().len()), (StatusCode::BAD_REQUEST, 0), "{cookie}");
    }
    // The failed attempts have used the challenge.
    let reply = app.send(device_of(&browser).registration(&offer)).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn required_binding_rejects_all_but_sign_out() {
    let app = TestApp::with(Stores::memory(), secure(DevicePolicy::Require));
    let (mut browser, _) = entered(&app, "ada").await;
    browser.bind(&app).await;
    rejected(&browser.call(&app, &read()).await, Code::DeviceBindingRequired);
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
    browser.issue_nonces(&app).await;
    assert_eq!(browser.call(&app, &SignOut {}).await.status, StatusCode::OK);
    let (mut browser, _) = bound(&app).await;
    owner_still_acts(&app, &mut browser).await;
}

protocol::actions! {
    /// An action of the tier Device.
    Vote at "vote" needs Signed from Device {}
    summary |_vote| Summary::plain("Vote", "Vote")
}

#[tokio::test]
async fn action_can_require_a_device() {
    static CATALOGUE: Catalogue = Catalogue::new(ACTIONS);
    let functions = Functions::new(CATALOGUE).served(CATALOGUE.entries().map(|entry| entry.path).collect());
    let routes = |server: server::Server| {
        let tier =
            async |_: axum::extract::State<server::Server>, request: Verified<Vote>| format!("{:?}", request.tier());
        axum::Router::new().action(tier).with_state(server)
    };
    let app = TestApp::serving(Stores::memory(), secure(DevicePolicy::Offer), &functions, routes);
    let (mut browser, offer) = entered(&app, "ada").await;
    browser.bind(&app).await;
    let vote = browser.request(&app, &Vote {});
    rejected(&app.send(vote.build()).await, Code::DeviceBindingRequired);
    let mut device = device_of(&browser);
    let reply = app.send(device.registration(&offer)).await;
    device.take(&reply);
    // The nonce is not spent.
    let again = vote.with("cookie", &format!("{}; {}", device.session, device.cookie));
    let reply = app.send(again.build()).await;
    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, b"Device".as_slice()));
}

#[tokio::test]
async fn nothing_is_offered_over_http_or_when_off() {
    for settings in [Settings::default(), secure(DevicePolicy::Off)] {
        let app = TestApp::with(Stores::memory(), settings);
        let mut browser = app.signed_in("ada").await;
        let reply = browser.enter(&app).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        assert!(!reply.headers.contains_key("secure-session-registration"));
        let device = device_of(&browser);
        let reply = app.send(from_browser("/device/refresh", &device.session, None)).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn excess_of_proofs_gets_503() {
    let limits = Limits { device_proofs_per_minute_and_address: 2, ..Limits::default() };
    let app = TestApp::with(Stores::memory(), Settings { limits, ..secure(DevicePolicy::Offer) });
    let (_, mut device) = bound(&app).await;
    for status in [StatusCode::FORBIDDEN, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
        assert_eq!(device.renew(&app, None).await.status, status);
    }
}

#[tokio::test]
async fn device_is_known_to_all_instances() {
    let redis = RedisServer::start();
    let instance = async || {
        let store = RedisStore::connect(&redis.settings()).await.unwrap();
        TestApp::with(store.into(), secure(DevicePolicy::Offer))
    };
    let [one, other] = [instance().await, instance().await];
    let (mut browser, mut device) = bound(&one).await;
    other.wait(MINUTE);
    owner_still_acts(&other, &mut browser).await;
    let proof = device.proof(&device.challenge);
    let renewed = device.renew(&other, Some(proof.clone())).await;
    device.take(&renewed);
    assert_eq!(device.renew(&one, Some(proof)).await.status, StatusCode::FORBIDDEN, "it was used at the other");
    let mut thief = copy(&browser, &device.session);
    rejected(&thief.call(&one, &read()).await, Code::DeviceProofRequired);
    browser.session = format!("{}; {}", device.session, device.cookie);
    owner_still_acts(&one, &mut browser).await;
}
