//! Adding, listing and removing passkeys, and what a registration must show (attack 30).

use http::StatusCode;
use protocol::{
    action::Level,
    built_in::{AddPasskey, ReadPasskeys, RemovePasskey},
    passkey::{MAX_PASSKEYS, OwnPasskeys, SessionPasskeys},
    problem::Code,
    push::{Cursor, PasskeyChange, Push, Security},
    token::SessionHandle,
};
use server::{audit::Outcome, store::Since};

use crate::{
    TestApp, app,
    authenticator::{Authenticator, Change, Key, PRESENT, VERIFIED, with_registration},
    browser::{Browser, Reply, Signed},
};

pub(crate) fn add(name: &str) -> AddPasskey {
    AddPasskey { name: name.parse().unwrap() }
}

pub(crate) fn remove(authenticator: &Authenticator, name: &str) -> RemovePasskey {
    RemovePasskey { passkey: authenticator.id(), name: name.parse().unwrap() }
}

pub(crate) async fn send(app: &TestApp, browser: &mut Browser, request: &Signed) -> Reply {
    let reply = app.send(request.build()).await;
    browser.take_nonces(&reply.headers);
    if browser.nonces.is_empty() {
        browser.issue_nonces(app).await;
    }
    reply
}

pub(crate) async fn list(app: &TestApp, browser: &mut Browser) -> OwnPasskeys {
    browser.call(app, &ReadPasskeys {}).await.json()
}

/// A browser of a user who has one passkey, "Phone".
pub(crate) async fn with_passkey(app: &TestApp, user: &str) -> (Browser, Authenticator) {
    with_passkey_of(app, user, Authenticator::new(user), &|_| ()).await
}

pub(crate) async fn with_passkey_of(
    app: &TestApp,
    user: &str,
    mut phone: Authenticator,
    change: Change<'_>,
) -> (Browser, Authenticator) {
    let mut browser = app.browser(user).await;
    let request = browser.request(app, &add("Phone"));
    let request = phone.register_with(&browser, request, change);
    let reply = send(app, &mut browser, &request).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (browser, phone)
}

#[tokio::test]
async fn passkey_is_added_listed_and_removed() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let OwnPasskeys { passkeys, .. } = list(&app, &mut browser).await;
    assert_eq!((passkeys.len(), passkeys[0].name.as_str()), (1, "Phone"));
    assert_eq!((&passkeys[0].id, passkeys[0].created, passkeys[0].used), (&phone.id(), app.now(), app.now()));

    // The second one needs the first one's signature.
    let mut key = Authenticator::new("ada");
    app.wait(1_000);
    let request = phone.attest(key.register_of(&mut browser, &app, "Key"));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    let OwnPasskeys { passkeys, .. } = list(&app, &mut browser).await;
    assert_eq!(passkeys.iter().map(|passkey| passkey.name.as_str()).collect::<Vec<_>>(), ["Phone", "Key"]);
    assert_eq!(passkeys[0].used, app.now());

    let request = key.attest(browser.request(&app, &remove(&phone, "Phone")));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    let OwnPasskeys { passkeys, .. } = list(&app, &mut browser).await;
    assert_eq!(passkeys.iter().map(|passkey| passkey.name.as_str()).collect::<Vec<_>>(), ["Key"]);
    assert_eq!(app.logged("add_passkey", Outcome::Passed).await, 2);
    assert_eq!(app.logged("remove_passkey", Outcome::Passed).await, 1);
}

