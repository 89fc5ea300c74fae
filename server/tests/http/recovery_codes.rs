//! Creating recovery codes (attack 30).

use std::sync::atomic::Ordering;

use http::StatusCode;
use protocol::{
    built_in::CreateRecoveryCodes,
    passkey,
    problem::{Code, Problem},
    push::PasskeyChange,
    recovery::{self, CODES, CodeHash, RecoveryCode},
};
use server::{
    audit::Outcome,
    random::random,
    store::{RecordKey, RecordStore, Write},
};

use crate::{
    TestApp, app,
    authenticator::Authenticator,
    browser::{Browser, Reply, Signed, new_key, sign},
    passkeys::{add, events, list, remove, send, with_passkey},
    recovery::{Crossing, recover},
};

pub(crate) fn new_codes() -> Vec<RecoveryCode> {
    (0..CODES).map(|_| RecoveryCode::new(random().unwrap())).collect()
}

fn hashes(phone: &Authenticator, codes: &[RecoveryCode]) -> Vec<CodeHash> {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let user = Base64UrlUnpadded::encode_string(&phone.user);
    codes.iter().map(|code| code.hash(&user)).collect()
}

/// Adds the hashes of codes to a request, as the confirmation window does.
fn with_hashes(browser: &Browser, request: Signed, hashes: &[CodeHash]) -> Signed {
    let statement = recovery::statement(&passkey::challenge(&request.base), hashes);
    let header = recovery::header(hashes, &sign(&browser.confirmation, &statement));
    request.with("pan-recovery-codes", &header)
}

/// The request of the confirmation window that creates these codes.
pub(crate) fn request(
    app: &TestApp,
    browser: &mut Browser,
    phone: &mut Authenticator,
    codes: &[RecoveryCode],
) -> Signed {
    let request = browser.request(app, &CreateRecoveryCodes {});
    let request = with_hashes(browser, request, &hashes(phone, codes));
    phone.attest(request)
}

async fn create(app: &TestApp, browser: &mut Browser, phone: &mut Authenticator, codes: &[RecoveryCode]) -> Reply {
    let request = request(app, browser, phone, codes);
    send(app, browser, &request).await
}

/// A browser of a user who has one passkey, "Phone", and recovery codes.
pub(crate) async fn with_codes(app: &TestApp, user: &str) -> (Browser, Authenticator, Vec<RecoveryCode>) {
    let (mut browser, mut phone) = with_passkey(app, user).await;
    let codes = new_codes();
    let reply = create(app, &mut browser, &mut phone, &codes).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (browser, phone, codes)
}

/// What the store has of a user's passkeys and codes.
async fn stored(app: &TestApp, user: &str) -> String {
    let record = app.server.stores().records.read(&[RecordKey(format!("passkeys:{user}"))]).await.unwrap();
    record[0].clone().expect("a record").value
}

#[tokio::test]
async fn codes_are_created_listed_and_replaced() {
    let app = app();
    let (mut browser, mut phone, old) = with_codes(&app, "ada").await;
    let codes = list(&app, &mut browser).await.codes.expect("codes");
    assert_eq!((codes.unused, codes.created), (CODES, app.now()));
    app.wait(60_000);
    let new = new_codes();
    assert_eq!(create(&app, &mut browser, &mut phone, &new).await.status, StatusCode::OK);
    assert_eq!(list(&app, &mut browser).await.codes.map(|codes| codes.created), Some(app.now()));
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &old[0]).await.code(), Code::WrongCredentials);
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &new[9]).await.status, StatusCode::OK);
    assert_eq!(app.logged("create_recovery_codes", Outcome::Passed).await, 2);
}

#[tokio::test]
async fn store_has_only_the_hashes_of_codes() {
    let app = app();
    let (_, phone, codes) = with_codes(&app, "ada").await;
    let stored = stored(&app, "ada").await;
    for (code, hash) in codes.iter().zip(hashes(&phone, &codes)) {
        assert!(stored.contains(&hash.to_string()));
        assert!(!stored.contains(code.reveal()) && !stored.contains(&code.reveal().replace('-', "")));
    }
    // Equal codes of two users have different hashes.
    assert_ne!(hashes(&phone, &codes), hashes(&Authenticator::new("eve"), &codes));
}

/// Anyone can hash a code. Script in the page must not replace the hashes of the codes that the window has shown.
#[tokio::test]
async fn attack_30_replaced_hashes_are_rejected() {
    let app = app();
    let (mut browser, mut phone, codes) = with_codes(&app, "ada").await;
    let mine = new_codes();
    let theirs = hashes(&phone, &mine);
    let earlier = request(&app, &mut browser, &mut phone, &mine);
    let earlier = earlier.headers["pan-recovery-codes"].to_str().unwrap().to_owned();
    browser.issue_nonces(&app).await;
    for what in ["the window's signature", "a key of the attacker's", "the frame key", "of an earlier request"] {
        let signed = request(&app, &mut browser, &mut phone, &new_codes());
        let sent = signed.headers["pan-recovery-codes"].to_str().unwrap();
        let (_, signature) = recovery::from_header(sent).unwrap();
        let statement = recovery::statement(&passkey::challenge(&signed.base), &theirs);
        let header = match what {
            "the window's signature" => recovery::header(&theirs, &signature),
            "a key of the attacker's" => recovery::header(&theirs, &sign(&new_key(), &statement)),
            "the frame key" => recovery::header(&theirs, &sign(&browser.key, &statement)),
            _ => earlier.clone(),
        };
        let reply = send(&app, &mut browser, &signed.with("pan-recovery-codes", &header)).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof), "{what}");
    }
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &mine[0]).await.code(), Code::WrongCredentials);
    // The positive control: the codes that the window has shown.
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.status, StatusCode::OK);
}

