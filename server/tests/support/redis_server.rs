//! A real redis-server for tests: on a free port, in a directory of its own, gone when it is dropped or when the tests
//! end, however they end.

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

/// Starts redis-server in its place, and ends it with its directory when the standard input ends: that is when the
/// tests do. A line says that it has ended otherwise.
const KEEPER: &str = r#"exec 3<&0
(read -r line <&3 || { kill -9 $$; rm -rf "$DIRECTORY"; }) &
exec redis-server "$@" 3<&- </dev/null"#;

/// What the servers that want a password want.
const PASSWORD: &str = "p@ss/word";

/// The same in a URL.
const CREDENTIALS: &str = ":p%40ss%2Fword@";

/// What kind of server it is.
#[derive(Clone, Copy, Default)]
struct Kind {
    /// It wants a password, and can also be reached over TLS.
    is_secured: bool,
    /// It is a node of a cluster.
    is_node: bool,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
    /// Of the cluster.
    bus: u16,
}

/// A redis-server that keeps nothing unless it is told `SAVE`.
pub(crate) struct RedisServer {
    kind: Kind,
    process: Child,
    ports: Ports,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::of(Kind::default(), Certificates::new)
    }

    /// Starts one with a password that is reached over TLS.
    pub(crate) fn secured() -> Self {
        Self::of(Kind { is_secured: true, is_node: false }, Certificates::new)
    }

    /// Starts one that is to be a node of a cluster.
    pub(crate) fn node() -> Self {
        Self::of(Kind { is_secured: false, is_node: true }, Certificates::new)
    }

    /// The same with a password and over TLS, as one of those who have these certificates.
    pub(crate) fn secured_node(certificates: &Certificates) -> Self {
        Self::of(Kind { is_secured: true, is_node: true }, || certificates.clone())
    }

    fn of(kind: Kind, certificates: impl FnOnce() -> Certificates) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if kind.is_secured {
            certificates().write(directory.path());
        }
        // Another process may take a port before Redis does: then Redis ends, and we try others.
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

    /// How the store reaches it.
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

    /// A connection of the test's own.
    pub(crate) fn aside(&self) -> Connection {
        let credentials = if self.kind.is_secured { CREDENTIALS } else { "" };
        let client = Client::open(format!("redis://{credentials}127.0.0.1:{}", self.ports.plain)).expect("a URL");
        client.get_connection().expect("a connection to Redis")
    }

    /// Watches what clients send from now on.
    pub(crate) fn watch(&self) -> Watch {
        let mut monitor = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.plain)).expect("a connection to Redis");
        monitor.write_all(b"MONITOR\r\n").expect("Redis listens");
        let mut lines = BufReader::new(monitor).lines();
        assert_eq!(lines.next().expect("an answer").expect("an answer"), "+OK");
        Watch { lines, aside: self.aside() }
    }

    /// Its port without TLS.
    pub(crate) fn port(&self) -> u16 {
        self.ports.plain
    }

    /// What another node meets it with: host, port, and the port of its bus.
    pub(crate) fn meeting_place(&self) -> [String; 3] {
        let Ports { plain, tls, bus } = self.ports;
        let port = if self.kind.is_secured { tls } else { plain };
        ["127.0.0.1".to_owned(), port.to_string(), bus.to_string()]
    }

    /// Its process, for signals.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        // In this order: what has been waited for may have given its number to another process.
        let told = self.process.stdin.take().expect("a keeper").write_all(b"\n");
        told.expect("the keeper listens");
        self.process.kill().expect("redis-server can be killed");
        self.process.wait().expect("redis-server can be waited for");
    }

    /// Starts it again after [`Self::kill`], on the same port and with what it last saved.
    pub(crate) fn restart(&mut self) {
        let process = launch(self.kind, self.ports, self.directory.path());
        self.process = process.expect("redis-server starts again");
    }
}

/// A connection that is told every command.
pub(crate) struct Watch {
    lines: Lines<BufReader<TcpStream>>,
    aside: Connection,
}

impl Watch {
    /// The commands of clients until now, as `"name" "argument" …`. What a script calls is not among them: it runs inside
    /// Redis, in the same step, and costs no round trip. Nor is what a new connection introduces itself with.
    pub(crate) fn stop(mut self) -> Vec<String> {
        cmd("PING").arg("the end").exec(&mut self.aside).expect("Redis answers");
        // `+<time> [<database> <client>] "<command>" …`; what a script calls has the client `lua`.
        let commands = self.lines.map(|line| line.expect("a command")).take_while(|line| !line.contains("the end"));
        let sent = commands.filter(|line| !line.contains(" lua] ") && !line.contains("\"CLIENT\""));
        sent.map(|line| line.split_once("] ").expect("a client").1.to_owned()).collect()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The keeper then ends it, unless it was killed already.
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

/// Starts redis-server and waits until it answers. `None` when it ends or stays silent.
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
    // Not its end of input, with which the keeper would remove the directory.
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

/// A certificate for 127.0.0.1, and that of the authority that vouches for it. All in PEM.
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
        // OpenSSL takes what has its issuer's name for self-signed.
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
