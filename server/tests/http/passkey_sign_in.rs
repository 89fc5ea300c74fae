//! Sign-in with a passkey (attack 30).

use http::{StatusCode, header};
use protocol::{
    passkey::{PasskeySignIn, PasskeySignedIn},
    problem::Code,
    sign_origin::sign_in_statement,
};
use server::audit::Outcome;

use crate::{
    TestApp, app,
    authenticator::{Authenticator, Ceremony, Change, PRESENT},
    browser::{Browser, PASSWORD, Reply, new_key, public, sign},
    owner_still_acts,
    passkeys::with_passkey,
};

/// The body of `POST /sign-in/passkey`, for a browser with a fresh challenge.
async fn body(app: &TestApp, browser: &Browser, passkey: &mut Authenticator, change: Change<'_>) -> PasskeySignIn {
    let (key, challenge) = (public(&browser.confirmation), browser.challenge(app).await);
    let statement = sign_in_statement("sign.pan.localhost:3000", &challenge, &key.thumbprint());
    PasskeySignIn {
        jwk: key.to_jwk(),
        challenge,
        signature: sign(&browser.confirmation, &statement),
        passkey: passkey.assert(&statement, change),
    }
}

async fn post(app: &TestApp, browser: &mut Browser, body: &PasskeySignIn) -> Reply {
    let reply = browser.send_from_frame(app, "/sign-in/passkey", serde_json::to_vec(body).unwrap()).await;
    if reply.status == StatusCode::OK {
        let ticket = reply.json::<PasskeySignedIn>().ticket;
        browser.handle = ticket.token().handle();
        browser.ticket = Some(ticket);
        [browser.sign, browser.known] = reply.cookies().try_into().expect("two cookies");
    }
    reply
}

#[tokio::test]
async fn passkey_signs_in_without_password() {
    let app = app();
    let (_, mut phone) = with_passkey(&app, "ada").await;
    let mut browser = Browser::new();
    let sent = body(&app, &browser, &mut phone, &|_| ()).await;
    let reply = post(&app, &mut browser, &sent).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json::<PasskeySignedIn>().user.as_str(), "ada");
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    owner_still_acts(&app, &mut browser).await;
    assert_eq!(app.logged("sign_in", Outcome::Passed).await, 1);
    // The same body again: the challenge is used.
    assert_eq!(post(&app, &mut browser, &sent).await.code(), Code::UseFreshNonce);
}

#[tokio::test]
async fn attack_30_damaged_sign_in_gets_one_reply() {
    let app = app();
    let (_, mut phone) = with_passkey(&app, "ada").await;
    let mut unknown = Authenticator::new("ada");
    let password = Browser::new().post(&app, "/sign-in", "ada", "wrong").await;
    let changes: [(&str, Change); 7] = [
        ("other challenge", &|ceremony| ceremony.challenge = [1; 32]),
        ("app origin", &|ceremony| ceremony.origin = "http://pan.localhost:3000".to_owned()),
        ("cross-origin", &|ceremony| ceremony.cross_origin = Some(true)),
        ("other RP ID", &|ceremony| ceremony.rp_id = "evil.example".to_owned()),
        ("no user verification", &|ceremony| ceremony.flags = PRESENT),
        ("no user handle", &|ceremony| ceremony.user = None),
        ("other user handle", &|ceremony| ceremony.user = Some(vec![1; 32])),
    ];
    for (what, change) in changes {
        let mut browser = Browser::new();
        let sent = body(&app, &browser, &mut phone, change).await;
        let reply = post(&app, &mut browser, &sent).await;
        assert_eq!((reply.status, &reply.body), (password.status, &password.body), "{what}");
        assert_eq!(reply.cookies().len(), 0, "{what}");
    }
    let mut browser = Browser::new();
    let sent = body(&app, &browser, &mut unknown, &|_| ()).await;
    let reply = post(&app, &mut browser, &sent).await;
    assert_eq!((reply.status, &reply.body), (password.status, &password.body), "an unknown passkey");
    // The positive control.
    let sent = body(&app, &browser, &mut phone, &|_| ()).await;
    assert_eq!(post(&app, &mut browser, &sent).await.status, StatusCode::OK);
}

