//! The audit log under requests that anyone can send.

use http::StatusCode;
use protocol::{built_in::ReadActivity, problem::Code};
use redis::Commands;
use server::{
    audit::{AuditEntry, AuditLog, Outcome, UserActivity},
    settings::{Limits, Settings},
    store::{Stores, redis::RedisStore},
};

use crate::{
    TestApp, app,
    browser::{Browser, PASSWORD},
    read,
    redis_server::RedisServer,
    rename,
};

fn unlimited() -> Settings {
    let limits = Limits {
        sign_ins_per_minute_and_account: u32::MAX,
        sign_ins_per_minute_and_address: u32::MAX,
        binds_per_minute_and_address: u32::MAX,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

async fn entries(app: &TestApp, log: AuditLog) -> Vec<AuditEntry> {
    app.server.flush().await;
    let lines = app.server.stores().audit_log.lines_after(log, 0, 100_000).await.unwrap();
    lines.iter().map(|(_, line)| AuditEntry::parse(line).unwrap()).collect()
}

/// Case 2: guesses at a known user's password are one line of the user's activity and displace nothing.
#[tokio::test]
async fn wrong_sign_ins_are_one_line_of_the_activity() {
    let app = TestApp::with(Stores::memory(), unlimited());
    let mut ada = app.browser("ada").await;
    assert_eq!(ada.call(&app, &rename()).await.status, StatusCode::OK);
    for _ in 0..260 {
        let reply = Browser::new().post(&app, "/sign-in", "ada", "wrong").await;
        assert_eq!(reply.code(), Code::WrongCredentials);
        app.wait(25);
    }
    app.server.flush().await;
    let UserActivity { entries: own, repeated } = ada.call(&app, &ReadActivity {}).await.json();
    let actions: Vec<_> = own.iter().map(|body| &*body.event.action).collect();
    assert_eq!(actions, ["title", "bind", "enter", "register"]);
    let [attempts] = &repeated[..] else { panic!("{repeated:?}") };
    assert_eq!((attempts.action.as_str(), attempts.outcome, attempts.times), ("sign_in", Outcome::Refused, 260));
    assert_eq!(attempts.reason.as_deref(), Some("wrong_credentials"));
    let traffic = entries(&app, AuditLog::Traffic).await.into_iter().map(|entry| entry.body);
    let guesses = traffic.filter(|body| body.event.action == "sign_in");
    assert_eq!(guesses.map(|body| body.times).collect::<Vec<_>>(), [1, 259]);
}

/// Case 3: invented names leave no trace, and the memory that they take is bounded.
#[tokio::test]
async fn invented_names_leave_no_trace_in_redis() {
    let redis = RedisServer::start();
    let store = RedisStore::connect(&redis.settings()).await.unwrap();
    let limits = Limits { binds_per_minute_and_address: u32::MAX, ..Limits::default() };
    let app = TestApp::with(store.into(), Settings { limits, ..Settings::default() });
    app.browser("ada").await;
    app.server.flush().await;
    let mut connection = redis.aside();
    let keys = |connection: &mut redis::Connection| -> Vec<String> { connection.keys("*").unwrap() };
    let before = keys(&mut connection);
    let mut codes = std::collections::HashMap::new();
    for n in 0..1_000 {
        let reply = Browser::new().post(&app, "/sign-in", &format!("invented-{n}"), "wrong").await;
        *codes.entry(reply.code()).or_insert(0) += 1;
    }
    assert!(codes[&Code::RateLimited] > 900 && codes[&Code::WrongCredentials] > 0, "{codes:?}");
    app.server.flush().await;
    let new: Vec<_> = keys(&mut connection).into_iter().filter(|key| !before.contains(key)).collect();
    // What counts attempts lives for a minute; every challenge was taken.
    let lasting =
        new.iter().filter(|key| connection.pttl::<_, i64>(key).is_ok_and(|left| !(0..=120_000).contains(&left)));
    // The log itself, whose length is bounded.
    let lasting: Vec<_> = lasting.filter(|key| !key.starts_with("audit:{log}:traffic")).collect();
    assert_eq!(lasting, Vec::<&String>::new());
    assert!(new.iter().all(|key| !key.contains("invented")), "a counter is named by a hash");
    let unexplained = new.iter().filter(|key| !key.starts_with("challenge:")).count();
    assert!(unexplained < 40, "{unexplained}");
    for log in AuditLog::ALL {
        let entries = entries(&app, log).await;
        assert!(entries.len() < 20, "{log}: {}", entries.len());
        assert!(entries.iter().all(|entry| !entry.to_string().contains("invented")));
    }
}

#[tokio::test]
async fn reads_are_counted_per_session_and_minute() {
    let app = app();
    let mut ada = app.browser("ada").await;
    for _ in 0..20 {
        assert_eq!(ada.call(&app, &read()).await.status, StatusCode::OK);
    }
    let reads: Vec<_> = entries(&app, AuditLog::Traffic).await.into_iter().map(|entry| entry.body).collect();
    let reads: Vec<_> = reads.iter().filter(|body| body.event.action == "notes").collect();
    assert_eq!(reads.iter().map(|body| body.times).collect::<Vec<_>>(), [20]);
    assert!(entries(&app, AuditLog::Security).await.iter().all(|entry| entry.body.event.action != "notes"));
}

/// A rejected sign-in names the user only when the password was compared.
#[tokio::test]
async fn rejections_before_the_password_name_no_user() {
    let app = app();
    app.browser("ada").await;
    let browser = Browser::new();
    let body = serde_json::to_vec(&browser.credentials(protocol::token::Challenge::new([7; 32]), "ada", PASSWORD));
    let reply = app.send(crate::browser::from_frame("/sign-in").body(body.unwrap().into()).unwrap()).await;
    assert_eq!(reply.code(), Code::UseFreshNonce);
    let rejected = entries(&app, AuditLog::Traffic).await;
    assert!(rejected.iter().any(|entry| entry.body.event.reason.as_deref() == Some("bad_challenge")));
    assert!(
        rejected.iter().all(|entry| entry.body.event.user.is_none() || entry.body.event.outcome != Outcome::Refused)
    );
}
