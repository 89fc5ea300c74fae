//! Does the time of a sign-in tell whether a name exists? Asks a real server over loopback, and compares the two distributions.
//!
//! ```text
//! cargo run -p server --example probing
//! ```

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "measurements of a few digits"
)]

use std::{
    error::Error,
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::Router;
use p256::ecdsa::{Signature as P256Signature, SigningKey, signature::Signer};
use protocol::{
    catalogue::Catalogue,
    key::PublicKey,
    sign_origin::{Challenged, Password, SignIn, sign_in_statement},
    signature::Signature,
};
use server::{
    Functions, Server, auth::accounts::Accounts, clock::Clock, random::random, settings::Settings, store::Stores,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many sign-ins of each kind.
const MANY: usize = 1000;

/// How many come first and do not count: connections, caches and memory warm up.
const WARM_UP: usize = 20;

/// Two names of one length: one has an account.
const NAMES: [&str; 2] = ["ada", "bob"];

const AUTHORITY: &str = "sign.pan.localhost:3000";

#[tokio::main]
async fn main() -> Outcome<()> {
    let address = serve().await?;
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    connection.get_ref().set_nodelay(true)?;
    let key = SigningKey::from_slice(&random::<32>()?)?;
    let mut times = [Vec::new(), Vec::new()];
    let mut said: Option<String> = None;
    for round in 0..WARM_UP + MANY {
        // By turns, and each as often first: whatever else the machine does falls on both.
        for which in [round % 2, 1 - round % 2] {
            let body = credentials(&mut connection, &key, NAMES[which]).await?;
            let began = Instant::now();
            let reply = post(&mut connection, "/sign-in", &body).await?;
            let time = began.elapsed();
            if round >= WARM_UP {
                times[which].push(time);
            }
            if *said.get_or_insert_with(|| reply.clone()) != reply {
                return Err(format!("the replies differ: {said:?}, {reply}").into());
            }
        }
    }
    println!("{MANY} sign-ins of each kind over HTTP; the replies are the same: {}", said.unwrap_or_default());
    for times in &mut times {
        times.sort_unstable();
    }
    for (which, times) in ["a known name, another password", "an unknown name"].iter().zip(&times) {
        let [low, middle, high] = [0.05, 0.5, 0.95].map(|share| ms(times[((MANY - 1) as f64 * share) as usize]));
        println!("{which}: p5 {low:.2} ms, p50 {middle:.2} ms, p95 {high:.2} ms");
    }
    let [known, unknown] = &times;
    let greater = share_greater(known, unknown);
    // Of equal distributions it is normal about 0.5, with a variance of (n + m + 1) / 12nm.
    let usual = 2.576 * ((2 * MANY + 1) as f64 / (12.0 * (MANY * MANY) as f64)).sqrt();
    println!("a known name takes longer in {:.1} % of all pairs (Mann-Whitney, AUC {greater:.3})", 100.0 * greater);
    println!("equal distributions stay within {:.3} and {:.3} in 99 of 100 runs", 0.5 - usual, 0.5 + usual);
    Ok(())
}

/// A server as the application starts one, but that its limits are raised: without that the eleventh guess in a minute would
/// be answered by a limit.
async fn serve() -> Outcome<SocketAddr> {
    let stores = Stores::memory();
    Accounts::new(stores.records.clone()).register(&NAMES[0].parse()?, "vT9#plover-quartz-41").await?;
    let mut settings = Settings::default();
    settings.limits.sign_ins_per_minute_and_address = u32::MAX;
    settings.limits.sign_ins_per_minute_and_account = u32::MAX;
    settings.limits.binds_per_minute_and_address = u32::MAX;
    let server = Server::with(settings, stores, Clock::system())?;
    let router = server.router(Router::new(), &Functions::new(Catalogue::new(&[])))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await });
    Ok(address)
}

/// What the sign-in page sends, with the wrong password.
async fn credentials(connection: &mut BufReader<TcpStream>, key: &SigningKey, name: &str) -> Outcome<String> {
    let reply = post(connection, "/challenge", "{}").await?;
    let (_, json) = reply.split_once('\n').ok_or("no body")?;
    let Challenged { challenge, .. } = serde_json::from_str(json)?;
    let public = PublicKey::from_sec1(key.verifying_key().to_sec1_point(false).as_bytes())?;
    let signed: P256Signature = key.sign(sign_in_statement(AUTHORITY, &challenge, &public.thumbprint()).as_bytes());
    let sign_in = SignIn {
        user: name.parse()?,
        password: Password::new("wrong horse battery".to_owned()),
        jwk: public.to_jwk(),
        challenge,
        signature: Signature::from_p1363(&signed.to_bytes())?,
    };
    Ok(serde_json::to_string(&sign_in)?)
}

/// Gives the status and, in the next line, the body of the reply, once all of it is there.
async fn post(connection: &mut BufReader<TcpStream>, path: &str, body: &str) -> Outcome<String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {AUTHORITY}\r\norigin: http://{AUTHORITY}\r\n\
         sec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.get_mut().write_all(request.as_bytes()).await?;
    let (mut status, mut length) = (String::new(), 0);
    connection.read_line(&mut status).await?;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(format!("{}\n{}", status.trim_end(), String::from_utf8(body)?))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Of all pairs, in how many the one takes longer, equal ones counted half; both are sorted.
fn share_greater(one: &[Duration], other: &[Duration]) -> f64 {
    let below = |time: &Duration| {
        (other.partition_point(|other| other < time) + other.partition_point(|other| other <= time)) as f64 / 2.0
    };
    one.iter().map(below).sum::<f64>() / (one.len() * other.len()) as f64
}
