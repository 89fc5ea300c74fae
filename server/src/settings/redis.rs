//! Settings of the Redis connection: address, credentials and TLS.

use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::{
    SettingsError,
    macros::group,
    secret::Password,
    sources::Sources,
    value::{TomlType, Value},
};

/// The default port of Redis.
const DEFAULT_PORT: u16 = 6379;

/// One Redis, or a Redis Cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Host and port. For a cluster, any of its nodes: the server discovers the others.
    pub nodes: Vec<(String, u16)>,
    /// The user name, unless it is Redis's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Password>,
    /// The database number; a cluster has only 0.
    pub database: u32,
    /// Whether the nodes belong to a Redis Cluster.
    pub cluster: bool,
    /// Whether to use TLS.
    pub tls: bool,
    /// PEM file with the trusted CA certificates, instead of the system's.
    pub ca: Option<PathBuf>,
}

group! {
    /// The Redis settings as written. The parts must not contradict the URL of the same source.
    struct Parts in "redis" {
        /// The whole address.
        url: Option<Url> = None, [REDIS_URL];
        /// Host name or IP address.
        host: Option<String> = None, [REDIS_HOST];
        /// TCP port.
        port: Option<u16> = None, [REDIS_PORT];
        /// Password of the user in `url`, or of Redis's default user.
        password: Option<Password> = None, [REDIS_PASSWORD];
        /// Number of the database.
        db: Option<u32> = None, [REDIS_DB];
        /// Whether the host is a node of a cluster.
        cluster: bool = false;
        /// PEM file with CA certificates.
        ca: Option<PathBuf> = None;
    }
}

impl RedisSettings {
    /// Parses a Redis URL: `redis[s]://[user:password@]host[:port][,host[:port]…][/database]`.
    ///
    /// Several hosts are nodes of a cluster.
    ///
    /// # Errors
    /// [`SettingsError`] if the URL is malformed.
    pub fn at(url: &str) -> Result<Self, SettingsError> {
        let mut from = Sources::new("", "", [("REDIS_URL".to_owned(), url.to_owned())])?;
        let settings = Self::read(&mut from);
        from.finish()?;
        settings.ok_or_else(|| SettingsError::Wrong(vec!["a Redis without an address".to_owned()]))
    }

    /// Reads the settings. `None` if no Redis is configured.
    pub(super) fn read(from: &mut Sources) -> Option<Self> {
        let Parts { url, host, port, password, db, cluster, ca } = Parts::read(from);
        let dependent = [
            ("redis.port", port.is_some()),
            ("redis.password", password.is_some()),
            ("redis.db", db.is_some()),
            ("redis.cluster", cluster),
            ("redis.ca", ca.is_some()),
        ];
        let url = url.unwrap_or_default();
        let tls = url.tls;
        let nodes = nodes(from, url.nodes, host, port);
        let password = from.resolve_conflict(("redis.password", password), ("redis.url", url.password));
        let database = from.resolve_conflict(("redis.db", db), ("redis.url", url.database)).unwrap_or(0);
        let cluster = cluster || nodes.len() > 1;

        if nodes.is_empty() {
            for (part, _) in dependent.into_iter().filter(|(_, is_given)| *is_given) {
                from.contradiction(&[part], "no Redis is named: redis.url or redis.host is missing");
            }
            return None;
        }
        if cluster && database != 0 {
            let database = if from.is_given("redis.db") { "redis.db" } else { "redis.url" };
            from.contradiction(&[database], "a Redis Cluster has only the database 0");
        }
        if ca.is_some() && !tls {
            from.contradiction(&["redis.ca"], "certificates need TLS: redis.url must begin with rediss://");
        }
        Some(Self { nodes, user: url.user, password, database, cluster, tls, ca })
    }
}

