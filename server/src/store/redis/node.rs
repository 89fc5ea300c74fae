//! One Redis server: the connection to it, and the script that it was given.
//!
//! # When Redis forgets
//!
//! Redis may come back from an older snapshot, or a replica without the last writes may take its place; nonces that
//! were spent in between would then live again. But what comes back has an empty script cache: from version 7 on Redis
//! neither saves nor replicates scripts. The text of ours carries a random name, so nobody else can have loaded it, and
//! `NOSCRIPT` means: this Redis is not the one that we knew. The store then loads a new text, which says the time as
//! `not_before` and holds every older nonce for dead; the pages ask for fresh ones. A request for nonces, whose nonce is invented, is held
//! for dead by the second in which it was signed. As the time is *in* the text, no
//! request can run the new script with the old time. A server that starts does the same, because it cannot know what
//! Redis went through before.
//!
//! In a cluster each server has a script of its own, as each may forget by itself. Only primaries are given one: a
//! replica that takes its primary's place must not know it. A primary that loses its place and takes it again without a
//! restart still knows the scripts of those app instances that have asked nothing in between; what then stands against a
//! replay is that a request is fresh for 6 seconds, and two failovers take longer as long as `cluster-node-timeout` is
//! not below 3 seconds (Redis's default is 15).
//!
//! This needs the servers' clocks to agree, as the 5 seconds of a request's freshness do. Sessions, records and key
//! bindings cannot be guarded so: how many of the last ones a failure may cost is decided by Redis's own persistence
//! (`appendonly yes`) and `min-replicas-to-write`.

use std::{fs, io, path::Path, time::Duration};

use redis::{
    Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ServerErrorKind, TlsCertificates, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cmd, pipe,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::RwLock;

use super::{connection::Request, script::Call};
use crate::{
    clock::{Clock, next_second},
    random::random,
    settings::RedisSettings,
};

/// How long a server may take to answer, or to accept a connection.
const ANSWER: Duration = Duration::from_millis(1500);

/// After how long without an acknowledgement the connection is given up: a peer that vanished without a word.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

const VERBS: &str = include_str!("../redis.lua");

/// How to get into the servers of one Redis: all but host and port.
pub(super) struct ConnectOptions {
    settings: RedisSettings,
    /// PEM.
    ca: Option<Vec<u8>>,
}

impl ConnectOptions {
    /// Reads the certificates.
    pub(super) fn new(settings: &RedisSettings) -> io::Result<Self> {
        if settings.tls {
            // Fails when the process has one already, which is as good.
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
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
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

/// A server. The connection is made when it is first needed, and comes back by itself.
pub(super) struct Node {
    address: Address,
    connection: ConnectionManager,
    /// The hash of the script as it was loaded last.
    script: RwLock<Option<String>>,
}

impl Node {
    pub(super) fn new(entrance: &ConnectOptions, address: Address) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let connection = ConnectionManager::new_lazy_with_config(entrance.client(&address)?, config)?;
        Ok(Self { address, connection, script: RwLock::new(None) })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Connects and loads the script, if that was not done yet.
    pub(super) async fn load(&self) -> RedisResult<()> {
        self.load_instead_of(None, false).await.map(drop)
    }

    /// Asks the server. `asking` as the cluster's `ASK` demands it.
    pub(super) async fn ask(&self, request: &Request<'_>, asking: bool) -> RedisResult<Value> {
        let call = match request {
            Request::Plain(command) => return self.send(command, asking).await,
            Request::Verb(call) => call,
        };
        let script = self.script.read().await.clone();
        let script = match script {
            Some(script) => script,
            None => self.load_instead_of(None, true).await?,
        };
        match self.send(&evaluate(&script, call), asking).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let (host, port) = &self.address;
                tracing::warn!(host, port, "Redis was restarted or replaced: nonces issued until now are void");
                let script = self.load_instead_of(Some(&script), true).await?;
                self.send(&evaluate(&script, call), asking).await
            }
            answer => answer,
        }
    }

    async fn send(&self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        let mut connection = self.connection.clone();
        if !asking {
            return connection.req_packed_command(command).await?.extract_error();
        }
        // In one piece: `ASKING` is for the very next command of the connection, which many requests share.
        let mut both = pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers = connection.req_packed_commands(&both, 1, 1).await?;
        let none = || RedisError::from((ErrorKind::UnexpectedReturnType, "no answer behind ASKING"));
        answers.into_iter().next().ok_or_else(none)?.extract_error()
    }

    /// Loads the script anew, unless another request has already done it since `forgotten` was loaded.
    ///
    /// While requests wait for that, it lets them wait a little longer: a request for nonces says in which second it was
    /// signed, and those of this very second are held for older than the script. The pages, which ask for nonces as soon
    /// as they hear that theirs are void, shall hear it in the next one.
    async fn load_instead_of(&self, forgotten: Option<&str>, is_waited_for: bool) -> RedisResult<String> {
        let mut script = self.script.write().await;
        match &*script {
            Some(other) if Some(other.as_str()) != forgotten => Ok(other.clone()),
            _ => {
                let answer = self.send(cmd("SCRIPT").arg("LOAD").arg(text()?), false).await?;
                let loaded = script.insert(String::from_redis_value(answer)?).clone();
                if is_waited_for {
                    next_second().await;
                }
                Ok(loaded)
            }
        }
    }
}

fn evaluate(script: &str, call: &Call) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(script).arg(call.keys.len()).arg(&call.keys).arg(&call.args);
    command
}

/// A script that no other server has, and that takes no nonce from before this moment.
fn text() -> RedisResult<String> {
    let unavailable = |error: getrandom::Error| RedisError::from(io::Error::other(error));
    let name = u128::from_ne_bytes(random().map_err(unavailable)?);
    Ok(format!("#!lua\n-- {name:032x}\nlocal not_before = {}\n{VERBS}", Clock::system().now()))
}
