//! Benchmark of push: messages signed per second on one core, and the delivery of one event to many open pages.
//!
//! ```text
//! cargo run --release -p server --example fanout -- 5000
//! ```
//!
//! The server runs in this process and the pages in another one, over loopback, so that memory and CPU time are the
//! server's only. Every page is a real connection: it agrees a key and opens a stream with a signed request. All pages
//! belong to one session, whose limits are raised.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "measurements of a few digits"
)]

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::Router;
use base64ct::{Base64UrlUnpadded, Encoding};
use p256::{
    SecretKey,
    ecdsa::{Signature as P256Signature, SigningKey, signature::Signer},
    elliptic_curve::sec1::ToSec1Point,
};
use protocol::{
    action::Action,
    built_in::{PushKeys, PushStream},
    catalogue::Catalogue,
    digest::ContentDigest,
    key::PublicKey,
    message::header as name,
    push::{AgreedKey, ConnectionId, Push},
    signature::{Covered, Signature, SignatureInput},
    token::{Nonce, SessionToken, SignSecret},
};
use server::{
    Functions, Server,
    auth::{accounts::Accounts, passwords::Passwords},
    clock::Clock,
    push,
    random::random,
    settings::Settings,
    store::{AtCap, BindFrameKey, EnterSession, FrameKeyBinding, NewSession, SessionCap, SessionStore, Stores, UserId},
};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The secret of the sign origin's cookie. The server runs for one measurement only.
const SIGN_SECRET: SignSecret = SignSecret::new([7; 32]);

/// Number of events delivered to all pages.
const EVENTS: u32 = 10;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pages", address, token, key, nonce, many] => pages(address.parse()?, token, key, nonce, many.parse()?),
        [many] => serve(many.parse()?),
        _ => Err("how many pages? Such as: fanout 5000".into()),
    }
}

fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

