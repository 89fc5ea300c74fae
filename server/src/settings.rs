//! The settings of a running server: `Leptos.toml`, then the environment on top of it.
//!
//! An unknown, misspelled or contradictory setting stops the start with a sentence that says where it stands. There is
//! one list of settings, below; `Leptos.toml` in the repository shows every one with its default.

use std::{env, fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;

pub mod secret;

use secret::Secret;

use crate::{
    origin::Origin,
    store::{AtCap, Cap, Limit},
};

/// Where the settings are read from, unless `PAN_SETTINGS` names another file.
const FILE: &str = "Leptos.toml";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, #[source] io::Error),
    /// The file is not TOML, or says something unknown. The message names line and column.
    #[error("{0}: {1}")]
    Malformed(String, #[source] toml::de::Error),
    /// A variable of the environment holds something else than its setting takes.
    #[error("the environment variable {0} is `{1}`, but {2}")]
    Variable(&'static str, String, String),
    /// Settings that cannot stand together.
    #[error("{0}")]
    Contradiction(String),
}

/// What kind of place the server runs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// http is allowed on `*.localhost`, sessions may live in memory.
    Development,
    /// https only, and a Redis unless `store.allow_memory`.
    Production,
}

/// All settings, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `ENVIRONMENT`: development or production.
    pub environment: Environment,
    /// The address to listen on; `PORT` changes its port, and in development the origins' with it.
    pub listen: SocketAddr,
    /// The two origins.
    pub origins: Origins,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How much is let through.
    pub limits: Limits,
    /// How many sessions there are, and what ends them.
    pub sessions: Sessions,
    /// What stands between the server and its clients.
    pub proxies: Proxies,
    /// The audit log.
    pub audit: Audit,
    /// Where sessions are kept.
    pub store: StoreSettings,
}

/// How many sessions a user has, and what ends them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// The most at one time.
    pub max: usize,
    /// What happens at the cap: `end_oldest` or `refuse_new`.
    pub at_cap: AtCap,
    /// What happens when a session's token is presented without its key: `report` or `end`.
    pub on_theft: OnTheft,
}

/// What happens when a session's token is presented without its key. It is audited and shown to the owner anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTheft {
    /// Nothing more: the thief can do nothing, and the owner goes on.
    Report,
    /// The session ends. Whoever has the token can then end the owner's session too.
    End,
}

/// What stands between the server and its clients.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxies {
    /// How many proxies there are, each of which appends to `X-Forwarded-For` the address that it was reached from. 0:
    /// the header is not looked at.
    pub trusted: usize,
}

/// The audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// How many entries are kept.
    pub keep: usize,
    /// `AUDIT_SECRET`: the key of the chain.
    pub secret: Secret,
}

/// The two origins; the sign origin is a subdomain of the app origin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origins {
    /// The application's.
    pub app: Origin,
    /// The signing frame's.
    pub sign: Origin,
}

/// Lifetimes in seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lifetimes {
    /// A session, however busy it is: `SESSION_TTL`.
    pub session: u64,
    /// A session that is not used.
    pub idle: u64,
    /// A nonce, from its issue: `NONCE_TTL`.
    pub nonce: u64,
}

/// Limits of a session and of a request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Changes a minute and session: `MAX_REQUESTS_PER_MINUTE`.
    pub changes_per_minute: u32,
    /// Reads a minute and session.
    pub reads_per_minute: u32,
    /// Requests for nonces a minute and session.
    pub refills_per_minute: u32,
    /// Sign-ins and registrations a minute and client address.
    pub sign_ins_per_minute_and_address: u32,
    /// Sign-ins a minute and account.
    pub sign_ins_per_minute_and_account: u32,
    /// Requests to bind a key a minute and client address.
    pub binds_per_minute_and_address: u32,
    /// The largest request body, in bytes.
    pub body: usize,
}