/// Windows Hello has no ES256.
#[tokio::test]
async fn rsa_passkey_is_added_and_signs() {
    let app = app();
    let key = Authenticator { key: Key::rs256(), ..Authenticator::new("ada") };
    let (mut browser, mut key) = with_passkey_of(&app, "ada", key, &|_| ()).await;
    let request = browser.request(&app, &remove(&key, "Phone"));
    let forged = key.attest_with(request.clone(), &|ceremony| ceremony.challenge = [1; 32]);
    assert_eq!(send(&app, &mut browser, &forged).await.code(), Code::InvalidProof);
    let request = browser.request(&app, &remove(&key, "Phone"));
    let mut other = Authenticator { key: Key::rs256(), ..key.clone() };
    assert_eq!(send(&app, &mut browser, &other.attest(request)).await.code(), Code::InvalidProof, "another key");
    let request = browser.request(&app, &remove(&key, "Phone"));
    assert_eq!(send(&app, &mut browser, &key.attest(request)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn attack_30_damaged_registration_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let change: [(&str, Change); 9] = [
        ("other challenge", &|ceremony| ceremony.challenge = [1; 32]),
        ("app origin", &|ceremony| ceremony.origin = "http://pan.localhost:3000".to_owned()),
        ("other port", &|ceremony| ceremony.origin = "http://sign.pan.localhost:3001".to_owned()),
        ("cross-origin", &|ceremony| ceremony.cross_origin = Some(true)),
        ("top origin", &|ceremony| ceremony.top_origin = Some("https://evil.example".to_owned())),
        ("other RP ID", &|ceremony| ceremony.rp_id = "evil.example".to_owned()),
        ("no user verification", &|ceremony| ceremony.flags = PRESENT),
        ("no user presence", &|ceremony| ceremony.flags = VERIFIED),
        ("wrong type", &|ceremony| ceremony.kind = "webauthn.get"),
    ];
    for (what, change) in change {
        let request = browser.request(&app, &add("Phone"));
        let request = Authenticator::new("ada").register_with(&browser, request, change);
        let reply = send(&app, &mut browser, &request).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof), "{what}");
    }
    // No registration, one in two headers, and one that is no registration.
    let request = browser.request(&app, &add("Phone"));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::Malformed);
    browser.issue_nonces(&app).await;
    let request = Authenticator::new("ada").register_of(&mut browser, &app, "Phone");
    assert_eq!(send(&app, &mut browser, &request.doubled("pan-new-passkey")).await.code(), Code::Malformed);
    browser.issue_nonces(&app).await;
    let request = browser.request(&app, &add("Phone"));
    let assertion = Authenticator::new("ada").assert(&request.base, &|_| ());
    let request = with_registration(&browser, request, &assertion);
    let reply = send(&app, &mut browser, &request).await;
    assert_eq!(reply.code(), Code::InvalidProof);
    assert_eq!(list(&app, &mut browser).await.passkeys, [], "none was added");
    // The positive control.
    let request = Authenticator::new("ada").register_of(&mut browser, &app, "Phone");
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn key_in_another_format_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let request = browser.request(&app, &add("Phone"));
    let good = Authenticator::new("ada").create(&request.base, &|_| ());
    let damage = |at: usize, byte: u8| {
        use base64ct::{Base64UrlUnpadded as Base64, Encoding};
        let mut credential: serde_json::Value = serde_json::from_str(&good).unwrap();
        let data = credential["response"]["authenticatorData"].as_str().unwrap().to_owned();
        let mut data = Base64::decode_vec(&data).unwrap();
        data[at] ^= byte;
        credential["response"]["authenticatorData"] = Base64::encode_string(&data).into();
        credential.to_string()
    };
    // The algorithm, a coordinate (off the curve), the length of the credential ID, the credential ID, and no damage.
    for (at, byte) in
        [(37 + 16 + 2 + 32 + 4, 1), (37 + 16 + 2 + 32 + 10, 1), (37 + 16 + 1, 1), (37 + 16 + 2, 1), (37 + 16 + 2, 0)]
    {
        let request = browser.request(&app, &add("Phone"));
        let damaged = damage(at, byte);
        // Signed again, so that only the damage is wrong.
        let mut credential: serde_json::Value = serde_json::from_str(&damaged).unwrap();
        let fresh: serde_json::Value =
            serde_json::from_str(&Authenticator::new("ada").create(&request.base, &|_| ())).unwrap();
        credential["response"]["clientDataJSON"] = fresh["response"]["clientDataJSON"].clone();
        let request = with_registration(&browser, request, &credential.to_string());
        let reply = send(&app, &mut browser, &request).await;
        if byte == 0 {
            assert_eq!(reply.status, StatusCode::OK);
        } else {
            assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof), "byte {at}");
        }
    }
}

/// Anyone can write a registration. Script in the page must not replace the one that the window has made.
#[tokio::test]
async fn attack_30_swapped_registration_is_rejected() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let request = Authenticator::new("ada").register_of(&mut browser, &app, "Phone");
    let sent = request.headers["pan-new-passkey"].to_str().unwrap().to_owned();
    let (_, signature) = protocol::passkey::from_new_passkey_header(&sent).unwrap();
    let attackers = Authenticator::new("ada").create(&request.base, &|_| ());
    let header = protocol::passkey::new_passkey_header(&attackers, &signature);
    let reply = send(&app, &mut browser, &request.clone().with("pan-new-passkey", &header)).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof));
    assert_eq!(list(&app, &mut browser).await.passkeys, []);
    let request = Authenticator::new("ada").register_of(&mut browser, &app, "Phone");
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK, "the positive control");
}