/// An assertion that a phishing or malicious party has got signs in the key that it was made for, and no other.
#[tokio::test]
async fn attack_30_assertion_is_bound_to_the_new_key() {
    let app = app();
    let (_, mut phone) = with_passkey(&app, "ada").await;
    let owner = Browser::new();
    let sent = body(&app, &owner, &mut phone, &|_| ()).await;
    let mut thief = Browser { confirmation: new_key(), ..owner.clone() };
    let key = public(&thief.confirmation);
    let statement = sign_in_statement("sign.pan.localhost:3000", &sent.challenge, &key.thumbprint());
    let stolen = PasskeySignIn { jwk: key.to_jwk(), signature: sign(&thief.confirmation, &statement), ..sent.clone() };
    assert_eq!(post(&app, &mut thief, &stolen).await.code(), Code::WrongCredentials);
    // With the owner's key, but without a signature by it.
    let sent = body(&app, &owner, &mut phone, &|_| ()).await;
    let unsigned = PasskeySignIn { signature: sign(&thief.confirmation, "pan-sign-in/1"), ..sent };
    assert_eq!(post(&app, &mut thief, &unsigned).await.code(), Code::InvalidProof);
}

#[tokio::test]
async fn passkey_signs_in_from_sign_origin_only() {
    let app = app();
    let (_, mut phone) = with_passkey(&app, "ada").await;
    let browser = Browser::new();
    let sent = serde_json::to_vec(&body(&app, &browser, &mut phone, &|_: &mut Ceremony| ()).await).unwrap();
    for (name, value) in [("origin", "http://pan.localhost:3000"), ("sec-fetch-site", "same-site")] {
        let mut request = crate::browser::from_frame("/sign-in/passkey").body(sent.clone().into()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(app.send(request).await.code(), Code::ForbiddenOrigin);
    }
    let request = crate::browser::from_app("/sign-in/passkey").body(sent.into()).unwrap();
    assert_ne!(app.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn passkey_sign_ins_are_limited_per_account() {
    let app = app();
    let (_, mut phone) = with_passkey(&app, "ada").await;
    let mut codes = Vec::new();
    for _ in 0..11 {
        let mut browser = Browser::new();
        let sent = body(&app, &browser, &mut phone, &|ceremony| ceremony.flags = PRESENT).await;
        codes.push(post(&app, &mut browser, &sent).await.code());
    }
    assert_eq!(codes[..10], [Code::WrongCredentials; 10]);
    assert_eq!(codes[10], Code::RateLimited);
    // Passwords of the account are counted apart: anyone can send wrong ones.
    let reply = Browser::new().post(&app, "/sign-in", "ada", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_name_who_may_use_passkeys() {
    let app = app();
    let get = async |host: &str, path: &str| {
        let request = http::Request::get(path).header(header::HOST, host).body(axum::body::Body::empty());
        app.send(request.unwrap()).await
    };
    let policy = |reply: &Reply| reply.headers["permissions-policy"].to_str().unwrap().to_owned();
    for path in ["/sign-in", "/register", "/recover", "/confirm"] {
        let policy = policy(&get("sign.pan.localhost:3000", path).await);
        assert!(policy.contains("publickey-credentials-get=(self), publickey-credentials-create=(self)"), "{path}");
        assert!(policy.contains("camera=()"), "{path}");
    }
    for (host, path) in [("sign.pan.localhost:3000", "/"), ("pan.localhost:3000", "/nowhere")] {
        let policy = policy(&get(host, path).await);
        assert!(policy.contains("publickey-credentials-get=(), publickey-credentials-create=()"), "{host} {path}");
    }
    // Browsers ask the host of the RP ID which other origins may use its passkeys.
    let reply = get("sign.pan.localhost:3000", "/.well-known/webauthn").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}
