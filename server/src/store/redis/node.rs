//! One Redis server: the connection to it, and the script that was loaded into it.
//!
//! # When Redis loses data
//!
//! Redis may come back from an older snapshot, or a replica without the last writes may take its place. Nonces that
//! were spent in between would then be live again. But such a server has an empty script cache: from version 7 on Redis
//! neither saves nor replicates scripts. The text of our script contains a random name, so no other client can have
//! loaded it, and `NOSCRIPT` means: this is not the Redis that the script was loaded into. The store then loads a new
//! text, which states the time as `not_before` and rejects every older nonce; the pages fetch fresh ones. A request for
//! nonces, whose nonce is invented, is rejected by the second in which it was signed. As the time is part of the text,
//! no request can run the new script with the old time. A server that starts does the same, because it cannot know what
//! has happened to Redis before.
//!
//! In a cluster each server has its own script, because each may lose data by itself. Only primaries get one: a replica
//! that takes its primary's place must not know it. A primary that loses its place and regains it without a restart
//! still knows the scripts of those app instances that have sent nothing in between. What prevents a replay then is
//! that a request is fresh for 6 seconds, and that two failovers take longer if `cluster-node-timeout` is at least 3
//! seconds (Redis's default is 15).
//!
//! This needs the servers' clocks to agree, as the 5 seconds of a request's freshness do. Sessions, records and key
//! bindings have no such protection. How many of the last writes a failure may cost is decided by Redis's own
//! persistence (`appendonly yes`) and by `min-replicas-to-write`.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use redis::{
    Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ServerErrorKind, TlsCertificates, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cmd, pipe,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::RwLock;

use super::script::{Call, Request, SCRIPT};
use crate::{
    clock::{Clock, next_second},
    random::random,
    settings::RedisSettings,
};

/// The most time for an answer, and for a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The shortest time between two connections that replace one another.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Time without an acknowledgement after which the connection is closed (`TCP_USER_TIMEOUT`).
#[cfg(target_os = "linux")]
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How to connect to the servers of one Redis: everything except host and port.
pub(super) struct ConnectOptions {
    settings: RedisSettings,
    /// PEM.
    ca: Option<Vec<u8>>,
}

impl ConnectOptions {
    /// Reads the certificates.
    pub(super) fn new(settings: &RedisSettings) -> io::Result<Self> {
        if settings.tls {
            // Fails if the process has a default already, which is fine.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { settings: settings.clone(), ca: settings.ca.as_deref().map(read_certificates).transpose()? })
    }

    fn client(&self, (host, port): &Address) -> RedisResult<Client> {
        let RedisSettings { user, password, database, tls, .. } = &self.settings;
        let (host, port, tls_params) = (host.clone(), *port, None);
        let address = if *tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info()?;
        let mut redis = info.redis_settings().clone().set_db((*database).into());
        if let Some(user) = user {
            redis = redis.set_username(user);
        }
        if let Some(password) = password {
            redis = redis.set_password(password.reveal());
        }
        let tcp = info.tcp_settings().clone();
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(ACKNOWLEDGEMENT_TIMEOUT);
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        match &self.ca {
            Some(pem) => {
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) })
            }
            None => Client::open(info),
        }
    }
}

fn read_certificates(path: &Path) -> io::Result<Vec<u8>> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let pem = fs::read(path).map_err(failed)?;
    let first = CertificateDer::pem_slice_iter(&pem).next();
    first
        .is_some_and(|first| first.is_ok())
        .then_some(pem)
        .ok_or_else(|| failed(io::Error::other("no certificate in it")))
}

/// Host and port.
pub(super) type Address = (String, u16);

/// A connection and when it was made.
struct Connection {
    manager: ConnectionManager,
    made: Instant,
}

impl Connection {
    /// A connection that is opened when it is first needed, and restored automatically.
    fn new(client: &Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Self { manager, made: Instant::now() })
    }
}

/// A server. The connection is opened when it is first needed, and restored automatically.
pub(super) struct Node {
    address: Address,
    client: Client,
    connection: RwLock<Connection>,
    /// The hash of the script that was loaded last.
    script: RwLock<Option<String>>,
}

