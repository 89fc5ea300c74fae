//! The two keys of a session: binding and replacing the frame key, and what each key may sign (attacks 4 and 9).

use crate::test_actions::{Order, ReadNotes, Rename};
use axum::body::Body;
use http::{StatusCode, header};
use p256::ecdsa::SigningKey;
use protocol::{
    action::{Action, Level},
    built_in::{Nonces, PushKeys, RestoreBrowser},
    problem::Code,
    push::ConnectionId,
    sign_origin::{Bind, Bound},
    token::{Nonce, SignSecret},
};
use server::{
    audit::{AuditEntry, AuditLog, Outcome},
    random::random,
};

use crate::{
    TestApp, app,
    browser::{Browser, Reply, Signed, from_frame, new_key, proof_of, public},
    order, owner_still_acts, read, rename,
};

fn client_nonce() -> Nonce {
    Nonce::new(random().unwrap())
}

#[tokio::test]
async fn another_frame_key_is_pending() {
    let app = app();
    let mut browser = app.entered("ada").await;
    let early = browser.sign::<ReadNotes>(app.now() / 1000, client_nonce(), "{}".into(), None);
    assert_eq!(app.send(early.build()).await.code(), Code::UseFreshNonce, "no nonce yet");
    let bound: Bound = browser.bind(&app).await.json();
    assert_eq!((bound.session, bound.nonces.len(), bound.pending), (browser.handle, 4, false));
    let mut other = Browser { key: new_key(), ..browser.clone() };
    let pending: Bound = other.bind(&app).await.json();
    assert_eq!((pending.session, pending.nonces.len(), pending.pending), (browser.handle, 0, true));
    other.nonces = vec![browser.nonces[0]];
    assert_eq!(other.call(&app, &read()).await.code(), Code::InvalidProof, "still the first key");
    browser.nonces.remove(0);
    owner_still_acts(&app, &mut browser).await;
}

/// The response of `/bind` was lost, or a second tab binds the same key.
#[tokio::test]
async fn lost_reply_of_bind_is_repeated() {
    let app = app();
    let mut browser = app.entered("ada").await;
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    browser.nonces.clear();
    let again: Bound = browser.bind(&app).await.json();
    assert_eq!((again.nonces.len(), again.pending), (4, false));
    owner_still_acts(&app, &mut browser).await;
}

#[tokio::test]
async fn bind_request_is_accepted_once() {
    let app = app();
    let browser = app.entered("ada").await;
    let statement = browser.statement(browser.challenge(&app).await);
    assert_eq!(browser.send_bind(&app, &statement).await.status, StatusCode::OK);
    assert_eq!(browser.send_bind(&app, &statement).await.code(), Code::UseFreshNonce, "replayed");
    let late = browser.statement(browser.challenge(&app).await);
    app.wait(120_000);
    assert_eq!(browser.send_bind(&app, late).await.code(), Code::UseFreshNonce, "too late");
}

