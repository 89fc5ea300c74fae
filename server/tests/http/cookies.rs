//! Cookies that script or a sibling host has planted (attack 26, and real-world cases 4 to 6): they do not lock the user
//! out, and the next sign-in removes them.

use http::{HeaderValue, StatusCode, header};
use protocol::{built_in::SignOut, problem::Code, token::SessionToken};
use server::{audit::Outcome, random::random};

use crate::{
    TestApp, app,
    browser::{Browser, PASSWORD, Reply, Signed, encoded, enter_form},
    owner_still_acts, read,
};

/// Sends a signed request with this `Cookie` header.
async fn send(app: &TestApp, signed: &Signed, cookie: &[u8]) -> Reply {
    let mut request = signed.build();
    request.headers_mut().insert(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
    app.send(request).await
}

fn shadow(token: &str) -> String {
    format!("__Host-pan={token}")
}

/// Case 4: `Partitioned` creates a second cookie of the same name, which `Set-Cookie` without it does not replace.
#[tokio::test]
async fn attack_26_partitioned_shadow_does_not_lock_out() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let stranger = SessionToken::new(random().unwrap()).reveal();
    let of_attacker = app.browser("eve").await.session;
    for planted in [shadow(&"A".repeat(43)), shadow(""), shadow("short"), shadow(&stranger), of_attacker] {
        for cookie in [format!("{planted}; {}", browser.session), format!("{}; {planted}", browser.session)] {
            let signed = browser.request(&app, &read());
            let reply = send(&app, &signed, cookie.as_bytes()).await;
            assert_eq!(reply.status, StatusCode::OK, "{cookie}");
            browser.take_nonces(&reply.headers);
        }
    }
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0);
    // Signing out works, and removes the shadow.
    let signed = browser.request(&app, &SignOut {});
    let reply = send(&app, &signed, format!("{}; {}", shadow(&stranger), browser.session).as_bytes()).await;
    assert_eq!((reply.status, reply.cookies().len()), (StatusCode::OK, 3));
    // Signing in does too.
    let again = app.signed_in("ada").await;
    let mut request = enter_form(encoded(&again.form("/account")));
    request.headers_mut().insert(header::COOKIE, shadow(&"A".repeat(43)).parse().unwrap());
    let reply = app.send(request).await;
    let cleared = reply.headers.get_all(header::SET_COOKIE).iter().any(|set| {
        let set = set.to_str().unwrap();
        set.starts_with("__Host-pan=;") && set.contains("Max-Age=0") && set.ends_with("; Partitioned")
    });
    assert!(reply.status == StatusCode::SEE_OTHER && cleared, "{reply:?}");
}

/// A shadow is no session: a request without the session's own token is rejected.
#[tokio::test]
async fn attack_26_shadow_cookie_alone_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let eve = app.browser("eve").await;
    for (planted, code) in [
        (shadow(&"A".repeat(43)), Code::InvalidSession),
        (shadow("short"), Code::InvalidSession),
        (eve.session.clone(), Code::InvalidSession),
    ] {
        let signed = browser.request(&app, &read());
        assert_eq!(send(&app, &signed, planted.as_bytes()).await.code(), code, "{planted}");
    }
    browser.issue_nonces(&app).await;
    owner_still_acts(&app, &mut browser).await;
}

/// Case 5: cookies with former and current names on the sign origin, over three sign-outs and sign-ins.
#[tokio::test]
async fn attack_26_planted_cookies_end_no_other_session() {
    let app = app();
    let mut other_device = app.browser("ada").await;
    let mut browser = app.browser("ada").await;
    for _ in 0..3 {
        let signed_out = browser.call(&app, &SignOut {}).await;
        assert_eq!(signed_out.status, StatusCode::OK);
        let planted = format!("pan-bind=x; __Host-pan-sign=x; __Host-pan-sign={}.x", browser.handle);
        browser = Browser { sign: planted, session: shadow("x"), ..Browser::new() };
        assert_eq!(browser.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
        assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
        browser.sign = format!("pan-bind=x; __Host-pan-sign=x; {}", browser.sign);
        assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
        owner_still_acts(&app, &mut browser).await;
        owner_still_acts(&app, &mut other_device).await;
    }
}

/// Case 6: bytes that are not ASCII, which browsers do send.
#[tokio::test]
async fn attack_26_non_ascii_cookie_is_ignored() {
    let app = app();
    let mut browser = app.browser("ada").await;
    for foreign in
        [b"name=Jos\xc3\xa9".as_slice(), b"name=Jos\xe9", b"\xff=\xff", b"=", b"a", b"a=\"b; c\"", b"__Host-pan=\xe9"]
    {
        let own = browser.session.clone().into_bytes();
        for cookie in [[foreign, b"; ", &own], [&own, b"; ", foreign]] {
            let signed = browser.request(&app, &read());
            let reply = send(&app, &signed, &cookie.concat()).await;
            assert_eq!(reply.status, StatusCode::OK, "{foreign:?}");
            browser.take_nonces(&reply.headers);
        }
    }
    // In a separate header too (RFC 9113 §8.2.3).
    let signed = browser.request(&app, &read());
    let mut request = signed.build();
    request.headers_mut().append(header::COOKIE, HeaderValue::from_bytes(b"name=Jos\xe9").unwrap());
    assert_eq!(app.send(request).await.status, StatusCode::OK);
}