impl Node {
    pub(super) fn new(options: &ConnectOptions, address: Address) -> RedisResult<Self> {
        let client = options.client(&address)?;
        let connection = RwLock::new(Connection::new(&client)?);
        Ok(Self { address, client, connection, script: RwLock::new(None) })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Connects and loads the script, unless that is done already.
    pub(super) async fn load(&self) -> RedisResult<()> {
        self.load_in_place_of(None, false).await.map(drop)
    }

    /// Sends a request. `asking`: after the command `ASKING`, as a cluster demands after the answer `ASK`.
    pub(super) async fn ask(&self, request: &Request<'_>, asking: bool) -> RedisResult<Value> {
        let call = match request {
            Request::Command(command) => return self.send(command, asking).await,
            Request::Script(call) => call,
        };
        let script = self.script.read().await.clone();
        let script = match script {
            Some(script) => script,
            None => self.load_in_place_of(None, true).await?,
        };
        match self.send(&evaluate(&script, call), asking).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let (host, port) = &self.address;
                tracing::warn!(host, port, "Redis was restarted or replaced: nonces issued until now are void");
                let script = self.load_in_place_of(Some(&script), true).await?;
                self.send(&evaluate(&script, call), asking).await
            }
            answer => answer,
        }
    }

    async fn send(&self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        let answer = self.send_over_connection(command, asking).await;
        if answer.as_ref().is_err_and(is_of_wrong_server) {
            self.reconnect().await?;
        }
        answer
    }

    /// Replaces the connection, at most once per [`RECONNECT_INTERVAL`]. The new one resolves the host name again.
    async fn reconnect(&self) -> RedisResult<()> {
        let mut connection = self.connection.write().await;
        if connection.made.elapsed() >= RECONNECT_INTERVAL {
            let (host, port) = &self.address;
            tracing::warn!(host, port, "Redis cannot write at present: connecting again");
            *connection = Connection::new(&self.client)?;
        }
        Ok(())
    }

    async fn send_over_connection(&self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        let mut connection = self.connection.read().await.manager.clone();
        if !asking {
            return connection.req_packed_command(command).await?.extract_error();
        }
        // As one pipeline: `ASKING` affects the next command of the connection, and many requests share it.
        let mut both = pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers = connection.req_packed_commands(&both, 1, 1).await?;
        let none = || RedisError::from((ErrorKind::UnexpectedReturnType, "no answer after ASKING"));
        answers.into_iter().next().ok_or_else(none)?.extract_error()
    }

    /// Logs a warning if the server may delete keys. A Redis user who may not ask gets none.
    async fn warn_of_eviction(&self) -> RedisResult<()> {
        let answer = match self.send(cmd("INFO").arg("memory"), false).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => return Ok(()),
            answer => answer?,
        };
        if let Some(policy) = eviction_policy(&String::from_redis_value(answer)?) {
            let (host, port) = &self.address;
            tracing::warn!(
                host,
                port,
                policy,
                "Redis may delete accounts and sessions when its memory is full: set its maxmemory-policy to noeviction"
            );
        }
        Ok(())
    }

    /// Loads a new script, unless another request has replaced `forgotten` already.
    ///
    /// If a request is waiting, this waits for the next second. A request for nonces states the second in which it was
    /// signed, and one from this very second counts as older than the script. The pages ask for nonces as soon as they
    /// learn that theirs are void, and must learn it in the next second.
    async fn load_in_place_of(&self, forgotten: Option<&str>, has_waiting: bool) -> RedisResult<String> {
        let mut script = self.script.write().await;
        match &*script {
            Some(other) if Some(other.as_str()) != forgotten => Ok(other.clone()),
            _ => {
                // First, because Redis reports a missing password as a protocol error when a command is long.
                self.warn_of_eviction().await?;
                let answer = self.send(cmd("SCRIPT").arg("LOAD").arg(script_text()?), false).await?;
                let loaded = script.insert(String::from_redis_value(answer)?).clone();
                if has_waiting {
                    next_second().await;
                }
                Ok(loaded)
            }
        }
    }
}

/// The policy of `INFO memory` by which Redis deletes keys when its memory is full, unless it deletes none.
fn eviction_policy(info: &str) -> Option<&str> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
    (policy != "noeviction").then_some(policy)
}

/// Whether the answer shows that the connection leads to a server that is not the primary, or not yet: after a failover
/// the old primary may keep its connections open.
fn is_of_wrong_server(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
    )
}

fn evaluate(script: &str, call: &Call) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(script).arg(call.keys.len()).arg(&call.keys).arg(&call.args);
    command
}

/// A script text that no other client has, and that rejects nonces from before now.
fn script_text() -> RedisResult<String> {
    let unavailable = |error: getrandom::Error| RedisError::from(io::Error::other(error));
    let name = u128::from_ne_bytes(random().map_err(unavailable)?);
    Ok(format!("#!lua\n-- {name:032x}\nlocal not_before = {}\n{SCRIPT}", Clock::system().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_noeviction_keeps_every_key() {
        let info =
            |policy: &str| format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\nmem_allocator:x\r\n");
        assert_eq!(eviction_policy(&info("noeviction")), None);
        for policy in ["allkeys-lru", "volatile-ttl"] {
            assert_eq!(eviction_policy(&info(policy)), Some(policy));
        }
        assert_eq!(eviction_policy("# Memory\r\n"), None);
    }
}
