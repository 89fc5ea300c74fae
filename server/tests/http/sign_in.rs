//! Sign-in and registration on the sign origin (attacks 14, 17 and 24).

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use protocol::{
    problem::{Code, Problem},
    sign_origin::{Bind, SignIn, SignedIn},
    token::Challenge,
};
use server::{
    Functions,
    audit::Outcome,
    settings::{Limits, Settings},
    store::{RecordKey, Stores},
};

use crate::{
    TestApp, app,
    browser::{Browser, PASSWORD, Reply, encoded, from_app, from_frame, new_key, public},
    owner_still_acts,
    test_actions::CATALOGUE,
    test_app::accounts,
};

/// A manipulation of a valid body.
type Change<'a> = &'a dyn Fn(&mut serde_json::Value);

const PAGES: [&str; 4] = ["/sign-in", "/register", "/recover", "/confirm"];

async fn get(app: &TestApp, path: &str) -> Reply {
    let request = Request::get(path).header(header::HOST, "sign.pan.localhost:3000").body(Body::empty());
    app.send(request.unwrap()).await
}

async fn post_json(app: &TestApp, path: &str, body: impl serde::Serialize) -> Reply {
    let body = serde_json::to_vec(&body).unwrap();
    app.send(from_frame(path).body(body.into()).unwrap()).await
}

#[tokio::test]
async fn sign_in_gives_ticket_and_cookie() {
    let app = app();
    app.browser("ada").await;
    let mut browser = Browser::new();
    let reply = browser.post(&app, "/sign-in", "ada", PASSWORD).await;
    let SignedIn { enter, now, .. } = reply.json();
    assert_eq!((reply.status, enter.as_str(), now), (StatusCode::OK, "http://pan.localhost:3000/enter", app.now()));
    let set: Vec<_> = reply.headers.get_all(header::SET_COOKIE).iter().map(|set| set.to_str().unwrap()).collect();
    let [set, known] = set[..] else { panic!("{set:?}") };
    assert!(known.starts_with("__Host-pan-known="), "{known}");
    assert!(known.ends_with("; Path=/; Max-Age=15552000; Secure; HttpOnly; SameSite=Strict"), "{known}");
    assert!(set.starts_with(&format!("__Host-pan-sign={}.", browser.handle)), "{set}");
    assert!(set.ends_with("; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Strict"), "{set}");
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    owner_still_acts(&app, &mut browser).await;
}

