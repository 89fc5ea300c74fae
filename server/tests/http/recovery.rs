//! Sign-in with a recovery code, which removes the user's passkeys (attack 30).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{StatusCode, header};
use protocol::{
    built_in::SignOut,
    problem::Code,
    push::PasskeyChange,
    recovery::{Recover, RecoveryCode},
    sign_origin::{SignIn, SignedIn},
};
use server::{
    audit::{AuditEntry, AuditLog, Outcome},
    settings::{Sessions, Settings},
    store::{AtCap, Record, RecordKey, RecordStore, StoreError, Stores, Write},
};
use tokio::sync::Barrier;

use crate::{
    TestApp, app,
    authenticator::Authenticator,
    browser::{Browser, PASSWORD, Reply, from_app, from_frame},
    owner_still_acts,
    passkey_actions::pay,
    passkeys::{events, list, send, with_passkey},
    recovery_codes::{new_codes, with_codes},
};

async fn body(app: &TestApp, browser: &Browser, user: &str, password: &str, code: &RecoveryCode) -> Vec<u8> {
    let SignIn { user, password, jwk, challenge, signature } =
        browser.credentials(browser.challenge(app).await, user, password);
    serde_json::to_vec(&Recover { user, password, code: code.clone(), jwk, challenge, signature }).unwrap()
}

async fn recover_with(app: &TestApp, browser: &mut Browser, user: &str, password: &str, code: &RecoveryCode) -> Reply {
    let body = body(app, browser, user, password, code).await;
    let reply = browser.send_from_frame(app, "/recover", body).await;
    if reply.status == StatusCode::OK {
        let ticket = reply.json::<SignedIn>().ticket;
        browser.handle = ticket.token().handle();
        browser.ticket = Some(ticket);
        [browser.sign, browser.known] = reply.cookies().try_into().expect("two cookies");
    }
    reply
}

/// Posts a code with the right password.
pub(crate) async fn recover(app: &TestApp, browser: &mut Browser, user: &str, code: &RecoveryCode) -> Reply {
    recover_with(app, browser, user, PASSWORD, code).await
}

#[tokio::test]
async fn code_signs_in_and_removes_passkeys() {
    let app = app();
    let (_, mut phone, codes) = with_codes(&app, "ada").await;
    let mut browser = Browser::new();
    let reply = recover(&app, &mut browser, "ada", &codes[3]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.bind(&app).await.status, StatusCode::OK);
    owner_still_acts(&app, &mut browser).await;
    let own = list(&app, &mut browser).await;
    assert_eq!((own.passkeys.len(), own.codes), (0, None));

    // The lost passkey signs nothing, and a new one needs no signature of it.
    let request = phone.attest(browser.request(&app, &crate::order()));
    assert_eq!(send(&app, &mut browser, &request).await.code(), Code::InvalidProof);
    let request = Authenticator::new("ada").register_of(&mut browser, &app, "New phone");
    assert_eq!(send(&app, &mut browser, &request).await.status, StatusCode::OK);
    // Neither the code nor another one of the list works for the new passkey.
    for code in &codes[3..5] {
        assert_eq!(recover(&app, &mut Browser::new(), "ada", code).await.code(), Code::WrongCredentials);
    }
    assert_eq!(list(&app, &mut browser).await.passkeys.len(), 1);
}

/// A session that a thief has from before gains nothing because the passkeys are gone.
#[tokio::test]
async fn attack_30_recovery_gives_older_sessions_nothing() {
    let app = app();
    let (mut thief, _, codes) = with_codes(&app, "ada").await;
    app.wait(1_000);
    let mut owner = Browser::new();
    assert_eq!(recover(&app, &mut owner, "ada", &codes[0]).await.status, StatusCode::OK);
    assert_eq!(owner.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.bind(&app).await.status, StatusCode::OK);
    thief.issue_nonces(&app).await;
    assert_eq!(thief.call(&app, &pay(500)).await.code(), Code::PasskeyRejected);
    thief.issue_nonces(&app).await;
    let request = Authenticator::new("ada").register_of(&mut thief, &app, "Mine");
    assert_eq!(send(&app, &mut thief, &request).await.code(), Code::PasskeyRejected);
    // The positive controls.
    assert_eq!(thief.call(&app, &pay(499)).await.status, StatusCode::OK);
    assert_eq!(owner.call(&app, &pay(500)).await.status, StatusCode::OK);
    let request = Authenticator::new("ada").register_of(&mut owner, &app, "New phone");
    assert_eq!(send(&app, &mut owner, &request).await.status, StatusCode::OK);
}