/// Where sessions are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `REDIS_URL`: `redis://…`; without it sessions live in memory.
    pub redis: Option<String>,
    /// Lets production run without a Redis, on one instance only.
    pub allow_memory: bool,
    /// Development only, ignored otherwise and with a Redis: the file that keeps the memory store over restarts.
    pub snapshot: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment::Development,
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            origins: Origins::default(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            sessions: Sessions::default(),
            proxies: Proxies::default(),
            audit: Audit::default(),
            store: StoreSettings::default(),
        }
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self { app: Origin::development("pan.localhost:3000"), sign: Origin::development("sign.pan.localhost:3000") }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { session: 86_400, idle: 1_800, nonce: 300 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changes_per_minute: 60,
            reads_per_minute: 600,
            refills_per_minute: 20,
            sign_ins_per_minute_and_address: 30,
            sign_ins_per_minute_and_account: 10,
            binds_per_minute_and_address: 60,
            body: 64 * 1024,
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { max: 3, at_cap: AtCap::EndOldest, on_theft: OnTheft::Report }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep: 100_000, secret: Secret::default() }
    }
}

impl Sessions {
    /// The cap, as the store takes it.
    pub fn cap(self) -> Cap {
        Cap { max: self.max, at_cap: self.at_cap }
    }
}

impl Lifetimes {
    /// [`Lifetimes::idle`] as a duration.
    pub fn idle(self) -> Duration {
        Duration::from_secs(self.idle)
    }

    /// [`Lifetimes::nonce`] as a duration.
    pub fn nonce(self) -> Duration {
        Duration::from_secs(self.nonce)
    }
}

/// So many a minute.
pub(crate) fn per_minute(max: u32) -> Limit {
    Limit { max, window: Duration::from_secs(60) }
}

