//! Entering the app origin with the ticket (attack 25): once, in time, by the key that signed in, from the sign origin.

use axum::body::Body;
use http::{Request, StatusCode, header};
use protocol::{
    built_in::ReadSessions,
    problem::Code,
    push::{Cursor, Push, Security},
    token::{EntryTicket, Nonce, SessionHandle},
};
use server::{
    audit::Outcome,
    random::random,
    store::{Session, Since},
};
use tokio::task::JoinSet;

use crate::{
    TestApp, app,
    browser::{Browser, Reply, encoded, enter_form, new_key},
    owner_still_acts, read,
};

/// Checks that the reply opens no session: a page with a link to the sign-in, and no cookie.
fn assert_rejected(reply: &Reply, status: StatusCode, why: &str) {
    assert_eq!(reply.status, status, "{why}");
    assert_eq!(reply.cookies().len(), 0, "{why}");
    assert!(!reply.headers.contains_key(header::LOCATION), "{why}");
    assert_eq!(reply.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let html = std::str::from_utf8(&reply.body).unwrap();
    assert!(
        html.contains(r#"<a href="http://sign.pan.localhost:3000/sign-in">"#) && !html.contains("<script"),
        "{html}"
    );
}

async fn post(app: &TestApp, browser: &Browser) -> Reply {
    app.send(enter_form(encoded(&browser.form("/account")))).await
}

#[tokio::test]
async fn entering_sets_the_cookie_and_returns() {
    let app = app();
    let browser = app.signed_in("ada").await;
    let reply = app.send(enter_form(encoded(&browser.form("/activity?page=2")))).await;
    assert_eq!(
        (reply.status, &reply.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/activity?page=2".parse().unwrap())
    );
    let set: Vec<_> = reply.headers.get_all(header::SET_COOKIE).iter().map(|set| set.to_str().unwrap()).collect();
    let token = browser.ticket.as_ref().unwrap().token().reveal();
    assert_eq!(
        set,
        [
            // First, so that a browser without support for `Partitioned` keeps the second.
            "__Host-pan=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax; Partitioned".to_owned(),
            format!("__Host-pan={token}; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"),
        ]
    );
    assert_eq!(app.logged("enter", Outcome::Passed).await, 1);
    let Since::Events(events) = app.server.stores().event_log.since(Cursor::default(), 10).await.unwrap() else {
        panic!("no log")
    };
    let is_published = events.into_iter().any(|(_, event)| {
        event.is_some_and(
            |event| matches!(event.push, Push::Security(Security::SignedIn { session, .. }) if session == browser.handle),
        )
    });
    assert!(is_published);
}

#[tokio::test]
async fn attack_25_ticket_enters_once() {
    let app = app();
    let mut browser = app.signed_in("ada").await;
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    assert_rejected(&post(&app, &browser).await, StatusCode::UNAUTHORIZED, "replayed");
    owner_still_acts(&app, &mut browser).await;
}

/// The response is lost, and the browser sends the form again. The other devices stay signed in.
#[tokio::test]
async fn form_is_accepted_again_until_frame_key_is_bound() {
    let app = app();
    let mut others = [app.browser("ada").await, app.browser("ada").await];
    let mut browser = app.signed_in("ada").await;
    let entered = post(&app, &browser).await;
    let again = browser.enter(&app).await;
    assert_eq!((again.status, again.cookies()), (StatusCode::SEE_OTHER, entered.cookies()));
    assert_eq!(app.logged("enter", Outcome::Passed).await, 3, "one entry per session");
    let stolen = Browser { confirmation: new_key(), ..browser.clone() };
    assert_rejected(&post(&app, &stolen).await, StatusCode::FORBIDDEN, "with another key");
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    for browser in others.iter_mut().chain([&mut browser]) {
        owner_still_acts(&app, browser).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_25_concurrent_ticket_uses_enter_once() {
    let app = app();
    let browser = app.signed_in("ada").await;
    let mut sending = JoinSet::new();
    for _ in 0..20 {
        let (app, browser) = (app.clone(), browser.clone());
        sending.spawn(async move { post(&app, &browser).await.cookies() });
    }
    let cookies = sending.join_all().await;
    assert!(cookies.iter().all(|set| *set == cookies[0] && set.len() == 2), "one session: {cookies:?}");
    assert_eq!(app.logged("enter", Outcome::Passed).await, 1);
}

#[tokio::test]
async fn attack_25_stolen_ticket_is_rejected() {
    let app = app();
    let mut owner = app.signed_in("ada").await;
    let mut thief = app.signed_in("eve").await;
    let stolen = Browser { confirmation: thief.confirmation.clone(), ..owner.clone() };
    assert_rejected(&post(&app, &stolen).await, StatusCode::FORBIDDEN, "with another key");
    let mut form = owner.form("/account");
    form[1].1 = thief.form("/account")[1].1.clone();
    assert_rejected(&app.send(enter_form(encoded(&form))).await, StatusCode::FORBIDDEN, "another's signature");
    let mut form = owner.form("/account");
    form[2].1 = "/order?to=eve".to_owned();
    assert_rejected(&app.send(enter_form(encoded(&form))).await, StatusCode::FORBIDDEN, "redirected");
    let unknown = Browser { ticket: Some(EntryTicket::new(random().unwrap())), ..owner.clone() };
    assert_rejected(&post(&app, &unknown).await, StatusCode::UNAUTHORIZED, "unknown");
    // The rejected attempts have not used up the tickets.
    assert_eq!(owner.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(thief.enter(&app).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn attack_25_unused_ticket_leaves_no_session() {
    let app = app();
    let mut owner = app.browser("ada").await;
    let mut browser = app.signed_in("ada").await;
    let listed: Vec<(SessionHandle, Session)> = owner.call(&app, &ReadSessions {}).await.json();
    assert_eq!(listed.iter().map(|(handle, _)| *handle).collect::<Vec<_>>(), [owner.handle]);
    // The token can be derived from the ticket, but opens nothing yet.
    browser.session = format!("__Host-pan={}", browser.ticket.as_ref().unwrap().token().reveal());
    browser.nonces = vec![Nonce::new(random().unwrap())];
    assert_eq!(browser.call(&app, &read()).await.code(), Code::InvalidSession);
    assert_eq!(browser.bind(&app).await.code(), Code::InvalidSession);
    app.wait(60_000);
    assert_rejected(&post(&app, &browser).await, StatusCode::UNAUTHORIZED, "too late");
    assert_eq!(app.signed_in("ada").await.enter(&app).await.status, StatusCode::SEE_OTHER);
}

/// An attacker who has signed in makes the victim's browser enter the attacker's session.
#[tokio::test]
async fn attack_25_login_csrf_is_rejected() {
    let app = app();
    let mut attacker = app.signed_in("eve").await;
    for (name, value) in [
        ("origin", Some("https://evil.example")),
        ("origin", Some("http://pan.localhost:3000")),
        ("origin", Some("http://evil.pan.localhost:3000")),
        ("origin", Some("null")),
        ("origin", None),
        ("sec-fetch-site", Some("cross-site")),
        ("sec-fetch-site", Some("none")),
        ("sec-fetch-mode", Some("cors")),
        ("sec-fetch-mode", Some("no-cors")),
    ] {
        let mut request = enter_form(encoded(&attacker.form("/account")));
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_rejected(&app.send(request).await, StatusCode::FORBIDDEN, &format!("{name} {value:?}"));
    }
    // The sign origin's own page is accepted, also in browsers without Fetch Metadata.
    let mut old = enter_form(encoded(&attacker.form("/account")));
    for name in ["sec-fetch-site", "sec-fetch-mode"] {
        old.headers_mut().remove(name);
    }
    assert_eq!(app.send(old).await.status, StatusCode::SEE_OTHER);
    attacker = app.signed_in("eve").await;
    assert_eq!(attacker.enter(&app).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn attack_25_return_path_stays_on_the_app_origin() {
    let app = app();
    for path in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/.//evil.example",
        "/\r\nset-cookie: a=b",
        "",
        "é",
    ] {
        let browser = app.signed_in("ada").await;
        let reply = app.send(enter_form(encoded(&browser.form(path)))).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path:?}");
        assert_eq!(reply.headers[header::LOCATION], "/account", "{path:?}");
    }
}

#[tokio::test]
async fn form_is_exactly_its_three_fields() {
    let app = app();
    let browser = app.signed_in("ada").await;
    let good = browser.form("/account");
    let more = |name: &'static str, value: &str| {
        let mut form = good.clone();
        form.push((name, value.to_owned()));
        encoded(&form)
    };
    let without = |at: usize| {
        let mut form = good.clone();
        form.remove(at);
        encoded(&form)
    };
    let mut bad = vec![String::new(), more("admin", "1"), "ticket=x&signature=y&return=/".to_owned()];
    bad.extend((0..3).flat_map(|at| [without(at), more(good[at].0, &good[at].1)]));
    for form in bad {
        assert_rejected(&app.send(enter_form(form.clone())).await, StatusCode::BAD_REQUEST, &form);
    }
    let long = more("return", &"a".repeat(5_000));
    assert_rejected(&app.send(enter_form(long)).await, StatusCode::PAYLOAD_TOO_LARGE, "too long");
    let mut json = enter_form(encoded(&good));
    json.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    assert_rejected(&app.send(json).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "another media type");
    assert_eq!(post(&app, &browser).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn address_without_form_leads_to_the_account() {
    let app = app();
    for method in ["GET", "HEAD"] {
        let request = Request::builder().method(method).uri("/enter").header(header::HOST, "pan.localhost:3000");
        let reply = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{method}");
        assert_eq!(reply.headers[header::LOCATION], "/account");
        assert!(reply.cookies().is_empty());
    }
}

#[tokio::test]
async fn rejected_entry_explains_the_cause() {
    let app = app();
    let mut browser = app.signed_in("ada").await;
    let explains = async |request: Request<Body>, words: &str| {
        let html = String::from_utf8(app.send(request).await.body).unwrap();
        assert!(html.contains(words), "{html}");
    };
    for origin in ["null", "https://other.example"] {
        let mut request = enter_form(encoded(&browser.form("/account")));
        request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        explains(request, "from which page the sign-in came").await;
    }
    browser.enter(&app).await;
    browser.bind(&app).await;
    explains(enter_form(encoded(&browser.form("/account"))), "loaded twice").await;
    for _ in 0..30 {
        post(&app, &browser).await;
    }
    explains(enter_form(encoded(&browser.form("/account"))), "too many sign-ins").await;
}

#[tokio::test]
async fn entries_are_limited_by_address() {
    let app = app();
    let browser = Browser { ticket: Some(EntryTicket::new([7; 32])), confirmation: new_key(), ..Browser::new() };
    for _ in 0..30 {
        assert_eq!(post(&app, &browser).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(post(&app, &browser).await.status, StatusCode::TOO_MANY_REQUESTS);
    app.wait(60_000);
    assert_eq!(post(&app, &browser).await.status, StatusCode::UNAUTHORIZED);
}
