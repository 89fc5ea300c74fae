//! Routing and security headers of the two origins.

use std::sync::Arc;

use axum::{Router, body::Body, routing::post};
use http::{Request, StatusCode, header};
use server::{
    Functions, Server, StartError,
    clock::Clock,
    origin::Origin,
    settings::{Origins, Settings},
    store::Stores,
};

use crate::{TestApp, app, browser::from_app, owner_still_acts, read, test_actions::CATALOGUE, test_app::accounts};

#[tokio::test]
async fn each_host_serves_its_own_origin() {
    let app = app();
    let get = |host: &str, path: &str| Request::get(path).header("host", host).body(Body::empty()).unwrap();
    assert_eq!(app.send(get("sign.pan.localhost:3000", "/time")).await.status, StatusCode::OK);
    for host in ["", "evil.example", "pan.localhost", "pan.localhost:80", "localhost:9"] {
        assert_eq!(app.send(get(host, "/")).await.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let mut two = get("pan.localhost:3000", "/");
    two.headers_mut().append("host", "sign.pan.localhost:3000".parse().unwrap());
    assert_eq!(app.send(two).await.status, StatusCode::MISDIRECTED_REQUEST);
    for host in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
        let reply = app.send(get(host, "/account?x=1")).await;
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(reply.headers[header::LOCATION], "http://pan.localhost:3000/account?x=1");
    }
}

#[tokio::test]
async fn both_origins_carry_the_security_headers() {
    let app = app();
    for host in ["pan.localhost:3000", "sign.pan.localhost:3000", "evil.example"] {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        let reply = app.send(request).await;
        for (name, value) in [
            ("origin-agent-cluster", "?1"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin-allow-popups"),
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

/// RFC 6797 §7.2: not over http, where browsers ignore it.
#[tokio::test]
async fn hsts_lasts_two_years_and_is_sent_on_https_only() {
    let variables = [("ALLOWED_ORIGINS".to_owned(), "https://example.com".to_owned())];
    let settings = Settings::parse("a test", "", variables).unwrap();
    let secure = TestApp::with(Stores::memory(), settings);
    let plain = app();
    let get = async |app: &TestApp, host: &str, path: &str| {
        app.send(Request::get(path).header("host", host).body(Body::empty()).unwrap()).await
    };
    for (host, path, status) in [
        ("sign.example.com", "/time", StatusCode::OK),
        ("example.com", "/", StatusCode::NOT_FOUND),
        ("evil.example", "/", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let reply = get(&secure, host, path).await;
        assert_eq!(reply.status, status);
        let hsts = &reply.headers[header::STRICT_TRANSPORT_SECURITY];
        assert_eq!(hsts, "max-age=63072000; includeSubDomains", "{host}");
        let reply = get(&plain, &host.replace("example.com", "pan.localhost:3000"), path).await;
        assert_eq!(reply.status, status);
        assert!(!reply.headers.contains_key(header::STRICT_TRANSPORT_SECURITY), "{host}");
    }
}

#[tokio::test]
async fn assets_are_compressed_if_accepted() {
    let app = app();
    let get = async |path: &str, takes: &str| {
        let request = Request::get(path).header("host", "sign.pan.localhost:3000").header("accept-encoding", takes);
        app.send(request.body(Body::empty()).unwrap()).await
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
async fn unprotected_function_prevents_start() {
    let (settings, stores) = (Settings::default(), Stores::memory());
    let accounts = Arc::new(accounts(&stores, &settings));
    let server = Server::with(settings, stores, accounts, Clock::system()).unwrap();
    let app = || Router::new().route("/api/new", post(async || "open"));
    let undeclared = Functions::new(CATALOGUE).served(vec!["/api/new"]);
    assert!(matches!(server.router(app(), &undeclared), Err(StartError::Unprotected(path)) if path == "/api/new"));
    let both = Functions::new(CATALOGUE).public(&["/api/order"]);
    assert!(matches!(server.router(app(), &both), Err(StartError::Ambiguous(_))));
    // A function that is served but not declared cannot be reached.
    let router = server.router(app(), &Functions::new(CATALOGUE)).unwrap();
    let reply = tower::ServiceExt::oneshot(router, from_app("/api/new").body(Body::from("{}")).unwrap()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn action_without_function_returns_404() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let empty = app.server.router(Router::new(), &Functions::new(CATALOGUE)).unwrap();
    let signed = browser.request(&app, &read()).build();
    assert_eq!(tower::ServiceExt::oneshot(empty, signed).await.unwrap().status(), StatusCode::NOT_FOUND);
    owner_still_acts(&app, &mut browser).await;
}

/// Case 17: equal spellings of a host and of a media type.
#[tokio::test]
async fn equal_spellings_of_host_are_accepted() {
    let app = app();
    let get = async |app: &TestApp, host: &str| {
        app.send(Request::get("/sign-in").header(header::HOST, host).body(Body::empty()).unwrap()).await
    };
    assert_eq!(get(&app, "SIGN.Pan.localhost:3000").await.status, StatusCode::OK);
    for host in ["pan.localhost.:3000", "localhost:3000"] {
        let reply = get(&app, host).await;
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{host}");
        assert_eq!(reply.headers[header::LOCATION], "http://pan.localhost:3000/sign-in");
    }
    for host in
        ["pan.localhost", "pan.localhost:80", "pan.localhost..:3000", "evil.example", "evil.pan.localhost:3000", ""]
    {
        let reply = get(&app, host).await;
        assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        let sentence = String::from_utf8(reply.body).unwrap();
        assert!(sentence.contains("pan.localhost:3000 and sign.pan.localhost:3000"), "{sentence}");
        assert!(!sentence.contains("evil"), "{sentence}");
    }
    let origins = Origins {
        app: Origin::parse("https://example.com").unwrap(),
        sign: Origin::parse("https://sign.example.com").unwrap(),
    };
    let secure = TestApp::with(Stores::memory(), Settings { origins, ..Settings::default() });
    for host in ["sign.example.com", "sign.example.com:443", "Sign.Example.com:443"] {
        assert_eq!(get(&secure, host).await.status, StatusCode::OK, "{host}");
    }
    assert_eq!(get(&secure, "sign.example.com:80").await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn equal_spellings_of_content_type_are_accepted() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for (kind, accepted) in [
        ("application/json; charset=utf-8", true),
        ("application/json;charset=\"UTF-8\"", true),
        ("Application/JSON", true),
        ("application/json; charset=utf-16", false),
        ("application/json; boundary=x", false),
        ("application/jsonp", false),
        ("text/plain; application/json", false),
    ] {
        let mut request = browser.request(&app, &read()).build();
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let reply = app.send(request).await;
        let expected = if accepted { StatusCode::OK } else { StatusCode::UNSUPPORTED_MEDIA_TYPE };
        assert_eq!(reply.status, expected, "{kind}");
        browser.take_nonces(&reply.headers);
    }
}