#[tokio::test]
async fn attack_4_only_the_frame_binds_a_valid_key() {
    let app = app();
    let mut browser = app.entered("ada").await;
    let good = serde_json::to_value(browser.statement(browser.challenge(&app).await)).unwrap();
    for (name, value) in [
        ("origin", "http://pan.localhost:3000"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for path in ["/bind", "/challenge"] {
            let mut request =
                from_frame(path).header(header::COOKIE, &browser.sign).body(Body::from(good.to_string())).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(app.send(request).await.code(), Code::ForbiddenOrigin, "{path} {name} {value}");
        }
    }
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut statement = good.clone();
        change(&mut statement);
        statement
    };
    let der = "pan=:MEQCIGP7c2h5c2xhbmQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAiBj+3NoeXNsYW5kAAAAAAAAAAAAAAAAAAAAAAAAAAAA:";
    let other = serde_json::to_value(public(&new_key()).to_jwk()).unwrap();
    let bad = [
        ("d in the JWK", changed(&|s| s["jwk"]["d"] = "AAAA".into()), Code::Malformed),
        ("P-384", changed(&|s| s["jwk"]["crv"] = "P-384".into()), Code::Malformed),
        ("RSA", changed(&|s| s["jwk"]["kty"] = "RSA".into()), Code::Malformed),
        ("x and y of two keys", changed(&|s| s["jwk"]["y"] = other["y"].clone()), Code::Malformed),
        ("DER", changed(&|s| s["signature"] = der.into()), Code::Malformed),
        ("another key", changed(&|s| s["jwk"] = other.clone()), Code::InvalidProof),
        ("no challenge", changed(&|s| drop(s.as_object_mut().unwrap().remove("challenge"))), Code::Malformed),
        ("not JSON", "pan".into(), Code::Malformed),
    ];
    for (what, statement, code) in bad {
        assert_eq!(browser.send_bind(&app, statement).await.code(), code, "{what}");
    }
    let secret = SignSecret::new(random().unwrap()).reveal();
    let guessed = Browser { sign: format!("__Host-pan-sign={}.{secret}", browser.handle), ..browser.clone() };
    let statement = guessed.statement(browser.challenge(&app).await);
    assert_eq!(guessed.send_bind(&app, statement).await.code(), Code::InvalidSession, "a guessed secret");
    for cookie in ["", "a=b", &browser.session, &format!("__Host-pan-sign={}", browser.handle)] {
        let bare = Browser { sign: cookie.to_owned(), ..browser.clone() };
        assert_eq!(bare.send_bind(&app, &good).await.code(), Code::InvalidSession, "{cookie:?}");
    }
    assert_eq!(browser.send_bind(&app, &good).await.status, StatusCode::OK, "the challenge is still good");
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
}

/// A frame that could sign at level Confirmed would make the confirmation window pointless.
#[tokio::test]
async fn confirmation_key_cannot_become_the_frame_key() {
    let app = app();
    let mut browser = app.entered("ada").await;
    let mut both = Browser { key: browser.confirmation.clone(), ..browser.clone() };
    assert_eq!(both.bind(&app).await.code(), Code::InvalidProof);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    assert_eq!(both.bind(&app).await.code(), Code::InvalidProof, "nor become the pending key");
    // Its signature of the sign-in does not bind it either.
    let challenge = browser.challenge(&app).await;
    let credentials = browser.credentials(challenge, "ada", "any");
    let body = Bind { jwk: credentials.jwk, challenge, signature: credentials.signature };
    assert_eq!(browser.send_bind(&app, body).await.code(), Code::InvalidProof);
}

/// A request of an action at this level, signed with this key even if it is the wrong one for the level.
fn signed_with<A: Action>(app: &TestApp, browser: &Browser, action: &A, level: Level, key: &SigningKey) -> Signed {
    let browser = Browser { key: key.clone(), confirmation: key.clone(), ..browser.clone() };
    let proof = proof_of::<A>(level, app.now());
    browser.sign::<A>(app.now() / 1000, browser.nonces[0], serde_json::to_string(action).unwrap(), proof.as_ref())
}

#[tokio::test]
async fn attack_9_each_level_accepts_only_its_key() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let (frame, confirmation) = (browser.key.clone(), browser.confirmation.clone());
    let by = |level, key: &SigningKey, browser: &Browser| match level {
        Level::Signed => signed_with(&app, browser, &read(), level, key),
        Level::Interaction => signed_with(&app, browser, &rename(), level, key),
        Level::Confirmed | Level::Attested => signed_with(&app, browser, &order(), level, key),
    };
    for (level, right, wrong) in [
        (Level::Signed, &frame, &confirmation),
        (Level::Interaction, &frame, &confirmation),
        (Level::Confirmed, &confirmation, &frame),
    ] {
        let rejected = app.send(by(level, wrong, &browser).build()).await;
        assert_eq!((rejected.status, rejected.code()), (StatusCode::FORBIDDEN, Code::InvalidProof), "{level:?}");
        // The rejected request has spent the nonce.
        browser.nonces.remove(0);
        let passed = app.send(by(level, right, &browser).build()).await;
        assert_eq!(passed.status, StatusCode::OK, "{level:?}");
        browser.issue_nonces(&app).await;
    }
    // A signature of the frame key under the key ID of the confirmation key.
    let claims = signed_with(&app, &browser, &order(), Level::Confirmed, &confirmation);
    let forged = signed_with(&app, &browser, &order(), Level::Confirmed, &frame);
    let forged = claims.with("signature", forged.headers["signature"].to_str().unwrap());
    assert_eq!(app.send(forged.build()).await.code(), Code::InvalidProof);
}