#[tokio::main]
async fn serve(many: usize) -> Outcome<()> {
    let frames = 200_000;
    let (signed, unsigned) = (push::measure(frames, true), push::measure(frames, false));
    println!("signed on one core: {:.0} frames a second", f64::from(frames) / signed.as_secs_f64());
    println!("of a frame's making, signing is {:.0} %", 100.0 * (1.0 - unsigned.as_secs_f64() / signed.as_secs_f64()));

    let stores = Stores::memory();
    let (token, key) = (SessionToken::new(random()?), random::<32>()?);
    let nonce = session(stores.sessions.as_ref(), &token, &key).await?;
    let settings = settings(many);
    let accounts = Accounts::new(stores.records.clone(), Passwords::new(&settings.origins));
    let server = Server::with(settings, stores, Arc::new(accounts), Clock::system())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = server.router(Router::new(), &Functions::new(Catalogue::new(&[])))?;
    tokio::spawn(async { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await });

    let before = usage();
    let mut pages = start_pages(address, &token, &key, &nonce, many)?;
    let mut lines = BufReader::new(pages.stdout.take().ok_or("no output")?).lines();
    let ready = tokio::task::spawn_blocking(move || (lines.next(), lines));
    let (ready, mut lines) = ready.await?;
    println!("{} connections", ready.ok_or("the pages ended early")??);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let open = usage();
    println!("memory: {} bytes a connection", (open.memory.saturating_sub(before.memory)) / many as u64);

    let user = "ada".parse()?;
    let began = usage();
    for _ in 0..EVENTS {
        server
            .publish(&user, Push::Activity { action: "fanout".into(), session: None, note: micros().to_string() })
            .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let ended = usage();
    let delivered = f64::from(EVENTS) * many as f64;
    let each = ended.cpu.saturating_sub(began.cpu).as_secs_f64() / delivered;
    println!("processor time: {:.1} µs a frame delivered, all things included", 1e6 * each);
    let signing = signed.saturating_sub(unsigned).as_secs_f64() / f64::from(frames);
    println!("of that, signing is {:.1} µs: {:.0} %", 1e6 * signing, 100.0 * signing / each);
    drop(pages.stdin.take());
    println!("{}", tokio::task::spawn_blocking(move || lines.next()).await?.ok_or("the pages ended early")??);
    pages.wait()?;
    Ok(())
}

fn settings(many: usize) -> Settings {
    let mut settings = Settings::default();
    settings.limits.reads_per_minute = u32::MAX;
    settings.push.keys_per_minute = u32::MAX;
    settings.push.connections_per_session = many;
    settings.push.connections_per_user = many;
    settings.push.connections = 2 * many;
    settings
}

/// Creates a session that is bound to this key. Returns its first nonce.
async fn session(store: &dyn SessionStore, token: &SessionToken, key: &[u8; 32]) -> Outcome<Nonce> {
    let now = Clock::system().now();
    let (handle, sign_secret, idle) = (token.handle(), SIGN_SECRET.hashed(), Duration::from_secs(1800));
    let user: UserId = "ada".parse()?;
    let session = NewSession {
        handle,
        user: user.clone(),
        confirmation_key: PublicKey::from_sec1(&[4; 65])?,
        created: now,
        enter_by: now + 60_000,
        expires: now + 86_400_000,
        ip: String::new(),
        agent: String::new(),
        sign_secret: sign_secret.clone(),
        replaces: None,
    };
    let nonce = Nonce::new(random()?);
    let key = PublicKey::from_sec1(SigningKey::from_slice(key)?.verifying_key().to_sec1_point(false).as_bytes())?;
    store.create(session).await?;
    let cap = SessionCap { max: 3, at_cap: AtCap::EndOldest };
    store.enter(EnterSession { handle, user, cap, idle, now }).await?;
    match store.bind_frame_key(BindFrameKey { handle, sign_secret, key, nonces: vec![nonce], idle, now }).await? {
        FrameKeyBinding::Bound(_) => Ok(nonce),
        other => Err(format!("not bound: {other:?}").into()),
    }
}

fn start_pages(
    address: SocketAddr,
    token: &SessionToken,
    key: &[u8; 32],
    nonce: &Nonce,
    many: usize,
) -> Outcome<Child> {
    let key = Base64UrlUnpadded::encode_string(key);
    let words = ["pages", &address.to_string(), &token.reveal(), &key, &nonce.to_string(), &many.to_string()]
        .map(str::to_owned);
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

struct Usage {
    memory: u64,
    cpu: Duration,
}

fn usage() -> Usage {
    let own = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
    let process = system.process(own);
    let cpu = process.map_or(0, sysinfo::Process::accumulated_cpu_time);
    Usage { memory: process.map_or(0, sysinfo::Process::memory), cpu: Duration::from_millis(cpu) }
}

/// The other process: opens the pages, reports that, and prints each event's delivery time when the input ends.
fn pages(address: SocketAddr, token: &str, key: &str, nonce: &str, many: usize) -> Outcome<()> {
    let token = SessionToken::parse(token)?;
    let key = Base64UrlUnpadded::decode_vec(key).map_err(|error| error.to_string())?;
    let key = SigningKey::from_slice(&key)?;
    let mut nonce: Nonce = nonce.parse()?;
    let mut readers = Vec::new();
    let agreement = SecretKey::from_slice(&random::<32>()?)?;
    let point = PublicKey::from_sec1(agreement.public_key().to_sec1_point(false).as_bytes())?;
    let mut control = BufReader::new(TcpStream::connect(address)?);
    for _ in 0..many {
        let conn = ConnectionId::new(random()?);
        let keys = PushKeys { key: point, conn };
        control.get_mut().write_all(request(&token, &key, nonce, &keys)?.as_bytes())?;
        let (fresh, length) = head(&mut control)?;
        let mut reply = vec![0; length];
        std::io::Read::read_exact(&mut control, &mut reply)?;
        let AgreedKey { kid, .. } = serde_json::from_slice(&reply)?;
        nonce = fresh;
        let mut stream = BufReader::with_capacity(2048, TcpStream::connect(address)?);
        let open = PushStream { conn, kid, key: point, after: None, rejected: None };
        stream.get_mut().write_all(request(&token, &key, nonce, &open)?.as_bytes())?;
        nonce = head(&mut stream)?.0;
        readers.push(stream);
    }
    println!("{many}");
    let delays = listen(readers)?;
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize] / 1000.0;
    println!(
        "{} frames; delivered in p50 {:.1} ms, p99 {:.1} ms, all {:.1} ms",
        delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// Reads all streams until the input ends. Returns the sorted delivery times in µs.
#[tokio::main]
async fn listen(readers: Vec<BufReader<TcpStream>>) -> Outcome<Vec<f64>> {
    use tokio::io::AsyncBufReadExt;
    let delays = Arc::new(std::sync::Mutex::new(Vec::new()));
    for reader in readers {
        let read = reader.buffer().to_vec();
        let socket = reader.into_inner();
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpStream::from_std(socket)?;
        let delays = delays.clone();
        tokio::spawn(async move {
            let mut lines = tokio::io::BufReader::new(tokio::io::AsyncReadExt::chain(&read[..], socket)).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let sent = line.split_once(r#""note":""#).and_then(|(_, rest)| rest.split_once('"'));
                if let Some(Ok(sent)) = sent.map(|(sent, _)| sent.parse::<u128>())
                    && let Ok(mut delays) = delays.lock()
                {
                    delays.push(micros().saturating_sub(sent) as f64);
                }
            }
        });
    }
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await?;
    let mut delays = delays.lock().map_err(|_| "a reader panicked")?.clone();
    delays.sort_by(f64::total_cmp);
    Ok(delays)
}

fn request<A: Action>(token: &SessionToken, key: &SigningKey, nonce: Nonce, action: &A) -> Outcome<String> {
    let public = PublicKey::from_sec1(key.verifying_key().to_sec1_point(false).as_bytes())?;
    let input = SignatureInput::new(Clock::system().now() / 1000, nonce, public.thumbprint())?;
    let body = serde_json::to_string(action)?;
    let (digest, session) = (ContentDigest::of(body.as_bytes()), token.handle());
    // The signing frame agrees keys with the sign origin.
    let (authority, cookie) = if A::PATH == PushKeys::PATH {
        ("sign.pan.localhost:3000", format!("__Host-pan-sign={session}.{}", SIGN_SECRET.reveal()))
    } else {
        ("pan.localhost:3000", format!("__Host-pan={}", token.reveal()))
    };
    let covered = Covered {
        method: "POST",
        authority,
        path: A::PATH,
        query: "",
        digest: &digest,
        session: &session,
        proof: "none",
    };
    let signed: P256Signature = key.sign(covered.base(&input).as_bytes());
    let signature = Signature::from_p1363(&signed.to_bytes())?;
    let headers = [
        ("host", authority.to_owned()),
        ("origin", format!("http://{authority}")),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("content-length", body.len().to_string()),
        ("cookie", cookie),
        (name::SESSION, session.to_string()),
        (name::PROOF, "none".to_owned()),
        (name::DIGEST, digest.to_string()),
        (name::SIGNATURE_INPUT, input.to_string()),
        (name::SIGNATURE, signature.to_string()),
    ];
    let headers = headers.map(|(name, value)| format!("{name}: {value}")).join("\r\n");
    Ok(format!("POST {} HTTP/1.1\r\n{headers}\r\n\r\n{body}", A::PATH))
}

/// Reads a response head. Returns its nonce and the length of the body.
fn head(reader: &mut BufReader<TcpStream>) -> Outcome<(Nonce, usize)> {
    let (mut nonce, mut length) = (None, 0);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    if !status.contains(" 200 ") {
        return Err(status.into());
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            None => return Ok((nonce.ok_or("no nonce")?, length)),
            Some((name::NONCE, value)) => nonce = Some(value.parse()?),
            Some(("content-length", value)) => length = value.parse()?,
            Some(_) => {}
        }
    }
}
