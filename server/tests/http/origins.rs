//! The two origins, and binding a key on the one of them.

use std::sync::Arc;

use axum::{Router, body::Body, routing::post};
use http::{Request, StatusCode, header};
use protocol::{catalogue::ReadAccount, problem::Code, token::Nonce};
use server::{
    Functions, Pan, StartError,
    clock::{Clock, random},
    settings::Settings,
    store::memory::MemoryStore,
};

use crate::{
    House,
    browser::{Browser, from_app, from_frame, new_key, public},
    house, owner_still_acts, read,
};

#[tokio::test]
async fn a_key_is_bound_once() {
    let house = house();
    let mut browser = house.unbound("ada").await;
    let early = browser.sign::<ReadAccount>(house.now() / 1000, Nonce::new(random().unwrap()), "{}".into(), None);
    assert_eq!(house.send(early.build()).await.code(), Code::InvalidSession, "not bound yet");
    let challenge = browser.challenge(&house).await;
    let statement = browser.statement(challenge);
    assert_eq!(browser.bind(&house).await.status, StatusCode::OK);
    assert_eq!(browser.send_bind(&house, &statement).await.code(), Code::InvalidSession, "replayed");
    let mut thief = Browser { key: new_key(), ..browser.clone() };
    let request = from_frame("/challenge").header("cookie", &thief.bind).body(Body::empty()).unwrap();
    assert_eq!(house.send(request).await.code(), Code::InvalidSession, "nothing left to bind");
    let statement = thief.statement(challenge);
    assert_eq!(thief.send_bind(&house, &statement).await.code(), Code::InvalidSession);
    thief.nonces.clone_from(&browser.nonces);
    assert_eq!(thief.call(&house, &read()).await.code(), Code::InvalidProof, "still the first key");
}

#[tokio::test]
async fn binding_takes_a_minute_at_most() {
    let house = house();
    let mut browser = house.unbound("ada").await;
    let challenge = browser.challenge(&house).await;
    house.wait(61_000);
    assert_eq!(browser.send_bind(&house, browser.statement(challenge)).await.code(), Code::InvalidSession);
    browser.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(browser.call(&house, &read()).await.code(), Code::InvalidSession);
}