/// Malware that drives the browser cannot make codes of its own and then remove the passkeys with one.
#[tokio::test]
async fn attack_30_codes_need_the_passkey() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let unsigned = browser.request(&app, &CreateRecoveryCodes {});
    let unsigned = with_hashes(&browser, unsigned, &hashes(&phone, &new_codes()));
    let reply = send(&app, &mut browser, &unsigned).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::PasskeyRequired));
    let mut own = Authenticator::new("ada");
    let foreign = own.attest(request(&app, &mut browser, &mut phone, &new_codes()));
    assert_eq!(send(&app, &mut browser, &foreign).await.code(), Code::InvalidProof);
    assert_eq!(list(&app, &mut browser).await.codes, None);
    assert_eq!(
        create(&app, &mut browser, &mut phone, &new_codes()).await.status,
        StatusCode::OK,
        "the positive control"
    );
}

/// Malware makes its codes while the user adds the first passkey.
#[tokio::test]
async fn attack_30_codes_need_a_passkey_added_meanwhile() {
    let (records, stores) = Crossing::stores();
    let app = TestApp::new(stores);
    let mut browser = app.browser("ada").await;
    with_passkey(&app, "eve").await;
    let value = stored(&app, "eve").await;
    let request = browser.request(&app, &CreateRecoveryCodes {});
    let request = with_hashes(&browser, request, &hashes(&Authenticator::new("ada"), &new_codes()));
    records.reads.store(0, Ordering::SeqCst);
    records.meeting.store(1, Ordering::SeqCst);
    let adding = async {
        while records.reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The request has read that there is no passkey.
        let added = Write { key: RecordKey("passkeys:ada".to_owned()), seen: 0, value };
        assert!(records.write(&[added]).await.unwrap());
        records.barrier.wait().await;
    };
    let (reply, ()) = tokio::join!(app.send(request.build()), adding);
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::PasskeyRequired));
    assert_eq!(list(&app, &mut browser).await.codes, None);
}

#[tokio::test]
async fn user_without_passkey_gets_no_codes() {
    let app = app();
    let mut browser = app.browser("ada").await;
    let request = browser.request(&app, &CreateRecoveryCodes {});
    let request = with_hashes(&browser, request, &hashes(&Authenticator::new("ada"), &new_codes()));
    let reply = send(&app, &mut browser, &request).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::PasskeyRejected));
    assert!(reply.json::<Problem>().detail.unwrap().contains("Add a passkey first."));
    assert_eq!(list(&app, &mut browser).await.codes, None);
}

#[tokio::test]
async fn codes_end_with_the_last_passkey() {
    let app = app();
    let (mut browser, mut phone, _) = with_codes(&app, "ada").await;
    let mut key = Authenticator::new("ada");
    let request = phone.attest(key.register_of(&mut browser, &app, "Key"));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    let request = phone.attest(browser.request(&app, &remove(&phone, "Phone")));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    assert!(list(&app, &mut browser).await.codes.is_some());
    let request = key.attest(browser.request(&app, &remove(&key, "Key")));
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    assert_eq!(list(&app, &mut browser).await.codes, None);
}

#[tokio::test]
async fn header_of_codes_belongs_to_its_action() {
    let app = app();
    let (mut browser, mut phone) = with_passkey(&app, "ada").await;
    let missing = phone.attest(browser.request(&app, &CreateRecoveryCodes {}));
    let twice = request(&app, &mut browser, &mut phone, &new_codes()).doubled("pan-recovery-codes");
    let few = {
        let request = browser.request(&app, &CreateRecoveryCodes {});
        let request = with_hashes(&browser, request, &hashes(&phone, &new_codes()[1..]));
        phone.attest(request)
    };
    browser.issue_nonces(&app).await;
    let other = browser.request(&app, &add("Key"));
    let other = phone.attest(with_hashes(&browser, other, &hashes(&phone, &new_codes())));
    let order = browser.request(&app, &crate::order());
    let order = with_hashes(&browser, order, &hashes(&phone, &new_codes()));
    for (what, request) in
        [("missing", missing), ("twice", twice), ("few", few), ("add_passkey", other), ("order", order)]
    {
        let reply = send(&app, &mut browser, &request).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, Code::Malformed), "{what}");
    }
    assert_eq!(list(&app, &mut browser).await.codes, None);
}

#[tokio::test]
async fn new_codes_are_announced() {
    let app = app();
    let (browser, ..) = with_codes(&app, "ada").await;
    let handle = Some(browser.handle);
    let announced = events(&app).await.pop();
    assert_eq!(announced, Some((PasskeyChange::CodesCreated, String::new(), handle)));
}
