//! Measures whether the time of a sign-in reveals that a user name exists, with a real server over loopback.
//!
//! ```text
//! cargo run -p server --example user_enumeration
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
    sync::Arc,
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
    Functions, Server,
    auth::{accounts::Accounts, passwords::Passwords},
    clock::Clock,
    random::random,
    settings::Settings,
    store::Stores,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Number of sign-ins of each kind.
const MANY: usize = 1000;

/// Number of uncounted sign-ins at the start, which warm up connections, caches and memory.
const WARM_UP: usize = 20;

/// Two user names of equal length. The first has an account.
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
        // Alternate the order, so that other load on the machine affects both kinds equally.
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
    // For equal distributions it is normally distributed about 0.5, with variance (n + m + 1) / 12nm.
    let usual = 2.576 * ((2 * MANY + 1) as f64 / (12.0 * (MANY * MANY) as f64)).sqrt();
    println!("a known name takes longer in {:.1} % of all pairs (Mann-Whitney, AUC {greater:.3})", 100.0 * greater);
    println!("equal distributions stay within {:.3} and {:.3} in 99 of 100 runs", 0.5 - usual, 0.5 + usual);
    Ok(())
}

/// Starts a server like the application's, but with raised rate limits: otherwise the eleventh guess within a minute
/// would exceed a limit.
async fn serve() -> Outcome<SocketAddr> {
    let stores = Stores::memory();
    let mut settings = Settings::default();
    let accounts = Accounts::new(stores.records.clone(), Passwords::new(&settings.origins));
    accounts.create(&NAMES[0].parse()?, "vT9#plover-quartz-41", Vec::new()).await?;
    settings.limits.sign_ins_per_minute_and_address = u32::MAX;
    settings.limits.sign_ins_per_minute_and_account = u32::MAX;
    settings.limits.binds_per_minute_and_address = u32::MAX;
    let server = Server::with(settings, stores, Arc::new(accounts), Clock::system())?;
    let router = server.router(Router::new(), &Functions::new(Catalogue::new(&[])))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await });
    Ok(address)
}

/// The request body of the sign-in page, with a wrong password.
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

/// Sends a request. Returns the response's status and body, separated by a newline.
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

/// The share of pairs in which the first takes longer; ties count half. Both samples are sorted.
fn share_greater(one: &[Duration], other: &[Duration]) -> f64 {
    let below = |time: &Duration| {
        (other.partition_point(|other| other < time) + other.partition_point(|other| other <= time)) as f64 / 2.0
    };
    one.iter().map(below).sum::<f64>() / (one.len() * other.len()) as f64
}