/// Malware that drives the browser cannot add a key of its own to the user's.
#[tokio::test]
async fn attack_30_change_needs_existing_passkey() {
    let app = app();
    let (mut browser, phone) = with_passkey(&app, "ada").await;
    let mut own = Authenticator::new("ada");
    let request = own.register_of(&mut browser, &app, "Mine");
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::PasskeyRequired);
    // Not even with a signature by the new key.
    let request = own.attest(own.clone().register_of(&mut browser, &app, "Mine"));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::InvalidProof);
    let request = browser.request(&app, &remove(&phone, "Phone"));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::PasskeyRequired);
    assert_eq!(list(&app, &mut browser).await.passkeys.len(), 1);
}

#[tokio::test]
async fn passkey_of_another_user_is_not_added() {
    let app = app();
    let (_, phone) = with_passkey(&app, "ada").await;
    let mut eve = app.browser("eve").await;
    // The same credential ID with a key of the attacker's.
    let mut copy = Authenticator { key: Key::es256(), ..phone };
    let request = copy.register_of(&mut eve, &app, "Copy");
    let reply = send(&app, &mut eve, &request).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::PasskeyRejected));
    assert_eq!(list(&app, &mut eve).await.passkeys, []);
}

#[tokio::test]
async fn eleventh_passkey_is_rejected() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    for number in 2..=MAX_PASSKEYS + 1 {
        let mut key = Authenticator::new("ada");
        let request = phone.attest(key.register_of(&mut browser, &app, &format!("Key {number}")));
        let reply = send(&app, &mut browser, &request).await;
        assert_eq!(reply.status == StatusCode::OK, number <= MAX_PASSKEYS, "{number}: {reply:?}");
    }
    assert_eq!(list(&app, &mut browser).await.passkeys.len(), MAX_PASSKEYS);
}

/// Script in the page could show another name than that of the passkey to remove.
#[tokio::test]
async fn removal_under_a_wrong_name_is_rejected() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let request = phone.attest(browser.request(&app, &remove(&phone, "Old key")));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::PasskeyRejected);
    assert_eq!(list(&app, &mut browser).await.passkeys.len(), 1);
    // A removed passkey signs nothing any more, and may be added again.
    let request = phone.attest(browser.request(&app, &remove(&phone, "Phone")));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    let request = phone.attest(browser.request(&app, &crate::order()));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::InvalidProof);
    let request = phone.register_of(&mut browser, &app, "Phone");
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_are_announced_to_all_sessions() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let request = phone.attest(browser.request(&app, &remove(&phone, "Phone")));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    let changes: Vec<_> = events(&app).await;
    let handle = Some(browser.handle);
    assert_eq!(
        changes,
        [(PasskeyChange::Added, "Phone".to_owned(), handle), (PasskeyChange::Removed, "Phone".to_owned(), handle)]
    );
}

/// What was announced about passkeys.
pub(crate) async fn events(app: &TestApp) -> Vec<(PasskeyChange, String, Option<SessionHandle>)> {
    let events = app.server.stores().event_log.since(Cursor::default(), 100).await.unwrap();
    let Since::Events(events) = events else { panic!("no events") };
    events
        .into_iter()
        .filter_map(|(_, event)| match event?.push {
            Push::Security(Security::Passkey { change, name, session }) => Some((change, name, session)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn window_learns_credential_ids_with_own_cookie() {
    let app = app();
    let (browser, phone) = with_passkey(&app, "ada").await;
    let ask = async |browser: &Browser, handle: String| {
        browser.send_from_frame(&app, "/passkeys", format!("\"{handle}\"").into_bytes()).await
    };
    let reply = ask(&browser, browser.handle.to_string()).await;
    let SessionPasskeys { user, ids, recent } = reply.json();
    assert_eq!((ids, recent), (vec![phone.id()], true));
    assert!(!user.contains("ada"), "the user handle names nobody");
    let eve = app.browser("eve").await;
    assert_eq!(ask(&eve, browser.handle.to_string()).await.code(), Code::InvalidSession);
    let request = crate::browser::from_app("/passkeys").body(axum::body::Body::from("{}")).unwrap();
    assert_ne!(app.send(request).await.status, StatusCode::OK, "not on the app origin");
    app.wait(5 * 60_000 + 1);
    assert!(!ask(&browser, browser.handle.to_string()).await.json::<SessionPasskeys>().recent);
}

#[tokio::test]
async fn attested_level_is_reported_to_handlers() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let mut level = async |attests: bool| {
        let request = browser.request(&app, &crate::order());
        let request = if attests { phone.attest(request) } else { request };
        let reply = send(&app, &mut browser, &request).await;
        assert_eq!(reply.status, StatusCode::OK);
        reply.headers["x-level"].to_str().unwrap().to_owned()
    };
    assert_eq!(level(true).await, format!("{:?}", Level::Attested));
    assert_eq!(level(false).await, format!("{:?}", Level::Confirmed));
}