#[tokio::test]
async fn keyid_names_the_key_that_signs() {
    let app = app();
    let browser = app.browser("ada").await;
    let sign = |at: usize, key: &SigningKey| {
        let (created, thumbprint) = (app.now() / 1000, public(key).thumbprint());
        browser.sign_as::<ReadNotes>(created, browser.nonces[at], "{}".into(), None, &browser.key, thumbprint)
    };
    for (at, other) in [&new_key(), &browser.confirmation].into_iter().enumerate() {
        assert_eq!(app.send(sign(at, other).build()).await.code(), Code::InvalidProof);
    }
    assert_eq!(app.send(sign(2, &browser.key).build()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_frame_key_only_confirmation_key_signs() {
    let app = app();
    let browser = app.entered("ada").await;
    let request_nonces = |key: &SigningKey, level| {
        let browser = Browser { nonces: vec![client_nonce()], ..browser.clone() };
        signed_with(&app, &browser, &Nonces {}, level, key)
    };
    assert_eq!(app.send(request_nonces(&new_key(), Level::Signed).build()).await.code(), Code::InvalidProof);
    assert_eq!(app.send(request_nonces(&browser.confirmation, Level::Signed).build()).await.code(), Code::InvalidProof);
    // A Confirmed request satisfies the lower level.
    assert_eq!(app.send(request_nonces(&browser.confirmation, Level::Confirmed).build()).await.status, StatusCode::OK);
}

fn restore(app: &TestApp, browser: &Browser, key: &SigningKey, level: Level, by: &SigningKey) -> Signed {
    let browser = Browser { nonces: vec![client_nonce()], ..browser.clone() };
    signed_with(app, &browser, &RestoreBrowser { key: public(key).thumbprint() }, level, by)
}

#[tokio::test]
async fn confirmation_key_restores_lost_frame_key() {
    let app = app();
    let mut old = app.browser("ada").await;
    let mut new = Browser { key: new_key(), nonces: Vec::new(), ..old.clone() };
    let confirmation = old.confirmation.clone();
    let send = async |signed: Signed| app.send(signed.build()).await;
    let no_pending_key = send(restore(&app, &new, &new.key, Level::Confirmed, &confirmation)).await;
    assert_eq!((no_pending_key.status, no_pending_key.code()), (StatusCode::CONFLICT, Code::Malformed));
    assert!(new.bind(&app).await.json::<Bound>().pending);

    // Only a confirmed request is accepted, and only for the key that the window showed.
    for (why, signed, code) in [
        ("the bound frame key", restore(&app, &new, &new.key, Level::Confirmed, &old.key), Code::InvalidProof),
        ("the pending frame key", restore(&app, &new, &new.key, Level::Confirmed, &new.key), Code::InvalidProof),
        ("not confirmed", restore(&app, &new, &new.key, Level::Interaction, &old.key), Code::StepUpRequired),
        ("another key", restore(&app, &new, &new_key(), Level::Confirmed, &confirmation), Code::Malformed),
    ] {
        let reply = send(signed).await;
        assert_eq!(reply.code(), code, "{why}");
        // A signature by the confirmation key gets nonces, whatever becomes of the key.
        assert_eq!(reply.nonces().len(), if code == Code::Malformed { 4 } else { 0 }, "{why}");
    }
    owner_still_acts(&app, &mut old).await;

    let signed = restore(&app, &new, &new.key, Level::Confirmed, &confirmation);
    let reply: Reply = send(signed.clone()).await;
    assert_eq!((reply.status, reply.nonces().len()), (StatusCode::OK, 4));
    new.take_nonces(&reply.headers);
    owner_still_acts(&app, &mut new).await;
    assert_eq!(old.call(&app, &read()).await.code(), Code::InvalidProof, "the old key has ended");
    assert_eq!(send(signed).await.code(), Code::NonceUsed, "replayed");
    let again = send(restore(&app, &new, &new.key, Level::Confirmed, &confirmation)).await;
    assert_eq!((again.status, again.nonces().len()), (StatusCode::OK, 4), "the reply got lost");
    let back = send(restore(&app, &new, &old.key, Level::Confirmed, &confirmation)).await;
    assert_eq!(back.code(), Code::Malformed, "the old key waits for nothing");
    assert!(!new.bind(&app).await.json::<Bound>().pending, "the frame tries again and is bound");
}

#[tokio::test]
async fn audit_log_names_both_keys() {
    let app = app();
    let old = app.browser("ada").await;
    let mut new = Browser { key: new_key(), ..old.clone() };
    new.bind(&app).await;
    let signed = restore(&app, &new, &new.key, Level::Confirmed, &old.confirmation);
    assert_eq!(app.send(signed.build()).await.status, StatusCode::OK);
    app.server.flush().await;
    let entries = app.server.stores().audit_log.lines_after(AuditLog::Security, 0, 100).await.unwrap();
    let events = entries.iter().map(|(_, line)| AuditEntry::parse(line).unwrap().body.event);
    let keys: Vec<_> = events
        .filter(|event| event.reason.is_some() && event.outcome == Outcome::Passed)
        .map(|event| (event.action.into_owned(), event.reason.unwrap().into_owned()))
        .collect();
    let both = |browser: &Browser| {
        let [frame, confirmation] = [&browser.key, &browser.confirmation].map(|key| public(key).thumbprint());
        format!("frame {frame}, confirmation {confirmation}")
    };
    let expected = [("bind", both(&old)), ("bind_pending", both(&new)), ("bind", both(&new))];
    assert_eq!(keys, expected.map(|(action, keys)| (action.to_owned(), keys)));
}

#[tokio::test]
async fn push_keys_are_agreed_with_the_sign_origin() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let push_keys = || PushKeys { key: public(&new_key()), conn: ConnectionId::new(random().unwrap()) };
    let good = browser.request(&app, &push_keys());
    let secret = SignSecret::new(random().unwrap()).reveal();
    let other = app.browser("bob").await;
    for (why, signed, code) in [
        ("sent by the page", good.clone().with("origin", "http://pan.localhost:3000"), Code::ForbiddenOrigin),
        ("same-site", good.clone().with("sec-fetch-site", "same-site"), Code::ForbiddenOrigin),
        ("no cookie", good.clone().without("cookie"), Code::InvalidSession),
        ("the page's cookie", good.clone().with("cookie", &browser.session), Code::InvalidSession),
        ("another user's cookie", good.clone().with("cookie", &other.sign), Code::InvalidSession),
    ] {
        assert_eq!(app.send(signed.build()).await.code(), code, "{why}");
    }
    let mut silent = good.build();
    silent.headers_mut().remove("sec-fetch-site");
    assert_eq!(app.send(silent).await.code(), Code::ForbiddenOrigin);
    let mut elsewhere = good.build();
    for (name, value) in [("host", "pan.localhost:3000"), ("origin", "http://pan.localhost:3000")] {
        elsewhere.headers_mut().insert(name, value.parse().unwrap());
    }
    elsewhere.headers_mut().insert(header::COOKIE, browser.session.parse().unwrap());
    let reply = app.send(elsewhere).await;
    assert_eq!(
        (reply.status, reply.code()),
        (StatusCode::NOT_FOUND, Code::Malformed),
        "the app origin has no such path"
    );
    assert_eq!(app.send(good.build()).await.status, StatusCode::OK);

    let guessed = format!("__Host-pan-sign={}.{secret}", browser.handle);
    let signed = browser.request(&app, &push_keys()).with("cookie", &guessed);
    assert_eq!(app.send(signed.build()).await.code(), Code::InvalidSession);
    // A request that was signed for the app origin is rejected here, even with this origin's cookie.
    let of_page = browser.request(&app, &read());
    let moved = Signed { path: PushKeys::PATH.to_owned(), ..of_page }.with("cookie", &browser.sign);
    assert!(app.send(moved.build()).await.status.is_client_error());
}

#[tokio::test]
async fn higher_level_needs_its_own_key() {
    let app = app();
    let browser = app.browser("ada").await;
    let signed = signed_with::<Rename>(&app, &browser, &rename(), Level::Confirmed, &browser.confirmation);
    assert_eq!(app.send(signed.build()).await.status, StatusCode::OK);
    assert_eq!(Order::LEVEL, Level::Confirmed);
}
