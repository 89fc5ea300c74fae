//! A real redis-server for tests: on a free port, in a directory of its own, gone when it is dropped.

#![allow(dead_code, reason = "every test binary compiles this in, and each uses a part of it")]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A redis-server that keeps nothing unless it is told `SAVE`.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Another process may take the port before Redis does: then Redis ends, and we try another.
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = launch(port, &directory) {
                return Self { process, port, directory };
            }
        }
        panic!("redis-server did not start");
    }

    /// The one that all tests of this binary share. Keep it for as long as it is used.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
        // Not a plain static: those are never dropped, and the server would stay behind.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process, for signals.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("redis-server can be killed");
        self.process.wait().expect("redis-server can be waited for");
    }

    /// Starts it again after [`Self::kill`], on the same port and with what it last saved.
    pub(crate) fn restart(&mut self) {
        self.process = launch(self.port, &self.directory).expect("redis-server starts again");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// Starts redis-server and waits until it answers. `None` when it ends or stays silent.
fn launch(port: u16, directory: &TempDir) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"])
        .args(["--port", &port.to_string(), "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is not on PATH; these tests need it: `apt install redis-server` or `brew install redis`");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) && matches!(process.try_wait(), Ok(None)) {
        if answers(port) {
            return Some(process);
        }
        sleep(Duration::from_millis(5));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn answers(port: u16) -> bool {
    let Ok(mut connection) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
    let mut answer = [0; 5];
    connection.write_all(b"PING\r\n").is_ok() && connection.read_exact(&mut answer).is_ok() && &answer == b"+PONG"
}