/// A page on the app origin, genuine or not, cannot submit a password.
#[tokio::test]
async fn attack_24_only_sign_origin_takes_passwords() {
    let app = app();
    app.browser("ada").await;
    let browser = Browser::new();
    let good = serde_json::to_string(&browser.credentials(browser.challenge(&app).await, "ada", PASSWORD)).unwrap();
    for path in ["/sign-in", "/register", "/recover"] {
        let reply = app.send(from_app(path).body(good.clone().into()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "the app origin has no such path");
        for (name, value) in [
            ("origin", Some("http://pan.localhost:3000")),
            ("origin", Some("https://evil.example")),
            ("origin", Some("null")),
            ("origin", None),
            ("sec-fetch-site", Some("same-site")),
            ("sec-fetch-site", Some("cross-site")),
            ("sec-fetch-site", Some("none")),
            ("sec-fetch-site", None),
        ] {
            let mut request = from_frame(path).body(Body::from(good.clone())).unwrap();
            request.headers_mut().remove(name);
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            let reply = app.send(request).await;
            assert_eq!((reply.code(), reply.cookies().len()), (Code::ForbiddenOrigin, 0), "{name} {value:?}");
        }
    }
    // The rejected requests have not used up the challenge.
    let reply = app.send(from_frame("/sign-in").body(good.into()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_password_and_unknown_user_get_one_reply() {
    let app = app();
    app.browser("ada").await;
    let wrong = Browser::new().post(&app, "/sign-in", "ada", "wrong").await;
    let unknown = Browser::new().post(&app, "/sign-in", "unknown", "wrong").await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::UNAUTHORIZED, Code::WrongCredentials));
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.cookies().len() + unknown.cookies().len(), 0);
    assert_eq!(app.logged("sign_in", Outcome::Refused).await, 2);
}

/// Cases 5 and 9: after a failed sign-in, the user's other devices stay signed in.
#[tokio::test]
async fn failed_sign_ins_displace_nothing() {
    let app = app();
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(app.browser("ada").await);
        app.wait(1_000);
    }
    for _ in 0..4 {
        let mut wrong = Browser::new();
        assert_eq!(wrong.post(&app, "/sign-in", "ada", "wrong").await.code(), Code::WrongCredentials);
        // With the owner's cookies too.
        let mut wrong = Browser { confirmation: new_key(), ..browsers[0].clone() };
        assert_eq!(wrong.post(&app, "/sign-in", "ada", "wrong").await.code(), Code::WrongCredentials);
    }
    app.wait(60_000);
    let unproven = SignIn {
        jwk: public(&new_key()).to_jwk(),
        ..Browser::new().credentials(browsers[0].challenge(&app).await, "ada", PASSWORD)
    };
    assert_eq!(post_json(&app, "/sign-in", unproven).await.code(), Code::InvalidProof);
    for browser in &mut browsers {
        owner_still_acts(&app, browser).await;
    }
    // Nor do sign-ins whose response is lost.
    let mut fourth = Browser::new();
    for _ in 0..4 {
        assert_eq!(fourth.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    }
    for browser in &mut browsers {
        owner_still_acts(&app, browser).await;
    }
    // The positive control: entering a session ends the oldest.
    assert_eq!(fourth.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browsers[0].call(&app, &crate::read()).await.code(), Code::InvalidSession);
    owner_still_acts(&app, &mut browsers[1]).await;
}

#[tokio::test]
async fn challenge_is_good_once_for_two_minutes() {
    let app = app();
    let mut owner = app.browser("ada").await;
    let browser = Browser::new();
    let body = browser.credentials(browser.challenge(&app).await, "ada", PASSWORD);
    assert_eq!(post_json(&app, "/sign-in", &body).await.status, StatusCode::OK);
    assert_eq!(post_json(&app, "/sign-in", &body).await.code(), Code::UseFreshNonce, "replayed");
    let unknown = browser.credentials(Challenge::new([7; 32]), "ada", PASSWORD);
    assert_eq!(post_json(&app, "/sign-in", unknown).await.code(), Code::UseFreshNonce);
    let late = browser.credentials(browser.challenge(&app).await, "ada", PASSWORD);
    app.wait(120_000);
    assert_eq!(post_json(&app, "/sign-in", late).await.code(), Code::UseFreshNonce);
    owner_still_acts(&app, &mut owner).await;
}

#[tokio::test]
async fn challenge_takes_an_empty_object() {
    let app = app();
    for (body, status) in [("{}", 200), ("", 400), ("[]", 400), ("{ }", 400), (r#"{"for":"ada"}"#, 400)] {
        let reply = app.send(from_frame("/challenge").body(body.into()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{body}");
    }
}

/// The server checks the key before the password, so the wrong password is not reported.
#[tokio::test]
async fn confirmation_key_must_be_proven() {
    let app = app();
    app.browser("ada").await;
    let browser = Browser::new();
    let other = serde_json::to_value(public(&new_key()).to_jwk()).unwrap();
    let changes: [(&str, Change, Code); 6] = [
        ("another key", &|body| body["jwk"] = other.clone(), Code::InvalidProof),
        ("x and y of two keys", &|body| body["jwk"]["y"] = other["y"].clone(), Code::Malformed),
        ("a private member", &|body| body["jwk"]["d"] = "AAAA".into(), Code::Malformed),
        ("P-384", &|body| body["jwk"]["crv"] = "P-384".into(), Code::Malformed),
        ("no signature", &|body| drop(body.as_object_mut().unwrap().remove("signature")), Code::Malformed),
        ("a member more", &|body| body["admin"] = true.into(), Code::Malformed),
    ];
    for (what, change, code) in changes {
        let challenge = browser.challenge(&app).await;
        let mut body = serde_json::to_value(browser.credentials(challenge, "ada", "wrong")).unwrap();
        change(&mut body);
        assert_eq!(post_json(&app, "/sign-in", body).await.code(), code, "{what}");
    }
    // A signature that binds a frame key does not sign in.
    let challenge = browser.challenge(&app).await;
    let Bind { signature, .. } = Browser { key: browser.confirmation.clone(), ..browser.clone() }.statement(challenge);
    let body = SignIn { signature, ..browser.credentials(challenge, "ada", PASSWORD) };
    assert_eq!(post_json(&app, "/sign-in", body).await.code(), Code::InvalidProof);
}

/// Case 12: systems and keyboards send "ä" as one code point or as two.
#[tokio::test]
async fn decomposed_password_signs_in_to_the_same_account() {
    let app = app();
    let mut browser = Browser::new();
    let registered = browser.post(&app, "/register", "ada", "p\u{e4}ssw\u{f6}rter-1").await;
    assert_eq!(registered.status, StatusCode::OK);
    for (password, status) in [
        ("pa\u{308}sswo\u{308}rter-1", StatusCode::OK),
        ("p\u{e4}sswo\u{308}rter-1", StatusCode::OK),
        ("passworter-1", StatusCode::UNAUTHORIZED),
        ("p\u{e4}ssw\u{f6}rter-1\0", StatusCode::UNAUTHORIZED),
    ] {
        let reply = Browser::new().post(&app, "/sign-in", "ada", password).await;
        assert_eq!(reply.status, status, "{password:?}");
    }
}

#[tokio::test]
async fn weak_password_is_rejected_with_advice() {
    let app = app();
    let long = "mellow tundra ".repeat(74);
    for (password, detail) in [
        ("correct\thorse", "This password contains a control character (U+0009). Leave it out."),
        (
            "correct horse \u{378}",
            "This password contains a code point that is not a character (U+0378). Leave it out.",
        ),
        ("1234567", "This password has fewer than 8 characters. Add a word or two."),
        (&long, "This password is longer than 1024 bytes. Use a shorter one."),
        ("12345678", "This is a top-10 common password. Add another word or two. Uncommon words are better."),
        (
            "pan.localhost",
            "This password is little more than your user name or the name of this site. Use words that have nothing to \
             do with either.",
        ),
    ] {
        let reply = Browser::new().post(&app, "/register", "ada", password).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::WeakPassword));
        assert_eq!(reply.json::<Problem>().detail.as_deref(), Some(detail));
    }
}

#[tokio::test]
async fn registration_writes_the_account_with_its_records() {
    let app = app();
    let balance = RecordKey("balance:ada".to_owned());
    let weak = Browser::new().post(&app, "/register", "ada", "1234").await;
    assert_eq!((weak.status, weak.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::WeakPassword));
    let detail = weak.json::<Problem>().detail.expect("a sentence");
    assert!(detail.starts_with(|c: char| c.is_uppercase()) && detail.ends_with('.'), "{detail}");
    let read = async || app.server.stores().records.read(std::slice::from_ref(&balance)).await.unwrap().remove(0);
    assert_eq!(read().await, None);

    let mut browser = Browser::new();
    assert_eq!(browser.post(&app, "/register", "ada", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(read().await.map(|record| record.value).as_deref(), Some("100000"));
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    let taken = Browser::new().post(&app, "/register", "ada", PASSWORD).await;
    assert_eq!((taken.status, taken.code()), (StatusCode::CONFLICT, Code::NameTaken));
}

#[tokio::test]
async fn registration_can_be_closed() {
    let (settings, stores) = (Settings::default(), Stores::memory());
    let accounts = accounts(&stores, &settings);
    let closed = TestApp::with_users(stores, settings, accounts, &Functions::new(CATALOGUE), |_| Router::new());
    let app = app();
    let browser = Browser::new();
    let body = serde_json::to_vec(&browser.credentials(browser.challenge(&closed).await, "ada", PASSWORD)).unwrap();
    let requests = [
        Request::get("/register").header("host", "sign.pan.localhost:3000").body(Body::empty()).unwrap(),
        from_frame("/register").body(body.into()).unwrap(),
    ];
    for request in requests {
        assert_eq!(closed.send(request).await.status, StatusCode::NOT_FOUND);
    }
    let link = "<p class=\"other\">";
    for (app, is_open) in [(&app, true), (&closed, false)] {
        let page = String::from_utf8(get(app, "/sign-in").await.body).unwrap();
        assert_eq!(page.contains(link), is_open, "the link to the registration page");
    }
    assert_eq!(get(&app, "/register").await.status, StatusCode::OK);
}

/// Case 13: a password manager posts the form, or script is off.
#[tokio::test]
async fn posted_form_gets_the_page_again() {
    let app = app();
    app.browser("ada").await;
    let form = encoded(&[("user", "<ada\">".to_owned()), ("password", PASSWORD.to_owned())]);
    for path in ["/sign-in", "/register"] {
        for kind in ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=UTF-8"] {
            // More often than the sign-in limit, because these requests are not counted.
            for _ in 0..20 {
                let mut request = from_frame(path).body(Body::from(form.clone())).unwrap();
                request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
                let reply = app.send(request).await;
                assert_eq!((reply.status, reply.cookies().len()), (StatusCode::OK, 0));
                assert_eq!(reply.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
                let html = String::from_utf8(reply.body).unwrap();
                assert!(!html.contains(PASSWORD) && !html.contains("<ada"), "{html}");
                assert!(html.contains("press the button"), "{html}");
            }
        }
    }
    assert_eq!(Browser::new().post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sign_ins_are_limited_by_account_and_by_address() {
    let limits = Limits { sign_ins_per_minute_and_account: 3, sign_ins_per_minute_and_address: 8, ..Limits::default() };
    let app = TestApp::with(Stores::memory(), Settings { limits, ..Settings::default() });
    let sign_in = async |user: &str| Browser::new().post(&app, "/sign-in", user, "wrong").await;
    for _ in 0..3 {
        assert_eq!(sign_in("ada").await.code(), Code::WrongCredentials);
    }
    // Whether or not the name exists.
    let reply = sign_in("ada").await;
    assert_eq!((reply.code(), reply.json::<Problem>().retry_after), (Code::RateLimited, Some(60)));
    assert!(reply.headers.contains_key(header::RETRY_AFTER));
    for user in ["bob", "eve", "zoe", "kim"] {
        assert_eq!(sign_in(user).await.code(), Code::WrongCredentials);
    }
    assert_eq!(sign_in("lea").await.code(), Code::RateLimited, "eight of one address");
    app.wait(60_000);
    assert_eq!(sign_in("ada").await.code(), Code::WrongCredentials);
}

#[tokio::test]
async fn pages_cannot_be_framed() {
    let app = app();
    for path in PAGES {
        let reply = get(&app, path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
        assert_eq!(reply.headers["x-frame-options"], "DENY");
        assert_eq!(reply.headers["referrer-policy"], "strict-origin", "or /enter would get `Origin: null`");
        assert_eq!(reply.headers["cache-control"], "no-store");
        let opener = if path == "/confirm" { "unsafe-none" } else { "same-origin" };
        assert_eq!(reply.headers["cross-origin-opener-policy"], opener, "{path}");
    }
    let frame = get(&app, "/").await;
    assert!(!frame.headers.contains_key("x-frame-options"));
    let policy = frame.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors http://pan.localhost:3000"), "{policy}");
}
