//! The server's settings, from `Leptos.toml` and environment variables. Variables take precedence.
//!
//! A setting is one line of the macro `group!` with its name, type, default and environment variable. `Leptos.toml` in the
//! repository lists every setting with its default; a test compares the two. Unknown, malformed or contradictory
//! settings stop the start with an error message that names their source.

use std::{env, fs, io, net::SocketAddr};

mod audit;
mod lifetimes;
mod limits;
mod macros;
mod monitoring;
mod origins;
mod proxies;
mod push;
mod redis;
mod secret;
mod sessions;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod value;

pub use audit::AuditSettings;
pub use lifetimes::{FRESHNESS, Lifetimes};
pub(crate) use lifetimes::{PASSKEY_FRESHNESS, ROUNDING, millis};
pub use limits::Limits;
pub(crate) use limits::per_minute;
pub use monitoring::Monitoring;
pub use origins::Origins;
pub use proxies::Proxies;
pub use push::PushSettings;
pub use redis::RedisSettings;
pub use secret::{Password, Secret};
pub use sessions::{DevicePolicy, OnTheft, Sessions};
pub use store::StoreSettings;

use sources::Sources;

/// The settings file, unless [`FILE_VARIABLE`] names another one.
const FILE: &str = "Leptos.toml";

const FILE_VARIABLE: &str = "PAN_SETTINGS";

/// An error of reading or checking the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, #[source] io::Error),
    /// Unknown, malformed or contradictory settings: one message each, with the line of the file or the variable. No
    /// message contains a secret.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// The kind of deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Environment {
    /// Allows http on `*.localhost` and sessions in memory.
    Development,
    /// Requires https, secret keys other than the development secret, and a Redis unless `store.allow_memory` and
    /// `store.snapshot` are set.
    Production,
}

/// All settings, checked.
#[derive(Clone)]
pub struct Settings {
    /// Development or production.
    pub environment: Environment,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The two origins.
    pub origins: Origins,
    /// Lifetimes of sessions and nonces.
    pub lifetimes: Lifetimes,
    /// Rate and size limits.
    pub limits: Limits,
    /// Session limit and theft policy.
    pub sessions: Sessions,
    /// Reverse proxies in front of the server.
    pub proxies: Proxies,
    /// The audit log.
    pub audit: AuditSettings,
    /// Monitoring and shutdown.
    pub monitoring: Monitoring,
    /// Push connections and messages.
    pub push: PushSettings,
    /// The Redis that stores sessions, if any.
    pub redis: Option<RedisSettings>,
    /// The memory store, used without a Redis.
    pub store: StoreSettings,
}

impl Settings {
    /// Reads `Leptos.toml` in the working directory, if there is one, and the environment.
    ///
    /// # Errors
    /// [`SettingsError`] with every defect that was found.
    pub fn load() -> Result<Self, SettingsError> {
        let file = env::var(FILE_VARIABLE).ok();
        let path = file.as_deref().unwrap_or(FILE);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_none() => String::new(),
            Err(error) => return Err(SettingsError::Unreadable(path.to_owned(), error)),
        };
        let text_of = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::parse(path, &text, env::vars_os().map(|(name, value)| (text_of(name), text_of(value))))
    }

    /// Reads settings from a TOML text and environment variables. Error messages call the text `name`.
    ///
    /// # Errors
    /// [`SettingsError`] with every defect that was found.
    pub fn parse(
        name: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        Self::from_sources(&mut Sources::new(name, text, variables)?)
    }

    fn from_sources(from: &mut Sources) -> Result<Self, SettingsError> {
        let settings = Self::read(from);
        from.reject_unknown();
        // Contradictions are checked only between settings that are valid by themselves.
        from.finish()?;
        settings.check(from);
        from.finish()?;
        Ok(settings)
    }

    fn read(from: &mut Sources) -> Self {
        let environment = from.take("environment", Some("ENVIRONMENT"), Environment::Development);
        let mut listen = from.take("listen", None, SocketAddr::from(([127, 0, 0, 1], 3000)));
        let mut origins = Origins::read(from);
        let port: Option<u16> = from.take("port", Some("PORT"), None);
        if port.is_some() {
            let given = from.is_given("listen").then_some(listen.port());
            let port = from.resolve_conflict(("port", port), ("listen", given)).unwrap_or_default();
            listen.set_port(port);
            origins.follow_port(port, environment, from);
        }
        Self {
            environment,
            listen,
            origins,
            lifetimes: Lifetimes::read(from),
            limits: Limits::read(from),
            sessions: Sessions::read(from),
            proxies: Proxies::read(from),
            audit: AuditSettings::read(from),
            monitoring: Monitoring::read(from),
            push: PushSettings::read(from),
            redis: RedisSettings::read(from),
            store: StoreSettings::read(from),
        }
    }

    fn check(&self, from: &mut Sources) {
        self.origins.check(self.environment, from);
        self.lifetimes.check(from);
        Limits::check(from);
        Sessions::check(from);
        AuditSettings::check(from);
        self.push.check(from);
        if self.sessions.device_binding == DevicePolicy::Require && !self.origins.app.is_secure() {
            let message = "browsers bind sessions to devices over https only";
            from.contradiction(&["sessions.device_binding", "origins.app"], message);
        }
        if self.environment == Environment::Production {
            if self.redis.is_none() && !self.store.allow_memory {
                let message = "production needs a Redis, or store.allow_memory = true for one instance without";
                from.contradiction(&["environment", "redis.url", "store.allow_memory"], message);
            }
            if self.redis.is_none() && self.store.allow_memory && self.store.snapshot.is_none() {
                let message = "without a Redis every account is lost at a restart: name a file in store.snapshot";
                from.contradiction(&["environment", "store.allow_memory"], message);
            }
            for secret in from.development_secrets() {
                let message =
                    "production needs a secret key: 32 random bytes, such as `openssl rand -base64 32` prints";
                from.contradiction(&["environment", secret], message);
            }
        }
    }
}

/// The default settings, for development.
impl Default for Settings {
    fn default() -> Self {
        Self::read(&mut Sources::default())
    }
}
