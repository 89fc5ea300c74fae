//! `examples/own-users`: sign-in limits, audit log and sessions with a users table of the application's own.

use http::{StatusCode, header};
use own_users::UsersTable;
use protocol::problem::{Code, Problem};
use server::{
    Functions,
    audit::Outcome,
    auth::passwords::Passwords,
    settings::{Limits, Settings},
    store::Stores,
};

use crate::{
    TestApp,
    browser::{Browser, PASSWORD},
    read,
    test_actions::CATALOGUE,
};

const ADA: &str = "Ada+bank@example.org";

/// A server whose users are in an `SQLite` database of this folder.
fn app_in(folder: &tempfile::TempDir) -> TestApp {
    let limits = Limits { sign_ins_per_minute_and_account: 3, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let users = UsersTable::open(&folder.path().join("users.db"), Passwords::new(&settings.origins)).unwrap();
    TestApp::with_users(Stores::memory(), settings, users, &Functions::new(CATALOGUE), crate::test_app::routes)
}

#[tokio::test]
async fn email_address_signs_in_to_a_uuid() {
    let folder = tempfile::tempdir().unwrap();
    let app = app_in(&folder);
    let mut browser = app.browser(ADA).await;
    let id = String::from_utf8(browser.call(&app, &read()).await.body).unwrap();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
    // A restart keeps the user; the spelling of the address does not matter.
    let app = app_in(&folder);
    let mut browser = Browser::new();
    assert_eq!(browser.post(&app, "/sign-in", &ADA.to_uppercase(), PASSWORD).await.status, StatusCode::OK);
    assert_eq!(browser.enter(&app).await.status, StatusCode::SEE_OTHER);
    browser.bind(&app).await;
    assert_eq!(browser.call(&app, &read()).await.body, id.as_bytes());
    app.server.flush().await;
    let own = app.server.stores().audit_log.entries_of_user(&id.parse().unwrap()).await.unwrap();
    assert!(own.iter().any(|entry| entry.body.event.action == "sign_in"), "{own:?}");
}

#[tokio::test]
async fn attempts_are_limited_by_normalized_login() {
    let folder = tempfile::tempdir().unwrap();
    let app = app_in(&folder);
    app.browser(ADA).await;
    for login in [ADA, "ada+bank@example.org", "ADA+BANK@EXAMPLE.ORG"] {
        let reply = Browser::new().post(&app, "/sign-in", login, "wrong").await;
        assert_eq!(reply.code(), Code::WrongCredentials);
    }
    let limited = Browser::new().post(&app, "/sign-in", "aDa+bank@example.org", "wrong").await;
    assert_eq!(limited.code(), Code::RateLimited);
    // An unknown address gets the same responses.
    for _ in 0..3 {
        let reply = Browser::new().post(&app, "/sign-in", "eve@example.org", "wrong").await;
        assert_eq!(reply.code(), Code::WrongCredentials);
    }
    let limited = Browser::new().post(&app, "/sign-in", "Eve@example.org", "wrong").await;
    assert_eq!(limited.code(), Code::RateLimited);
    assert_eq!(app.logged("sign_in", Outcome::Refused).await, 8);
}

#[tokio::test]
async fn registration_rejects_taken_and_invalid_logins() {
    let folder = tempfile::tempdir().unwrap();
    let app = app_in(&folder);
    app.browser(ADA).await;
    let register = async |login: &str, password: &str| Browser::new().post(&app, "/register", login, password).await;
    let taken = register("ada+bank@EXAMPLE.org", PASSWORD).await;
    assert_eq!((taken.status, taken.code()), (StatusCode::CONFLICT, Code::NameTaken));
    let invalid = register("ada", PASSWORD).await;
    assert_eq!((invalid.status, invalid.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidLogin));
    assert_eq!(invalid.json::<Problem>().detail.as_deref(), Some("This is not an e-mail address."));
    let weak = register("eve@example.org", "eve@example.org").await;
    assert_eq!((weak.status, weak.code()), (StatusCode::UNPROCESSABLE_ENTITY, Code::WeakPassword));
}

#[tokio::test]
async fn page_names_the_login_as_the_application_does() {
    let folder = tempfile::tempdir().unwrap();
    let app = app_in(&folder);
    for path in ["/sign-in", "/register"] {
        let request = http::Request::get(path).header(header::HOST, "sign.pan.localhost:3000");
        let reply = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        let page = String::from_utf8(reply.body).unwrap();
        assert!(page.contains(">E-mail address</label>") && !page.contains("User name"), "{page}");
    }
}
