//! A real redis-server for tests: on a free port, in a directory of its own, gone when it is dropped or when the tests
//! end, however they end.

#![allow(dead_code, reason = "every test binary compiles this in, and each uses a part of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
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

/// How a server is reached beside its port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// With a password, and also over TLS.
    Secured,
    /// As a node of a cluster, whose bus has a port too.
    Node,
}

/// A redis-server that keeps nothing unless it is told `SAVE`.
pub(crate) struct RedisServer {
    kind: Kind,
    process: Child,
    port: u16,
    /// That of TLS or of the cluster's bus.
    other_port: u16,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::of(Kind::Plain)
    }

    /// Starts one with a password that is reached over TLS; its certificate is vouched for by [`Self::ca`].
    pub(crate) fn secured() -> Self {
        Self::of(Kind::Secured)
    }

    /// Starts one that is to be a node of a cluster.
    pub(crate) fn node() -> Self {
        Self::of(Kind::Node)
    }

    fn of(kind: Kind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if kind == Kind::Secured {
            write_certificates(&directory);
        }
        // Another process may take a port before Redis does: then Redis ends, and we try another.
        for _ in 0..5 {
            let (port, other_port) = free_ports();
            if let Some(process) = launch(kind, port, other_port, &directory) {
                return Self { kind, process, port, other_port, directory };
            }
        }
        panic!(
            "redis-server does not start; is it on PATH? These tests need Redis 7 with TLS: `apt install redis-server` or \
             `brew install redis`"
        );
    }

    /// How the store reaches it.
    pub(crate) fn settings(&self) -> RedisSettings {
        let url = match self.kind {
            Kind::Plain => format!("redis://127.0.0.1:{}", self.port),
            Kind::Secured => format!("rediss://:p%40ss%2Fword@127.0.0.1:{}/0", self.other_port),
            Kind::Node => format!("redis://127.0.0.1:{}", self.port),
        };
        let settings = RedisSettings::at(&url).expect("a URL");
        let ca = (self.kind == Kind::Secured).then(|| self.directory.path().join("ca.pem"));
        RedisSettings { ca, cluster: self.kind == Kind::Node, ..settings }
    }

    /// A connection of the test's own.
    pub(crate) fn aside(&self) -> Connection {
        let credentials = if self.kind == Kind::Secured { ":p%40ss%2Fword@" } else { "" };
        let client = Client::open(format!("redis://{credentials}127.0.0.1:{}", self.port)).expect("a URL");
        client.get_connection().expect("a connection to Redis")
    }

    /// Watches what clients send from now on.
    pub(crate) fn watch(&self) -> Watch {
        let mut monitor = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a connection to Redis");
        monitor.write_all(b"MONITOR\r\n").expect("Redis listens");
        let mut lines = BufReader::new(monitor).lines();
        assert_eq!(lines.next().expect("an answer").expect("an answer"), "+OK");
        Watch { lines, aside: self.aside() }
    }

    /// Its port without TLS.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port of its cluster bus.
    pub(crate) fn bus_port(&self) -> u16 {
        self.other_port
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
        let process = launch(self.kind, self.port, self.other_port, &self.directory);
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

/// Two ports that are free now.
fn free_ports() -> (u16, u16) {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    let [one, other] = listeners.map(|listener| listener.local_addr().expect("a bound address").port());
    (one, other)
}

/// Starts redis-server and waits until it answers. `None` when it ends or stays silent.
fn launch(kind: Kind, port: u16, other_port: u16, directory: &TempDir) -> Option<Child> {
    let mut command = Command::new("sh");
    command
        .args(["-c", KEEPER, "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--repl-diskless-sync-delay", "0", "--port", &port.to_string(), "--dir"])
        .arg(directory.path());
    let other_port = other_port.to_string();
    match kind {
        Kind::Plain => &mut command,
        Kind::Secured => command
            .args(["--requirepass", PASSWORD, "--tls-port", &other_port, "--tls-auth-clients", "no"])
            .args(["--tls-cert-file", "redis.pem", "--tls-key-file", "redis.key", "--tls-ca-cert-file", "ca.pem"]),
        Kind::Node => command
            .args(["--cluster-enabled", "yes", "--cluster-port", &other_port, "--cluster-node-timeout", "1000"])
            .args(["--cluster-replica-validity-factor", "0"]),
    };
    let process = command.env("DIRECTORY", directory.path()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut process = process.expect("a shell");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) && matches!(process.try_wait(), Ok(None)) {
        if answers(port) {
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

/// A certificate for 127.0.0.1, and that of the authority that vouches for it.
fn write_certificates(directory: &TempDir) {
    let key = || KeyPair::generate().expect("a key");
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).expect("a file");
    let (ca_key, server_key) = (key(), key());
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", ca.self_signed(&ca_key).expect("a certificate").pem());
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let signed = server.signed_by(&server_key, &Issuer::new(ca, ca_key)).expect("a certificate");
    write("redis.pem", signed.pem());
    write("redis.key", server_key.serialize_pem());
}
