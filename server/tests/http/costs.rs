//! Measures what tiers and levels cost in the server, as ratios taken in one run:
//! `cargo test --release -p server --test http costs -- --ignored --nocapture`.

use std::time::Instant;

use http::{HeaderMap, StatusCode};
use server::{
    settings::DevicePolicy,
    store::{Stores, redis::RedisStore},
};

use crate::{
    TestApp,
    authenticator::{Authenticator, Ceremony},
    browser::{Browser, Signed},
    device::{bound, secure},
    passkey_actions::pay,
    passkeys::with_passkey_of,
    read,
    redis_server::RedisServer,
};

const ROUNDS: usize = 400;

/// Sends a request. Returns how long the server took, in µs, and the size of the request's headers, in bytes.
async fn measure(app: &TestApp, browser: &mut Browser, request: &Signed) -> (f64, usize) {
    let request = request.build();
    let size = size(request.headers());
    let started = Instant::now();
    let reply = app.send(request).await;
    let took = started.elapsed();
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    browser.take_nonces(&reply.headers);
    (took.as_secs_f64() * 1e6, size)
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len()).sum()
}

fn of_secure_origin(ceremony: &mut Ceremony) {
    ceremony.origin = "https://sign.pan.localhost:3000".into();
}

async fn measure_with(stores: Stores, name: &str) {
    let app = TestApp::with(stores, secure(DevicePolicy::Offer));
    let mut plain = app.browser("bob").await;
    let key = Authenticator::new("eve");
    let (mut attested, mut key) = with_passkey_of(&app, "eve", key, &of_secure_origin).await;
    let (mut device, _) = bound(&app).await;
    let mut taken = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        app.wait(1_100);
        let [reads, bound_reads, confirmed, attestations] = &mut taken;
        let request = plain.request(&app, &read());
        reads.push(measure(&app, &mut plain, &request).await);
        let request = device.request(&app, &read());
        bound_reads.push(measure(&app, &mut device, &request).await);
        let request = plain.request(&app, &pay(500));
        confirmed.push(measure(&app, &mut plain, &request).await);
        let request = attested.request(&app, &pay(500));
        let request = key.attest_with(request, &of_secure_origin);
        attestations.push(measure(&app, &mut attested, &request).await);
    }
    let [reads, bound_reads, confirmed, attestations] = taken.map(|mut taken| {
        taken.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        taken[ROUNDS / 2]
    });
    for (what, (time, size), (base, base_size)) in
        [("device-bound", bound_reads, reads), ("Confirmed", confirmed, reads), ("Attested", attestations, confirmed)]
    {
        let (ratio, more) = (time / base, size - base_size);
        println!("{name}: {what} {time:.0} µs, {ratio:.2} times {base:.0} µs, {more} bytes more than {base_size}");
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn costs_of_tiers_and_levels() {
    measure_with(Stores::memory(), "memory").await;
    let redis = RedisServer::start();
    measure_with(RedisStore::connect(&redis.settings()).await.expect("Redis").into(), "Redis").await;
}