impl Settings {
    /// Reads `Leptos.toml` in the working directory, if there is one, and the environment.
    ///
    /// # Errors
    /// A [`SettingsError`] that says what to mend.
    pub fn load() -> Result<Self, SettingsError> {
        let file = env::var("PAN_SETTINGS").ok();
        let path = file.as_deref().unwrap_or(FILE);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_none() => String::new(),
            Err(error) => return Err(SettingsError::Unreadable(path.to_owned(), error)),
        };
        Self::parse(path, &text, |name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Reads settings from a TOML text and a look-up of environment variables.
    ///
    /// # Errors
    /// A [`SettingsError`] that says what to mend.
    pub fn parse(
        path: &str,
        text: &str,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let mut settings: Self =
            toml::from_str(text).map_err(|error| SettingsError::Malformed(path.to_owned(), error))?;
        settings.override_with(variable)?;
        settings.check()?;
        Ok(settings)
    }

    fn override_with(&mut self, variable: impl Fn(&'static str) -> Option<String>) -> Result<(), SettingsError> {
        fn number<T: std::str::FromStr>(
            value: Option<String>,
            name: &'static str,
            into: &mut T,
        ) -> Result<(), SettingsError> {
            let Some(value) = value else { return Ok(()) };
            *into = value
                .parse()
                .map_err(|_| SettingsError::Variable(name, value, "it takes a whole number in range".into()))?;
            Ok(())
        }
        if let Some(value) = variable("ENVIRONMENT") {
            self.environment = match value.as_str() {
                "development" => Environment::Development,
                "production" => Environment::Production,
                _ => {
                    let takes = "it takes development or production".into();
                    return Err(SettingsError::Variable("ENVIRONMENT", value, takes));
                }
            };
        }
        number(variable("SESSION_TTL"), "SESSION_TTL", &mut self.lifetimes.session)?;
        number(variable("NONCE_TTL"), "NONCE_TTL", &mut self.lifetimes.nonce)?;
        number(variable("MAX_REQUESTS_PER_MINUTE"), "MAX_REQUESTS_PER_MINUTE", &mut self.limits.changes_per_minute)?;
        if let Some(secret) = variable("AUDIT_SECRET") {
            self.audit.secret = Secret::parse(&secret)
                .map_err(|error| SettingsError::Variable("AUDIT_SECRET", "…".to_owned(), error.to_string()))?;
        }
        if let Some(url) = variable("REDIS_URL") {
            self.store.redis = Some(url);
        }
        let mut port = self.listen.port();
        number(variable("PORT"), "PORT", &mut port)?;
        if port != self.listen.port() {
            self.listen.set_port(port);
            if self.environment == Environment::Development {
                self.origins.app = self.origins.app.with_port(port);
                self.origins.sign = self.origins.sign.with_port(port);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), SettingsError> {
        let wrong = |sentence: String| Err(SettingsError::Contradiction(sentence));
        let Origins { app, sign } = &self.origins;
        if !sign.host().strip_suffix(app.host()).is_some_and(|prefix| prefix.len() > 1 && prefix.ends_with('.')) {
            return wrong(format!("origins.sign ({sign}) must be a subdomain of origins.app ({app})"));
        }
        if app.is_secure() != sign.is_secure() || app.port() != sign.port() {
            return wrong(format!("origins.app ({app}) and origins.sign ({sign}) must share scheme and port"));
        }
        let Lifetimes { session, idle, nonce } = self.lifetimes;
        if nonce == 0 || idle < nonce || session < idle {
            return wrong(format!("lifetimes must be 0 < nonce ({nonce}) <= idle ({idle}) <= session ({session})"));
        }
        let limits = self.limits;
        let counts = [
            limits.changes_per_minute,
            limits.reads_per_minute,
            limits.refills_per_minute,
            limits.sign_ins_per_minute_and_address,
            limits.sign_ins_per_minute_and_account,
            limits.binds_per_minute_and_address,
        ];
        if counts.contains(&0) || limits.body == 0 || self.sessions.max == 0 || self.audit.keep == 0 {
            return wrong("limits, sessions.max and audit.keep must not be 0".into());
        }
        match self.environment {
            Environment::Development if !app.is_secure() && !app.host().ends_with("localhost") => {
                wrong(format!("origins.app ({app}) is http; browsers only allow that on *.localhost"))
            }
            Environment::Production if !app.is_secure() => {
                wrong(format!("origins.app ({app}) is http; production takes https only"))
            }
            Environment::Production if self.audit.secret.is_development() => {
                wrong("production needs audit.secret (or AUDIT_SECRET) of its own: `openssl rand -base64 32`".into())
            }
            Environment::Production if self.store.redis.is_none() && !self.store.allow_memory => wrong(
                "production needs store.redis (or REDIS_URL), or store.allow_memory = true for one instance".into(),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::parse(FILE, text, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_file_is_development() {
        let settings = parse("", &[]).expect("defaults stand together");
        assert_eq!(settings.origins.app.as_str(), "http://pan.localhost:3000");
    }

    #[test]
    fn the_file_in_the_repository_shows_the_defaults() {
        let text = include_str!("../../Leptos.toml");
        let settings = parse(text, &[]).expect("it is valid");
        let store = StoreSettings { snapshot: None, ..settings.store };
        let settings = Settings { store, ..settings };
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn a_port_moves_both_origins_in_development() {
        let settings = parse("", &[("PORT", "4321")]).expect("a port");
        assert_eq!(settings.origins.sign.as_str(), "http://sign.pan.localhost:4321");
    }

    #[test]
    fn an_unknown_setting_is_named_with_its_line() {
        let error = parse("\n[limits]\nbodi = 1\n", &[]).expect_err("unknown").to_string();
        assert!(error.contains("line 3") && error.contains("bodi"), "{error}");
    }

    #[test]
    fn contradictions_stop_the_start() {
        for (text, variables) in [
            ("[origins]\nsign = \"http://elsewhere.localhost:3000\"", &[][..]),
            ("[origins]\napp = \"http://example.com\"\nsign = \"http://sign.example.com\"", &[]),
            ("[lifetimes]\nidle = 10", &[]),
            ("[limits]\nbody = 0", &[]),
            ("", &[("ENVIRONMENT", "production")]),
            ("", &[("ENVIRONMENT", "staging")]),
            ("", &[("PORT", "many")]),
            (
                "environment = \"production\"\n[origins]\napp = \"https://a.example\"\nsign = \"https://sign.a.example\"",
                &[],
            ),
        ] {
            assert!(parse(text, variables).is_err(), "{text} {variables:?}");
        }
    }
}