/// The nodes of the URL with the separate port, or the separate host.
fn nodes(from: &mut Sources, of_url: Vec<Node>, host: Option<String>, port: Option<u16>) -> Vec<(String, u16)> {
    let hosts_of_url: Vec<_> = of_url.iter().map(|node| node.host.clone()).collect();
    let hosts_of_url = (!hosts_of_url.is_empty()).then_some(hosts_of_url);
    let hosts = from.resolve_conflict(("redis.host", host.map(|host| vec![host])), ("redis.url", hosts_of_url.clone()));
    let nodes = if hosts == hosts_of_url {
        of_url
    } else {
        hosts.into_iter().flatten().map(|host| Node { host, port: None }).collect()
    };
    let mut with_port = |node: Node| {
        let port = from.resolve_conflict(("redis.port", port), ("redis.url", node.port));
        (node.host, port.unwrap_or(DEFAULT_PORT))
    };
    nodes.into_iter().map(&mut with_port).collect()
}

/// The address without credentials: `host:port, host:port`.
impl std::fmt::Display for RedisSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        f.write_str(&nodes.join(", "))
    }
}

#[derive(Clone)]
struct Node {
    host: String,
    port: Option<u16>,
}

/// The parts of a Redis URL; `None` for absent parts.
#[derive(Clone, Default)]
struct Url {
    tls: bool,
    nodes: Vec<Node>,
    user: Option<String>,
    password: Option<Password>,
    database: Option<u32>,
}

impl Value for Url {
    const TOML_TYPE: TomlType = TomlType::Text;
    const EXPECTED: &'static str = "redis[s]://[user:password@]host[:port][,host[:port]…][/database]";

    /// Parses with the crate `redis`, once for each host.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "redis" | "rediss"))?;
        // The crate accepts options there, one of which disables certificate verification.
        if rest.contains(['?', '#']) {
            return None;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let mut url = Url { tls: scheme == "rediss", ..Url::default() };
        for host in hosts.split(',') {
            let info = format!("{scheme}://{user}@{host}/{path}").into_connection_info().ok()?;
            let (ConnectionAddr::Tcp(name, port) | ConnectionAddr::TcpTls { host: name, port, .. }) = info.addr()
            else {
                return None;
            };
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            url.nodes.push(Node { host: name.clone(), port: has_port.then_some(*port) });
            let redis = info.redis_settings();
            url.user = redis.username().map(str::to_owned);
            url.password = redis.password().and_then(Password::parse);
            url.database = if path.is_empty() { None } else { Some(redis.db().try_into().ok()?) };
        }
        Some(url)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Option<RedisSettings>, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::parse("Leptos.toml", text, variables)
            .map(|settings| settings.redis)
            .map_err(|error| error.to_string())
    }

    fn redis(text: &str, variables: &[(&str, &str)]) -> RedisSettings {
        read(text, variables).expect("right settings").expect("a Redis")
    }

    fn password(of: &RedisSettings) -> Option<&str> {
        of.password.as_ref().map(Password::reveal)
    }

    #[test]
    fn url_sets_every_field() {
        let all = RedisSettings::at("rediss://ada:p%40ss@redis.example:7000/3").expect("a URL");
        assert_eq!(all.nodes, [("redis.example".to_owned(), 7000)]);
        assert_eq!((all.user.as_deref(), password(&all), all.database), (Some("ada"), Some("p@ss"), 3));
        assert!(all.tls && !all.cluster);
        let least = RedisSettings::at("redis://[::1]").expect("a URL");
        assert_eq!(least.nodes, [("::1".to_owned(), DEFAULT_PORT)]);
        assert!(!least.tls && least.user.is_none() && least.password.is_none());
        let cluster = RedisSettings::at("redis://:pw@a:1,b,[::1]:3").expect("a URL");
        assert_eq!(cluster.to_string(), "a:1, b:6379, ::1:3");
        assert!(cluster.cluster && password(&cluster) == Some("pw"));
    }

