//! A real redis-server for tests: on a free port and in a temporary directory. It ends when it is dropped or when the test
//! process ends, even by a signal.

#![allow(dead_code, reason = "every test binary compiles this in, and each uses a part of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use redis::{Client, Connection, cmd};
use server::settings::RedisSettings;
use tempfile::TempDir;

/// A shell script that starts redis-server. At the end of its standard input, when the tests end, it stops the server and
/// deletes the directory. It prints a line if the server ends earlier.
const KEEPER: &str = r#"exec 3<&0
(read -r line <&3 || { kill -9 $$; rm -rf "$DIRECTORY"; }) &
exec redis-server "$@" 3<&- </dev/null"#;

/// The password of servers that require one.
const PASSWORD: &str = "p@ss/word";

/// The same password, in a URL.
const CREDENTIALS: &str = ":p%40ss%2Fword@";

/// The kind of server.
#[derive(Clone, Copy, Default)]
struct Kind {
    /// Requires a password and also listens with TLS.
    is_secured: bool,
    /// A node of a cluster.
    is_node: bool,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
    /// The cluster bus.
    bus: u16,
}

/// A redis-server that writes a snapshot only on `SAVE`.
pub(crate) struct RedisServer {
    kind: Kind,
    process: Child,
    ports: Ports,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server.
    pub(crate) fn start() -> Self {
        Self::of(Kind::default(), Certificates::new)
    }

    /// Starts a server with a password and TLS.
    pub(crate) fn secured() -> Self {
        Self::of(Kind { is_secured: true, is_node: false }, Certificates::new)
    }

    /// Starts a node for a cluster.
    pub(crate) fn node() -> Self {
        Self::of(Kind { is_secured: false, is_node: true }, Certificates::new)
    }

    /// Starts a node for a cluster, with a password and TLS with these certificates.
    pub(crate) fn secured_node(certificates: &Certificates) -> Self {
        Self::of(Kind { is_secured: true, is_node: true }, || certificates.clone())
    }

    fn of(kind: Kind, certificates: impl FnOnce() -> Certificates) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if kind.is_secured {
            certificates().write(directory.path());
        }
        // Another process may take a port before Redis does. Then Redis ends, and other ports are tried.
        for _ in 0..5 {
            let ports = free_ports();
            if let Some(process) = launch(kind, ports, directory.path()) {
                return Self { kind, process, ports, directory };
            }
        }
        panic!(
            "redis-server does not start; is it on PATH? These tests need Redis 7 with TLS: `apt install redis-server` or \
             `brew install redis`"
        );
    }

    /// The settings with which the store connects to it.
    pub(crate) fn settings(&self) -> RedisSettings {
        let Kind { is_secured, is_node: cluster } = self.kind;
        let url = if is_secured {
            format!("rediss://{CREDENTIALS}127.0.0.1:{}", self.ports.tls)
        } else {
            format!("redis://127.0.0.1:{}", self.ports.plain)
        };
        let ca = is_secured.then(|| self.directory.path().join("ca.pem"));
        RedisSettings { ca, cluster, ..RedisSettings::at(&url).expect("a URL") }
    }

    /// A connection for the test.
    pub(crate) fn aside(&self) -> Connection {
        let credentials = if self.kind.is_secured { CREDENTIALS } else { "" };
        let client = Client::open(format!("redis://{credentials}127.0.0.1:{}", self.ports.plain)).expect("a URL");
        client.get_connection().expect("a connection to Redis")
    }

    /// Records the commands that clients send from now on.
    pub(crate) fn watch(&self) -> Watch {
        let mut monitor = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.plain)).expect("a connection to Redis");
        monitor.write_all(b"MONITOR\r\n").expect("Redis listens");
        let mut lines = BufReader::new(monitor).lines();
        assert_eq!(lines.next().expect("an answer").expect("an answer"), "+OK");
        Watch { lines, aside: self.aside() }
    }

    /// The port without TLS.
    pub(crate) fn port(&self) -> u16 {
        self.ports.plain
    }

    /// The arguments of `CLUSTER MEET`: host, port and bus port.
    pub(crate) fn meeting_place(&self) -> [String; 3] {
        let Ports { plain, tls, bus } = self.ports;
        let port = if self.kind.is_secured { tls } else { plain };
        ["127.0.0.1".to_owned(), port.to_string(), bus.to_string()]
    }

    /// The process ID, for signals.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        // Before waiting for the process: afterwards its ID may belong to another process.
        let sent = self.process.stdin.take().expect("a pipe").write_all(b"\n");
        sent.expect("the shell reads its input");
        self.process.kill().expect("redis-server can be killed");
        self.process.wait().expect("redis-server can be waited for");
    }

    /// Starts it again after [`Self::kill`], on the same port and with its last snapshot.
    pub(crate) fn restart(&mut self) {
        let process = launch(self.kind, self.ports, self.directory.path());
        self.process = process.expect("redis-server starts again");
    }
}

