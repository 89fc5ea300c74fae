//! A flood of sign-ins leaves room for known devices (case 21).

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use async_trait::async_trait;
use http::StatusCode;
use protocol::{problem::Code, user::Login};
use server::{
    Functions,
    auth::credentials::{CredentialError, CredentialStore, InvalidLogin, LoginField, PasswordCheck},
    model::UserId,
    settings::{Limits, Settings},
    store::Stores,
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
};

use crate::{
    TestApp, app,
    browser::{Browser, PASSWORD},
    owner_still_acts,
    test_actions::CATALOGUE,
    test_app::routes,
};

/// An address in a /64 of `2001:db8:1::/48`.
fn address(network: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, network, 0, 0, 0, 9).into()
}

async fn sign_in_from(app: &TestApp, address: IpAddr, user: &str, password: &str) -> Code {
    let mut browser = Browser { address, ..Browser::new() };
    let reply = browser.post(app, "/sign-in", user, password).await;
    assert_ne!(reply.status, StatusCode::OK);
    reply.code()
}

/// Case 21: 65,536 networks of /64 try to sign in, with as many names.
#[tokio::test]
async fn flood_from_one_48_leaves_room_for_known_devices() {
    let limits = Limits { sign_ins_per_minute_and_address: 1, ..Limits::default() };
    let app = TestApp::with(Stores::memory(), Settings { limits, ..Settings::default() });
    let mut owner = Browser { address: address(1), ..app.browser("ada").await };
    app.wait(60_000);
    let mut passed = 0;
    for at in 0..20_u16 {
        let code = sign_in_from(&app, address(at << 6), &format!("name-{at}"), "wrong").await;
        passed += usize::from(code == Code::WrongCredentials);
    }
    assert_eq!(passed, 16, "sixteen times the limit of an address");
    // A /56 has four times the limit of an address.
    app.wait(60_000);
    let mut passed = 0;
    for at in 0..6_u16 {
        let code = sign_in_from(&app, address(0x200 + at), &format!("name-{at}"), "wrong").await;
        passed += usize::from(code == Code::WrongCredentials);
    }
    assert_eq!(passed, 4);
    for at in 0..20_u16 {
        sign_in_from(&app, address(at << 6), &format!("name-{at}"), "wrong").await;
    }
    assert_eq!(sign_in_from(&app, owner.address, "ada", PASSWORD).await, Code::RateLimited, "an unknown device");
    assert_eq!(owner.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(owner.enter(&app).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.bind(&app).await.status, StatusCode::OK);
    owner_still_acts(&app, &mut owner).await;
    // The cookie is for its login only.
    let mut other = Browser { known: owner.known.clone(), address: owner.address, ..Browser::new() };
    assert_eq!(other.post(&app, "/sign-in", "bob", PASSWORD).await.code(), Code::RateLimited);
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9).into();
    assert_eq!(sign_in_from(&app, elsewhere, "bob", "wrong").await, Code::WrongCredentials, "another /48");
}

/// Guesses from everywhere use up the attempts of a login, but not those of its known devices.
#[tokio::test]
async fn attempts_of_others_do_not_lock_out_a_known_device() {
    let app = app();
    let mut owner = app.browser("ada").await;
    for network in 0..11 {
        let code = sign_in_from(&app, address(network << 8), "ada", "wrong").await;
        assert_eq!(code, if network < 10 { Code::WrongCredentials } else { Code::RateLimited });
    }
    assert_eq!(sign_in_from(&app, address(0xff00), "ada", PASSWORD).await, Code::RateLimited, "an unknown device");
    assert_eq!(owner.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    // A thief of the cookie has as many attempts as the login.
    let mut thief = Browser { known: owner.known.clone(), ..Browser::new() };
    for attempt in 1..=10 {
        let code = thief.post(&app, "/sign-in", "ada", "wrong").await.code();
        assert_eq!(code, if attempt < 10 { Code::WrongCredentials } else { Code::RateLimited });
    }
}

/// A users table that compares all passwords but Ada's at the pace of the test.
#[derive(Clone)]
struct SlowUsers {
    pace: Arc<Semaphore>,
    /// Number of comparisons that wait.
    waiting: Arc<AtomicUsize>,
}

#[async_trait]
impl CredentialStore for SlowUsers {
    fn login_field(&self) -> LoginField {
        LoginField { label: "User name", hint: "" }
    }

    fn normalize(&self, login: &Login) -> Result<Login, InvalidLogin> {
        Ok(login.clone())
    }

    async fn check(&self, login: &Login, password: &str) -> Result<PasswordCheck, CredentialError> {
        if login.as_str() != "ada" {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.pace.acquire().await.map_err(|_| CredentialError::Busy)?.forget();
        }
        let user = UserId::parse(login.as_str()).map_err(|_| CredentialError::Busy)?;
        Ok(if password == PASSWORD { PasswordCheck::Right(user) } else { PasswordCheck::Wrong(user) })
    }

    fn allows_registration(&self) -> bool {
        false
    }

    async fn register(&self, _: &Login, _: &str) -> Result<UserId, CredentialError> {
        Err(CredentialError::Busy)
    }

    async fn login(&self, _: &UserId) -> Result<Option<Login>, CredentialError> {
        Err(CredentialError::Busy)
    }
}

/// Many names from many networks: no limit of an address is reached, but the places for password checks are.
#[tokio::test]
async fn full_password_queue_has_places_for_known_devices() {
    let users = SlowUsers { pace: Arc::new(Semaphore::new(0)), waiting: Arc::default() };
    let (stores, functions) = (Stores::memory(), Functions::new(CATALOGUE));
    let app = TestApp::with_users(stores, Settings::default(), users.clone(), &functions, routes);
    let mut owner = Browser::new();
    assert_eq!(owner.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    let places = 12 * u16::try_from(available_parallelism().unwrap().get()).unwrap();
    let mut flood = JoinSet::new();
    for at in 0..places {
        let app = app.clone();
        flood.spawn(async move { sign_in_from(&app, address(at << 6), &format!("name-{at}"), "wrong").await });
    }
    while users.waiting.load(Ordering::SeqCst) < usize::from(places) {
        yield_now().await;
    }
    let unknown = async || sign_in_from(&app, address(0xffff), "bob", "wrong").await;
    assert_eq!(unknown().await, Code::Unavailable);
    assert_eq!(owner.post(&app, "/sign-in", "ada", PASSWORD).await.status, StatusCode::OK);
    // Clients that disconnect do not free their places: their passwords are still being checked.
    flood.shutdown().await;
    assert_eq!(unknown().await, Code::Unavailable);
    users.pace.add_permits(1000);
    while unknown().await != Code::WrongCredentials {
        yield_now().await;
    }
}