    #[test]
    fn invalid_url_is_rejected_and_not_shown() {
        for url in [
            "redis.example",
            "http://redis.example",
            "unix:///run/redis.sock",
            "redis://",
            "redis://:hidden@",
            "redis://a,,b",
            "redis://:hidden@a/many",
            "redis://a/-1",
            "redis://a:65536",
            "redis://0.0.0.0",
            // The redis crate would then not check certificates.
            "rediss://:hidden@a/#insecure",
            "redis://a?protocol=resp3",
        ] {
            let error = RedisSettings::at(url).err().unwrap_or_else(|| panic!("{url} is accepted")).to_string();
            assert!(error.contains("REDIS_URL") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn parts_can_replace_the_url() {
        let parts = [("REDIS_HOST", "redis"), ("REDIS_PORT", "7000"), ("REDIS_PASSWORD", "a/b@c"), ("REDIS_DB", "2")];
        let one = redis("", &parts);
        assert_eq!((one.to_string(), password(&one), one.database), ("redis:7000".to_owned(), Some("a/b@c"), 2));
        let host = redis("", &[("REDIS_HOST", "redis")]);
        assert_eq!((host.to_string(), password(&host), host.database), ("redis:6379".to_owned(), None, 0));
        let url =
            [("REDIS_URL", "rediss://redis"), ("REDIS_PASSWORD", "pw"), ("REDIS_PORT", "7000"), ("REDIS_DB", "1")];
        let completed = redis("", &url);
        assert_eq!((completed.to_string(), completed.database), ("redis:7000".to_owned(), 1));
        assert!(completed.tls && password(&completed) == Some("pw"));
    }

    #[test]
    fn variable_overrides_the_file() {
        let file = "[redis]\nurl = \"redis://:old@in-file:1/1\"";
        let other = redis(file, &[("REDIS_HOST", "elsewhere"), ("REDIS_PASSWORD", "new"), ("REDIS_DB", "2")]);
        assert_eq!((other.to_string(), password(&other)), ("elsewhere:6379".to_owned(), Some("new")));
        assert_eq!(other.database, 2);
        let file = "[redis]\nhost = \"in-file\"\nport = 1\npassword = \"old\"";
        let other = redis(file, &[("REDIS_URL", "redis://:new@elsewhere:2")]);
        assert_eq!((other.to_string(), password(&other)), ("elsewhere:2".to_owned(), Some("new")));
    }

    #[test]
    fn part_contradicting_the_url_is_rejected() {
        let url = ("REDIS_URL", "redis://:hidden@a:1/1");
        for part in [("REDIS_HOST", "b"), ("REDIS_PORT", "2"), ("REDIS_PASSWORD", "secret"), ("REDIS_DB", "2")] {
            let error = read("", &[url, part]).err().unwrap_or_else(|| panic!("{part:?} is accepted"));
            assert!(error.contains("REDIS_URL") && error.contains(part.0), "{error}");
            assert!(!error.contains("hidden") && !error.contains("secret"), "{error}");
        }
        let same = [url, ("REDIS_HOST", "a"), ("REDIS_PORT", "1"), ("REDIS_PASSWORD", "hidden"), ("REDIS_DB", "1")];
        assert_eq!(redis("", &same).to_string(), "a:1");
        let error = read("[redis]\nurl = \"redis://a\"\nhost = \"b\"", &[]).err().expect("a contradiction");
        assert!(error.contains("line 2") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn impossible_combination_is_rejected() {
        for (variables, names) in [
            (&[("REDIS_PORT", "7000")][..], "REDIS_PORT"),
            (&[("REDIS_PASSWORD", "pw")], "REDIS_PASSWORD"),
            (&[("REDIS_DB", "1")], "REDIS_DB"),
            (&[("PAN_REDIS_CLUSTER", "true")], "PAN_REDIS_CLUSTER"),
            (&[("PAN_REDIS_CA", "ca.pem")], "PAN_REDIS_CA"),
            (&[("REDIS_URL", "redis://a"), ("PAN_REDIS_CA", "ca.pem")], "PAN_REDIS_CA"),
            (&[("REDIS_URL", "redis://a,b/1")], "REDIS_URL"),
            (&[("REDIS_URL", "redis://a"), ("PAN_REDIS_CLUSTER", "true"), ("REDIS_DB", "1")], "REDIS_DB"),
        ] {
            let error = read("", variables).err().unwrap_or_else(|| panic!("{variables:?} is accepted"));
            assert!(error.contains(names) && error.lines().count() == 1, "{error}");
        }
    }
}