/// Records in memory. The first `meeting` reads of passkeys wait for each other, so that requests cross.
pub(crate) struct Crossing {
    records: Arc<dyn RecordStore>,
    pub barrier: Barrier,
    pub meeting: AtomicUsize,
    /// How often passkeys were read.
    pub reads: AtomicUsize,
    /// The next `held` writes return after another party has come to the barrier.
    held: AtomicUsize,
}

impl Crossing {
    pub(crate) fn stores() -> (Arc<Self>, Stores) {
        let stores = Stores::memory();
        let (barrier, zero) = (Barrier::new(2), || AtomicUsize::new(0));
        let records =
            Arc::new(Self { records: stores.records.clone(), barrier, meeting: zero(), reads: zero(), held: zero() });
        (records.clone(), Stores { records, ..stores })
    }
}

#[async_trait]
impl RecordStore for Crossing {
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let found = self.records.read(keys).await;
        if keys.iter().any(|key| key.0.starts_with("passkeys:")) {
            self.reads.fetch_add(1, Ordering::SeqCst);
            let left = |left: usize| left.checked_sub(1);
            if self.meeting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                self.barrier.wait().await;
            }
        }
        found
    }

    async fn write(&self, writes: &[Write]) -> Result<bool, StoreError> {
        let written = self.records.write(writes).await;
        let left = |left: usize| left.checked_sub(1);
        if self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            self.barrier.wait().await;
        }
        written
    }
}

/// Records in memory that fail for the passkeys of an unknown user, as a table of users does whose IDs have a type.
struct Typed(Arc<dyn RecordStore>);

#[async_trait]
impl RecordStore for Typed {
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>, StoreError> {
        if keys.iter().any(|key| key.0 == "passkeys:unknown") {
            return Err(StoreError::new(std::io::Error::other("not an ID")));
        }
        self.0.read(keys).await
    }

    async fn write(&self, writes: &[Write]) -> Result<bool, StoreError> {
        self.0.write(writes).await
    }
}

#[tokio::test]
async fn attack_30_store_that_rejects_ids_is_no_oracle() {
    let stores = Stores::memory();
    let app = TestApp::new(Stores { records: Arc::new(Typed(stores.records.clone())), ..stores });
    let (_, _, codes) = with_codes(&app, "ada").await;
    for user in ["ada", "nobody"] {
        let reply = recover_with(&app, &mut Browser::new(), user, "wrong password", &codes[0]).await;
        assert_eq!(reply.code(), Code::WrongCredentials, "{user}");
    }
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.status, StatusCode::OK);
}

/// Two servers with one store.
#[tokio::test]
async fn attack_30_code_works_once_in_parallel() {
    for same in [true, false] {
        let (records, stores) = Crossing::stores();
        let apps = [TestApp::new(stores.clone()), TestApp::new(stores)];
        let (.., codes) = with_codes(&apps[0], "ada").await;
        records.meeting.store(2, Ordering::SeqCst);
        let [mut one, mut other] = [Browser::new(), Browser::new()];
        let second = if same { &codes[0] } else { &codes[1] };
        let (first, second) =
            tokio::join!(recover(&apps[0], &mut one, "ada", &codes[0]), recover(&apps[1], &mut other, "ada", second));
        assert_eq!(records.meeting.load(Ordering::SeqCst), 0, "both have read the code before one has used it");
        let (used, late) = if first.status == StatusCode::OK { (first, second) } else { (second, first) };
        assert_eq!(used.status, StatusCode::OK);
        assert_eq!((late.status, late.code()), (StatusCode::UNAUTHORIZED, Code::WrongCredentials));
    }
}