/// A connection that receives every command (`MONITOR`).
pub(crate) struct Watch {
    lines: Lines<BufReader<TcpStream>>,
    aside: Connection,
}

impl Watch {
    /// The commands of clients so far, as `"name" "argument" …`. Without the commands of scripts, which run inside Redis and
    /// cost no round trip, and without the greeting of new connections.
    pub(crate) fn stop(mut self) -> Vec<String> {
        cmd("PING").arg("the end").exec(&mut self.aside).expect("Redis answers");
        // `+<time> [<database> <client>] "<command>" …`; commands of scripts have the client `lua`.
        let commands = self.lines.map(|line| line.expect("a command")).take_while(|line| !line.contains("the end"));
        let sent = commands.filter(|line| !line.contains(" lua] ") && !line.contains("\"CLIENT\""));
        sent.map(|line| line.split_once("] ").expect("a client").1.to_owned()).collect()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The shell script then stops the server, unless it was killed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Ports that are free now.
fn free_ports() -> Ports {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    let [plain, tls, bus] = listeners.map(|listener| listener.local_addr().expect("a bound address").port());
    Ports { plain, tls, bus }
}

/// Starts redis-server and waits until it answers. `None` when it ends or does not answer.
fn launch(kind: Kind, ports: Ports, directory: &Path) -> Option<Child> {
    let [port, tls_port, bus_port] = [ports.plain, ports.tls, ports.bus].map(|port| port.to_string());
    let mut command = Command::new("sh");
    command
        .args(["-c", KEEPER, "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--repl-diskless-sync-delay", "0", "--port", &port, "--dir"])
        .arg(directory);
    if kind.is_secured {
        command
            .args([
                "--requirepass",
                PASSWORD,
                "--tls-port",
                &tls_port,
                "--tls-auth-clients",
                "no",
                "--tls-cluster",
                "yes",
            ])
            .args(["--tls-cert-file", "redis.pem", "--tls-key-file", "redis.key", "--tls-ca-cert-file", "ca.pem"]);
    }
    if kind.is_node {
        command
            .args(["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--cluster-node-timeout", "1000"])
            .args(["--cluster-replica-validity-factor", "0"]);
    }
    let process = command.env("DIRECTORY", directory).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut process = process.expect("a shell");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) && matches!(process.try_wait(), Ok(None)) {
        if answers(ports.plain) {
            return Some(process);
        }
        sleep(Duration::from_millis(5));
    }
    // Not by closing its input, at whose end the shell script would delete the directory.
    let _ = process.stdin.take().map(|mut keeper| keeper.write_all(b"\n"));
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn answers(port: u16) -> bool {
    let Ok(mut connection) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
    let mut answer = [0; 5];
    connection.write_all(b"PING\r\n").is_ok()
        && connection.read_exact(&mut answer).is_ok()
        && [b"+PONG", b"-NOAU"].contains(&&answer)
}

/// A certificate for 127.0.0.1, its key, and the certificate of its authority, in PEM.
#[derive(Clone)]
pub(crate) struct Certificates {
    authority: String,
    server: String,
    key: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let key = || KeyPair::generate().expect("a key");
        let (authority_key, key) = (key(), key());
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose subject equals its issuer for self-signed.
        authority.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let own = authority.self_signed(&authority_key).expect("a certificate");
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let signed = server.signed_by(&key, &Issuer::new(authority, authority_key)).expect("a certificate");
        Self { authority: own.pem(), server: signed.pem(), key: key.serialize_pem() }
    }

    fn write(&self, directory: &Path) {
        for (name, text) in [("ca.pem", &self.authority), ("redis.pem", &self.server), ("redis.key", &self.key)] {
            fs::write(directory.join(name), text).expect("a file");
        }
    }
}
