//! The conditions under which a request reaches its handler.

use crate::test_actions::{CATALOGUE, Order, ReadNotes, Rename};
use axum::body::Body;
use http::{Request, StatusCode, header};
use protocol::{
    action::{Action, Level},
    built_in::{Nonces, PushKeys},
    message::header as name,
    problem::Code,
    proof::Proof,
    token::Nonce,
};
use server::random::random;

use crate::{
    app,
    browser::{Browser, Signed, from_app, new_key, proof_of},
    order, owner_still_acts, read, rename,
};

/// A manipulation of a captured request.
type Change<'a> = &'a dyn Fn(Signed) -> Signed;

#[tokio::test]
async fn every_level_passes_with_what_it_needs() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for reply in
        [browser.call(&app, &read()).await, browser.call(&app, &rename()).await, browser.call(&app, &order()).await]
    {
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        assert_eq!(reply.body, b"ada");
        assert_eq!(reply.nonces().len(), 1);
    }
}

#[tokio::test]
async fn cookie_alone_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    assert!(CATALOGUE.entries().count() > 5);
    for entry in CATALOGUE.entries() {
        let path = entry.path;
        let request = from_app(path).header(header::COOKIE, &browser.session).body(Body::from("{}")).unwrap();
        // Push keys are agreed on the sign origin.
        let expected = if path == PushKeys::PATH { Code::Malformed } else { Code::InvalidSession };
        assert_eq!(app.send(request).await.code(), expected, "{path}");
    }
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn level_below_the_action_requires_step_up() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let body = serde_json::to_string(&order()).unwrap();
    for level in [Level::Signed, Level::Interaction] {
        let proof = proof_of::<Order>(level, app.now());
        let signed = browser.sign::<Order>(app.now() / 1000, browser.nonces[0], body.clone(), proof.as_ref());
        assert_eq!(app.send(signed.build()).await.code(), Code::StepUpRequired);
    }
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn higher_level_satisfies_lower_level() {
    let app = app();
    let browser = app.browser("ada").await;
    let proof = proof_of::<Rename>(Level::Confirmed, app.now());
    let body = serde_json::to_string(&rename()).unwrap();
    let signed = browser.sign::<Rename>(app.now() / 1000, browser.nonces[0], body, proof.as_ref());
    assert_eq!(app.send(signed.build()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn each_header_must_be_present_once_and_canonical() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let nonces = browser.nonces.clone();
    let good = browser.request(&app, &rename());
    let long = "A".repeat(5000);
    for name in [name::SESSION, name::PROOF, name::DIGEST, name::SIGNATURE_INPUT, name::SIGNATURE, "cookie"] {
        assert_eq!(app.send(good.clone().without(name).build()).await.code(), Code::InvalidSession, "{name} absent");
        if name != "cookie" {
            assert_eq!(app.send(good.clone().doubled(name).build()).await.code(), Code::Malformed, "{name} doubled");
        }
        for bad in ["", " ", "none ", "\"", "pan=::", "caf\u{e9}", "a=b", &long] {
            let code = app.send(good.clone().with(name, bad).build()).await.code();
            // A malformed cookie counts as a missing one.
            let expected = if name == "cookie" { Code::InvalidSession } else { Code::Malformed };
            assert_eq!(code, expected, "{name}: {bad:?}");
        }
    }
    for cookie in ["__Host-pan=", "__Host-pan=short", &format!("__Host-pan={long}")] {
        assert_eq!(app.send(good.clone().with("cookie", cookie).build()).await.code(), Code::InvalidSession);
    }
    browser.nonces = nonces;
    owner_still_acts(&app, &mut browser).await;
    assert_eq!(app.send(good.clone().build()).await.code(), Code::NonceUsed, "its nonce is spent by now");
}

#[tokio::test]
async fn changed_signed_component_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let mut other = app.browser("bob").await;
    let foreign = other.request(&app, &order());
    let foreign = foreign.headers[name::SIGNATURE].to_str().unwrap();
    let handle = other.handle.to_string();
    let changes: [(&str, Code, Change); 7] = [
        ("body", Code::InvalidProof, &|good| Signed { body: good.body.replace("1200", "9900"), ..good }),
        ("action", Code::Malformed, &|good| Signed { path: "/api/title".into(), ..good }),
        ("query", Code::InvalidProof, &|good| Signed { path: "/api/order?to=eve".into(), ..good }),
        ("session", Code::InvalidSession, &|good| good.with(name::SESSION, &handle)),
        ("cookie", Code::InvalidSession, &|good| good.with("cookie", &other.session)),
        ("both", Code::UseFreshNonce, &|good| good.with(name::SESSION, &handle).with("cookie", &other.session)),
        ("signature", Code::InvalidProof, &|good| good.with(name::SIGNATURE, foreign)),
    ];
    for (what, code, change) in changes {
        // A fresh nonce each time, so that only the change can cause the rejection.
        let good = browser.request(&app, &order());
        assert_eq!(app.send(change(good).build()).await.code(), code, "{what}");
        if browser.nonces.is_empty() {
            browser.nonces.push(Nonce::new(random().unwrap()));
            browser.call(&app, &Nonces {}).await;
        }
    }
    let good = browser.request(&app, &order());
    for (host, status) in [
        ("sign.pan.localhost:3000", StatusCode::METHOD_NOT_ALLOWED),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("pan.localhost:3001", StatusCode::MISDIRECTED_REQUEST),
    ] {
        assert_eq!(app.send(good.clone().with("host", host).build()).await.status, status, "{host}");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        let mut request = good.build();
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(app.send(request).await.status, StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn signature_is_valid_for_five_seconds() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let old = browser.request(&app, &read());
    app.wait(7_000);
    assert_eq!(app.send(old.build()).await.code(), Code::UseFreshNonce);
    let early = browser.sign::<ReadNotes>(app.now() / 1000 + 8, browser.nonces[0], "{}".into(), None);
    assert_eq!(app.send(early.build()).await.code(), Code::UseFreshNonce);
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn proof_of_other_action_or_time_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let body = serde_json::to_string(&rename()).unwrap();
    let sign = |proof: Option<Proof>| {
        browser.sign::<Rename>(app.now() / 1000, browser.nonces[0], body.clone(), proof.as_ref())
    };
    let wrong = sign(proof_of::<Order>(Level::Confirmed, app.now()));
    assert_eq!(app.send(wrong.build()).await.code(), Code::InvalidProof);
    for at in [app.now() - 7_000, app.now() + 7_000, 0, u64::MAX] {
        let stale = sign(proof_of::<Rename>(Level::Interaction, at));
        assert_eq!(app.send(stale.build()).await.code(), Code::InvalidProof, "{at}");
    }
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn signature_of_another_key_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let thief = Browser { key: new_key(), ..browser.clone() };
    let signed = thief.sign::<ReadNotes>(app.now() / 1000, thief.nonces[0], "{}".into(), None);
    assert_eq!(app.send(signed.build()).await.code(), Code::InvalidProof);
    browser.nonces.remove(0);
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn cross_site_request_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let good = browser.request(&app, &read());
    for signed in [
        good.clone().with("origin", "https://evil.example"),
        good.clone().with("origin", "http://sign.pan.localhost:3000"),
        good.clone().with("origin", "null"),
        good.clone().with("sec-fetch-site", "cross-site"),
        good.clone().with("sec-fetch-site", "same-site"),
        good.clone().with("sec-fetch-site", "none"),
    ] {
        assert_eq!(app.send(signed.build()).await.code(), Code::ForbiddenOrigin);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""] {
        let reply = app.send(good.clone().with("content-type", content_type).build()).await;
        assert_eq!((reply.code(), reply.status), (Code::Malformed, StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let mut request = good.build();
    request.headers_mut().remove(header::ORIGIN);
    assert_eq!(app.send(request).await.code(), Code::ForbiddenOrigin);
    assert_eq!(app.send(good.build()).await.status, StatusCode::OK, "rejected requests spend no nonce");
}

#[tokio::test]
async fn foreign_or_oversized_body_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for body in ["", "[]", "null", "{} {}", r#"{"x":1}"#, "{", "\u{feff}{}"] {
        let signed = browser.sign::<ReadNotes>(app.now() / 1000, browser.nonces[0], body.into(), None);
        assert_eq!(app.send(signed.build()).await.code(), Code::Malformed, "{body}");
    }
    let large = format!("{{{}}}", " ".repeat(64 * 1024));
    let signed = browser.sign::<ReadNotes>(app.now() / 1000, browser.nonces[0], large.clone(), None);
    let reply = app.send(signed.build()).await;
    assert_eq!((reply.code(), reply.status), (Code::Malformed, StatusCode::PAYLOAD_TOO_LARGE));
    let reply = app.send(from_app("/api/public").body(large.into()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE, "public functions too");
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn unknown_function_is_rejected_before_handlers() {
    let app = app();
    for path in ["/api/unknown", "/api/%6frder", "/api/order/", "//api/order", "/", "/account"] {
        let reply = app.send(from_app(path).body(Body::from("{}")).unwrap()).await;
        assert_eq!((reply.code(), reply.status), (Code::Malformed, StatusCode::NOT_FOUND), "{path}");
    }
    let get = Request::get("/api/notes").header("host", "pan.localhost:3000").body(Body::empty()).unwrap();
    assert_eq!(app.send(get).await.status, StatusCode::NOT_FOUND);
}

/// Case 13: a password manager submits a form of a page by itself, or script is off.
#[tokio::test]
async fn form_of_a_page_leads_to_the_page_again() {
    let app = app();
    for (path, location) in [("/account", "/account"), ("//evil.example/", "/account"), ("/\\evil.example", "/account")]
    {
        let form = http::Request::post(path.replace('\\', "%5C")).header("host", "pan.localhost:3000");
        let form = form.header("content-type", "application/x-www-form-urlencoded").body(Body::from("to=bob&amount=1"));
        let reply = app.send(form.unwrap()).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path}");
        let target = reply.headers["location"].to_str().unwrap();
        assert!(target == location || target == "/%5Cevil.example", "{target}");
    }
    let json = http::Request::post("/account").header("host", "pan.localhost:3000");
    let json = json.header("content-type", "application/json").body(Body::from("{}")).unwrap();
    assert_eq!(app.send(json).await.status, StatusCode::NOT_FOUND);
    let function = from_app("/api/order").header("content-type", "text/plain").body(Body::from("{}")).unwrap();
    assert_ne!(app.send(function).await.status, StatusCode::SEE_OTHER);
}