#[tokio::test]
async fn attack_30_wrong_recoveries_get_one_reply() {
    let (records, stores) = Crossing::stores();
    let app = TestApp::new(stores);
    let (.., codes) = with_codes(&app, "ada").await;
    let (.., others) = with_codes(&app, "eve").await;
    with_passkey(&app, "bob").await;
    app.browser("cyd").await;
    let password = Browser::new().post(&app, "/sign-in", "ada", "wrong").await;
    let wrong = new_codes();
    for (what, user, word, code) in [
        ("wrong password and right code", "ada", "wrong", &codes[0]),
        ("right password and wrong code", "ada", PASSWORD, &wrong[0]),
        ("both wrong", "ada", "wrong", &wrong[0]),
        ("another user's code", "ada", PASSWORD, &others[0]),
        ("no codes", "bob", PASSWORD, &codes[0]),
        ("no passkeys", "cyd", PASSWORD, &codes[0]),
        ("unknown user", "dan", PASSWORD, &codes[0]),
    ] {
        let before = records.reads.load(Ordering::SeqCst);
        let reply = recover_with(&app, &mut Browser::new(), user, word, code).await;
        assert_eq!((reply.status, &reply.body), (password.status, &password.body), "{what}");
        assert_eq!(reply.cookies().len(), 0, "{what}");
        assert_eq!(records.reads.load(Ordering::SeqCst) - before, 1, "the same work: {what}");
    }
    // The positive control: none of these has used the code.
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.status, StatusCode::OK);
    assert_eq!(app.logged("recover", Outcome::Refused).await, 7);
}

#[tokio::test]
async fn attack_30_recoveries_are_limited_per_account() {
    let app = app();
    let (.., codes) = with_codes(&app, "ada").await;
    let mut replies = Vec::new();
    for code in new_codes() {
        replies.push(recover(&app, &mut Browser::new(), "ada", &code).await.code());
    }
    assert_eq!(replies, [Code::WrongCredentials; 10]);
    // The right code too, and passwords, which the same limit counts. Other users are not affected.
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.code(), Code::RateLimited);
    assert_eq!(Browser::new().post(&app, "/sign-in", "ada", PASSWORD).await.code(), Code::RateLimited);
    assert_eq!(recover(&app, &mut Browser::new(), "eve", &codes[0]).await.code(), Code::WrongCredentials);
    app.wait(60_000);
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn attack_30_recoveries_are_limited_per_address() {
    let app = app();
    let code = &new_codes()[0];
    for number in 0..30 {
        let reply = recover(&app, &mut Browser::new(), &format!("user-{number}"), code).await;
        assert_eq!(reply.code(), Code::WrongCredentials, "{number}");
    }
    assert_eq!(recover(&app, &mut Browser::new(), "user-30", code).await.code(), Code::RateLimited);
}