#[tokio::test]
async fn only_the_frame_binds_and_only_a_good_key() {
    let house = house();
    let mut browser = house.unbound("ada").await;
    let challenge = browser.challenge(&house).await;
    let good = serde_json::to_value(browser.statement(challenge)).unwrap();
    for (name, value) in [
        ("origin", "http://pan.localhost:3000"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for path in ["/bind", "/challenge"] {
            let mut request =
                from_frame(path).header("cookie", &browser.bind).body(Body::from(good.to_string())).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(house.send(request).await.code(), Code::ForbiddenOrigin, "{path} {name} {value}");
        }
    }
    let bent = |bend: &dyn Fn(&mut serde_json::Value)| {
        let mut statement = good.clone();
        bend(&mut statement);
        statement
    };
    let der = "pan=:MEQCIGP7c2h5c2xhbmQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAiBj+3NoeXNsYW5kAAAAAAAAAAAAAAAAAAAAAAAAAAAA:";
    let off_curve = public(&new_key()).to_jwk();
    let off_curve = serde_json::to_value(off_curve).unwrap();
    let bad = [
        ("d in the JWK", bent(&|s| s["jwk"]["d"] = "AAAA".into()), Code::Malformed),
        ("P-384", bent(&|s| s["jwk"]["crv"] = "P-384".into()), Code::Malformed),
        ("RSA", bent(&|s| s["jwk"]["kty"] = "RSA".into()), Code::Malformed),
        ("x and y of two keys", bent(&|s| s["jwk"]["y"] = off_curve["y"].clone()), Code::Malformed),
        ("DER", bent(&|s| s["signature"] = der.into()), Code::Malformed),
        ("another key", bent(&|s| s["jwk"] = off_curve.clone()), Code::InvalidProof),
        ("no challenge", bent(&|s| drop(s.as_object_mut().unwrap().remove("challenge"))), Code::Malformed),
        ("not JSON", "pan".into(), Code::Malformed),
    ];
    for (what, statement, code) in bad {
        assert_eq!(browser.send_bind(&house, statement).await.code(), code, "{what}");
    }
    let without = from_frame("/bind").body(Body::from(good.to_string())).unwrap();
    assert_eq!(house.send(without).await.code(), Code::InvalidSession, "no bind cookie");
    assert_eq!(browser.bind(&house).await.status, StatusCode::OK, "the frame still binds");
}

#[tokio::test]
async fn hosts_are_told_apart() {
    let house = house();
    let get = |host: &str, path: &str| Request::get(path).header("host", host).body(Body::empty()).unwrap();
    assert_eq!(house.send(get("sign.pan.localhost:3000", "/time")).await.status, StatusCode::OK);
    for host in ["", "evil.example", "pan.localhost", "pan.localhost:80", "PAN.localhost:3000", "localhost:9"] {
        assert_eq!(house.send(get(host, "/")).await.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let mut two = get("pan.localhost:3000", "/");
    two.headers_mut().append("host", "sign.pan.localhost:3000".parse().unwrap());
    assert_eq!(house.send(two).await.status, StatusCode::MISDIRECTED_REQUEST);
    for host in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
        let reply = house.send(get(host, "/account?x=1")).await;
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(reply.headers[header::LOCATION], "http://pan.localhost:3000/account?x=1");
    }
}

#[tokio::test]
async fn both_origins_carry_the_security_headers() {
    let house = house();
    for host in ["pan.localhost:3000", "sign.pan.localhost:3000", "evil.example"] {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        let reply = house.send(request).await;
        for (name, value) in [
            ("origin-agent-cluster", "?1"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(reply.headers[name], value, "{host}");
        }
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        let ancestors = if host.starts_with("sign.") { "http://pan.localhost:3000" } else { "'none'" };
        assert!(policy.contains(&format!("frame-ancestors {ancestors}")), "{policy}");
        assert!(reply.headers.contains_key("permissions-policy") && reply.headers.contains_key("cache-control"));
    }
}

/// RFC 6797 §7.2: never over http, where it could not be believed.
#[tokio::test]
async fn https_is_demanded_for_two_years_and_only_over_https() {
    let variables = [("ALLOWED_ORIGINS".to_owned(), "https://example.com".to_owned())];
    let settings = Settings::parse("a test", "", variables).unwrap();
    let secure = House::with(Arc::new(MemoryStore::new()), settings);
    let plain = house();
    let get = async |house: &House, host: &str, path: &str| {
        house.send(Request::get(path).header("host", host).body(Body::empty()).unwrap()).await
    };
    for (host, path, status) in [
        ("sign.example.com", "/time", StatusCode::OK),
        ("example.com", "/", StatusCode::NOT_FOUND),
        ("evil.example", "/", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let reply = get(&secure, host, path).await;
        assert_eq!(reply.status, status);
        let demanded = &reply.headers[header::STRICT_TRANSPORT_SECURITY];
        assert_eq!(demanded, "max-age=63072000; includeSubDomains", "{host}");
        let reply = get(&plain, &host.replace("example.com", "pan.localhost:3000"), path).await;
        assert_eq!(reply.status, status);
        assert!(!reply.headers.contains_key(header::STRICT_TRANSPORT_SECURITY), "{host}");
    }
}

#[tokio::test]
async fn assets_are_compressed_for_who_takes_that() {
    let house = house();
    let get = async |path: &str, takes: &str| {
        let request = Request::get(path).header("host", "sign.pan.localhost:3000").header("accept-encoding", takes);
        house.send(request.body(Body::empty()).unwrap()).await
    };
    let page = String::from_utf8(get("/", "").await.body).unwrap();
    let script = page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
    for (takes, is_brotli) in [
        ("gzip, br", true),
        ("br;q=0.1", true),
        ("gzip;q=0, br; q=1", true),
        ("br;q=0", false),
        ("gzip, br; q=0.0", false),
        ("gzip", false),
        ("", false),
    ] {
        let reply = get(script, takes).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(
            reply.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "br"),
            is_brotli,
            "{takes}"
        );
        assert_eq!(reply.headers[header::VARY], "accept-encoding");
    }
}

#[tokio::test]
async fn forgetting_to_protect_a_function_stops_the_start() {
    let pan = Pan::with(Settings::default(), Arc::new(MemoryStore::new()), Clock::system()).unwrap();
    let app = || Router::new().route("/api/new", post(async || "open"));
    let undecided = Functions { public: &[], served: vec!["/api/new"] };
    assert!(matches!(pan.router(app(), &undecided), Err(StartError::Unprotected(path)) if path == "/api/new"));
    let both = Functions { public: &["/api/transfer"], served: vec![] };
    assert!(matches!(pan.router(app(), &both), Err(StartError::Ambiguous(_))));
    // And served without being declared at all, it is not reached.
    let router = pan.router(app(), &Functions { public: &[], served: vec![] }).unwrap();
    let reply = tower::ServiceExt::oneshot(router, from_app("/api/new").body(Body::from("{}")).unwrap()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_action_without_its_function_is_not_found_however_well_it_is_signed() {
    let house = house();
    let mut browser = house.browser("ada").await;
    let empty = house.pan.router(Router::new(), &Functions { public: &[], served: vec![] }).unwrap();
    let signed = browser.request(&house, &read()).build();
    assert_eq!(tower::ServiceExt::oneshot(empty, signed).await.unwrap().status(), StatusCode::NOT_FOUND);
    owner_still_acts(&house, &mut browser).await;
}