#[tokio::test]
async fn recovery_checks_source_key_and_challenge() {
    let app = app();
    let (.., codes) = with_codes(&app, "ada").await;
    let browser = Browser::new();
    let sent = body(&app, &browser, "ada", PASSWORD, &codes[0]).await;
    for (name, value) in [("origin", "http://pan.localhost:3000"), ("sec-fetch-site", "same-site")] {
        let mut request = from_frame("/recover").body(sent.clone().into()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(app.send(request).await.code(), Code::ForbiddenOrigin);
    }
    let request = from_app("/recover").body(sent.clone().into()).unwrap();
    assert_ne!(app.send(request).await.status, StatusCode::OK);
    let text = String::from_utf8(sent.clone()).unwrap();
    // In JSON a code has one encoding; the page normalizes what is typed.
    let typed = text.replace(codes[0].reveal(), &codes[0].reveal().to_uppercase());
    assert_eq!(browser.send_from_frame(&app, "/recover", typed.into_bytes()).await.code(), Code::Malformed);
    // Signed by another key than the one that is to be signed in.
    let stranger = body(&app, &Browser::new(), "ada", PASSWORD, &codes[0]).await;
    let mut mixed: serde_json::Value = serde_json::from_slice(&stranger).unwrap();
    mixed["jwk"] = serde_json::from_slice::<serde_json::Value>(&sent).unwrap()["jwk"].clone();
    let mixed = serde_json::from_value::<Recover>(mixed).unwrap();
    let reply = browser.send_from_frame(&app, "/recover", serde_json::to_vec(&mixed).unwrap()).await;
    assert_eq!(reply.code(), Code::InvalidProof);
    // The positive control, and the challenge works once.
    assert_eq!(browser.send_from_frame(&app, "/recover", sent.clone()).await.status, StatusCode::OK);
    assert_eq!(browser.send_from_frame(&app, "/recover", sent).await.code(), Code::UseFreshNonce);
}

#[tokio::test]
async fn recovery_is_announced_and_audited() {
    let app = app();
    let (.., codes) = with_codes(&app, "ada").await;
    let mut browser = Browser::new();
    assert_eq!(recover(&app, &mut browser, "ada", &new_codes()[0]).await.code(), Code::WrongCredentials);
    assert_eq!(recover_with(&app, &mut browser, "ada", "wrong", &codes[0]).await.code(), Code::WrongCredentials);
    assert_eq!(events(&app).await.len(), 2, "only the passkey and the codes");
    assert_eq!(recover(&app, &mut browser, "ada", &codes[0]).await.status, StatusCode::OK);
    let announced = events(&app).await.pop();
    assert_eq!(announced, Some((PasskeyChange::Recovered, String::new(), Some(browser.handle))));
    let logged = async |log, action: &str| {
        app.server.flush().await;
        let lines = app.server.stores().audit_log.lines_after(log, 0, 10_000).await.unwrap();
        let entries = lines.iter().map(|(_, line)| AuditEntry::parse(line).unwrap().body.event);
        let entries = entries.filter(|event| event.action == action && event.user.is_some());
        entries.map(|event| (event.session, event.reason.unwrap_or_default().into_owned())).collect::<Vec<_>>()
    };
    let reason = |reason: &str| (None, reason.to_owned());
    assert_eq!(logged(AuditLog::Security, "recover").await, [reason("passkeys_removed")]);
    assert_eq!(logged(AuditLog::Security, "sign_in").await, [(Some(browser.handle), "recovery_code".to_owned())]);
    assert_eq!(logged(AuditLog::Traffic, "recover").await, [reason("wrong_code"), reason("wrong_credentials")]);
}

/// An attacker who disconnects must not keep the owner from learning of it.
#[tokio::test]
async fn attack_30_disconnected_recovery_is_announced() {
    let (records, stores) = Crossing::stores();
    let app = TestApp::new(stores);
    let (mut owner, _, codes) = with_codes(&app, "ada").await;
    records.held.store(1, Ordering::SeqCst);
    let client = app.clone();
    let request = tokio::spawn(async move { recover(&client, &mut Browser::new(), "ada", &codes[0]).await.status });
    while records.held.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    let announced = async {
        records.barrier.wait().await;
        while events(&app).await.pop().is_none_or(|(change, ..)| change != PasskeyChange::Recovered) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), announced).await.expect("the recovery goes on");
    assert_eq!(list(&app, &mut owner).await.passkeys, []);
    assert_eq!(app.logged("recover", Outcome::Passed).await, 1);
}

/// The passkeys are removed although no session is opened, so the owner must learn of it.
#[tokio::test]
async fn recovery_at_the_session_cap_is_announced() {
    let sessions = Sessions { max: 1, at_cap: AtCap::RejectNew, ..Sessions::default() };
    let app = TestApp::with(Stores::memory(), Settings { sessions, ..Settings::default() });
    let (mut owner, _, codes) = with_codes(&app, "ada").await;
    assert_eq!(recover(&app, &mut Browser::new(), "ada", &codes[0]).await.code(), Code::TooManySessions);
    assert_eq!(events(&app).await.pop(), Some((PasskeyChange::Recovered, String::new(), None)));
    assert_eq!(list(&app, &mut owner).await.passkeys, []);
    assert_eq!(owner.call(&app, &SignOut {}).await.status, StatusCode::OK);
    assert_eq!(Browser::new().post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn recovery_form_without_script_gets_the_page() {
    let app = app();
    let (mut owner, _, codes) = with_codes(&app, "ada").await;
    let form = format!("user=ada&password={PASSWORD}&code={}", codes[0].reveal());
    let mut request = from_frame("/recover").body(form.into()).unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let reply = app.send(request).await;
    let html = String::from_utf8(reply.body.clone()).unwrap();
    assert_eq!(reply.status, StatusCode::OK);
    assert!(html.contains("JavaScript must be allowed") && html.contains("value=\"ada\""));
    assert!(!html.contains(PASSWORD) && !html.contains(codes[0].reveal()));
    assert_eq!(list(&app, &mut owner).await.passkeys.len(), 1, "nothing was used");
}
