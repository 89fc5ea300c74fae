//! Tests of all settings together: the file in the repository, the variables, and the error messages.

use super::{sources::Source, *};

const IN_REPOSITORY: &str = include_str!("../../../Leptos.toml");

const OWN_SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const DEVELOPMENT_SECRET: &str = "[audit]\nsecret = \"UEFOIGRldmVsb3BtZW50IHNlY3JldCwgcHVibGljISE=\"";

/// A value for every setting's variable that is not the default.
const OTHERS: &[(&str, &str)] = &[
    ("audit.keep", "100001"),
    ("audit.keep_days", "365"),
    ("audit.secret", OWN_SECRET),
    ("audit.traffic_days", "31"),
    ("audit.traffic_keep", "100001"),
    ("environment", "production"),
    ("lifetimes.device_cookie", "601"),
    ("lifetimes.idle", "1801"),
    ("lifetimes.nonce", "299"),
    ("lifetimes.session", "86401"),
    ("limits.binds_per_minute_and_address", "61"),
    ("limits.body", "65537"),
    ("limits.changes_per_minute", "61"),
    ("limits.device_proofs_per_minute_and_address", "601"),
    ("limits.reads_per_minute", "601"),
    ("limits.refills_per_minute", "21"),
    ("limits.sign_ins_per_minute_and_account", "11"),
    ("limits.sign_ins_per_minute_and_address", "31"),
    ("listen", "0.0.0.0:4000"),
    ("observe.drain", "21"),
    ("observe.listen", "127.0.0.1:9464"),
    ("origins.app", "https://example.com"),
    ("origins.sign", "https://keys.example.com"),
    ("port", "4321"),
    ("proxies.trusted", "1"),
    ("push.buffer", "101"),
    ("push.burst", "11"),
    ("push.clock_skew_ms", "4999"),
    ("push.connections", "10001"),
    ("push.connections_per_session", "9"),
    ("push.connections_per_user", "17"),
    ("push.frames_per_second", "2"),
    ("push.keep", "10001"),
    ("push.key_id", "prod-key-001"),
    ("push.key_seconds", "599"),
    ("push.keys_per_minute", "11"),
    ("push.replay_window_ms", "10001"),
    ("push.resumes_per_minute_and_user", "61"),
    ("push.secret", OWN_SECRET),
    ("redis.ca", "ca.pem"),
    ("redis.cluster", "true"),
    ("redis.db", "3"),
    ("redis.host", "redis.example"),
    ("redis.password", "open sesame"),
    ("redis.port", "7000"),
    ("redis.url", "rediss://redis.example"),
    ("sessions.at_cap", "refuse_new"),
    ("sessions.device_binding", "off"),
    ("sessions.max", "4"),
    ("sessions.on_theft", "end"),
    ("store.allow_memory", "true"),
    ("store.snapshot", "other.json"),
];

fn sources(text: &str, variables: &[(&str, &str)]) -> Sources {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources::new(FILE, text, variables).expect("TOML")
}

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::from_sources(&mut sources(text, variables)).map_err(|error| error.to_string())
}

fn wrong(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables).err().unwrap_or_else(|| panic!("{text} {variables:?} is accepted"))
}

#[test]
fn empty_file_gives_development_settings() {
    let settings = parse("", &[]).expect("valid defaults");
    assert_eq!(settings.environment, Environment::Development);
    assert_eq!(settings.origins.app.as_str(), "http://pan.localhost:3000");
    assert!(settings.redis.is_none());
}

#[test]
fn repository_file_lists_every_setting() {
    let (mut nothing, mut file) = (sources("", &[]), sources(IN_REPOSITORY, &[]));
    Settings::read(&mut nothing);
    Settings::read(&mut file);
    let mut group = "";
    let mut shown = Vec::new();
    for line in IN_REPOSITORY.lines() {
        if let Some(name) = line.strip_prefix('[') {
            group = name.trim_end_matches(']');
        }
        let setting = line.strip_prefix("# ").unwrap_or(line);
        if let (Some((name, _)), Some((_, variable))) = (setting.split_once(" = "), setting.split_once(" # [")) {
            let path = if group.is_empty() { name.to_owned() } else { format!("{group}.{name}") };
            shown.push((path, variable.trim_end_matches(']').to_owned()));
        }
    }
    shown.sort();
    let known: Vec<_> =
        nothing.taken.iter().map(|(path, taken)| ((*path).to_owned(), taken.variable.clone())).collect();
    assert_eq!(shown, known);
    for (path, taken) in &file.taken {
        // For watch mode only: another server that is started in the repository must not share it.
        if *path != "store.snapshot" {
            assert_eq!(taken.value, nothing.taken[path].value, "{path}");
        }
    }
}

/// Kubernetes' secrets from files, and `$(cat file; echo)`.
#[test]
fn line_break_after_a_variable_is_ignored() {
    let secret = format!("{OWN_SECRET}\n");
    let variables = [
        ("REDIS_HOST", "redis\r\n"),
        ("REDIS_PASSWORD", " open sesame \n"),
        ("AUDIT_SECRET", &secret),
        ("PORT", "4000\n"),
    ];
    let settings = parse("", &variables).expect("valid settings");
    let redis = settings.redis.expect("a Redis");
    assert_eq!(redis.nodes, [("redis".to_owned(), 6379)]);
    assert_eq!(redis.password.as_ref().map(secret::Password::reveal), Some(" open sesame "));
    assert!(!settings.audit.secret.is_development());
    assert_eq!(settings.listen.port(), 4000);
    assert!(parse("", &[("REDIS_HOST", "\n")]).expect("valid settings").redis.is_none());
}

#[test]
fn every_setting_has_a_variable() {
    let mut nothing = sources("", &[]);
    Settings::read(&mut nothing);
    let known: Vec<_> = nothing.taken.keys().copied().collect();
    assert_eq!(OTHERS.iter().map(|(path, _)| *path).collect::<Vec<_>>(), known);
    for (path, other) in OTHERS {
        let variable = nothing.taken[path].variable.as_str();
        let variables = match variable.split_once(", ") {
            Some((list, "first")) => vec![(list, (*other).to_owned())],
            Some((list, _)) => vec![(list, format!("https://example.com, {other}"))],
            None => vec![(variable, (*other).to_owned())],
        };
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut from = sources(IN_REPOSITORY, &variables);
        Settings::read(&mut from);
        from.reject_unknown();
        let taken = &from.taken[path];
        assert_eq!(taken.source, Source::Variable(variable.to_owned()));
        // A secret is not shown; the next check tests its effect.
        if let Some(value) = &taken.value {
            assert_eq!(value, other);
            assert_ne!(taken.value, nothing.taken[path].value, "{path}");
        }
    }
}

#[test]
fn empty_variable_is_ignored() {
    let settings = parse("", &[("NONCE_TTL", ""), ("REDIS_PASSWORD", "")]).expect("defaults");
    assert_eq!(settings.lifetimes.nonce, 300);
}

#[test]
fn port_changes_origins_in_development_only() {
    let settings = parse(IN_REPOSITORY, &[("PORT", "4321")]).expect("a port");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4321");
    assert_eq!(settings.origins.app.as_str(), "http://pan.localhost:4321");
    assert_eq!(settings.origins.sign.as_str(), "http://sign.pan.localhost:4321");

    let behind_a_proxy = [("PORT", "4321"), ("ALLOWED_ORIGINS", "http://pan.localhost")];
    assert_eq!(parse("", &behind_a_proxy).expect("origins").origins.app.as_str(), "http://pan.localhost");
    let production = [
        ("PORT", "4321"),
        ("ENVIRONMENT", "production"),
        ("ALLOWED_ORIGINS", "https://example.com"),
        ("REDIS_HOST", "redis"),
        ("AUDIT_SECRET", OWN_SECRET),
    ];
    assert_eq!(parse(IN_REPOSITORY, &production).expect("production").origins.app.as_str(), "https://example.com");
}

#[test]
fn sign_origin_defaults_to_subdomain_sign() {
    let signs = |text, list| {
        let variables = [("ALLOWED_ORIGINS", list)];
        parse(text, &variables).expect("origins").origins.sign.to_string()
    };
    assert_eq!(signs("", "https://example.com:8443"), "https://sign.example.com:8443");
    // Not the file's sign origin, which belongs to the file's app origin.
    assert_eq!(signs(IN_REPOSITORY, "https://example.com"), "https://sign.example.com");
    assert_eq!(signs("", "https://example.com, https://keys.example.com"), "https://keys.example.com");
    let in_file = parse("[origins]\napp = \"https://example.com\"", &[]).expect("an origin");
    assert_eq!(in_file.origins.sign.as_str(), "https://sign.example.com");
}

#[test]
fn invalid_setting_names_its_source() {
    for (text, variables, names) in [
        ("\n[limits]\nbodi = 1\n", &[][..], &["Leptos.toml, line 3", "limits.bodi", "body"][..]),
        ("\nlimit = 1", &[], &["Leptos.toml, line 2", "limit is not"]),
        ("[limits]\n\n[sesions]\n", &[], &["Leptos.toml, line 3", "sesions"]),
        ("[limits.body]\nmax = 1", &[], &["Leptos.toml, line 2", "limits.body.max"]),
        ("[limits]\nbody = \"many\"", &[], &["Leptos.toml, line 2", "limits.body", "whole number"]),
        ("[limits]\nbody = -1", &[], &["Leptos.toml, line 2", "limits.body"]),
        ("[limits]\nbody = 1.5", &[], &["Leptos.toml, line 2", "limits.body"]),
        ("[limits]\nbody = \"65536\"", &[], &["Leptos.toml, line 2", "limits.body"]),
        ("[store]\nallow_memory = 1", &[], &["Leptos.toml, line 2", "true or false"]),
        ("[limits]\nbody = 1\nbody = 2", &[], &["Leptos.toml, line 3"]),
        ("[limits\n", &[], &["Leptos.toml, line 1"]),
        ("", &[("PAN_LIMTS_BODY", "1")], &["PAN_LIMTS_BODY"]),
        // The setting's variable has another name.
        ("", &[("PAN_LIFETIMES_SESSION", "1")], &["PAN_LIFETIMES_SESSION"]),
        ("", &[("ENVIRONMENT", "staging")], &["ENVIRONMENT", "development or production"]),
        ("", &[("PORT", "many")], &["PORT", "whole number"]),
        ("", &[("PORT", "65536")], &["PORT"]),
        ("", &[("AUDIT_SECRET", "hidden")], &["AUDIT_SECRET", "openssl rand"]),
        ("[sessions]\nat_cap = \"end\"", &[], &["line 2", "end_oldest or refuse_new"]),
        ("", &[("ALLOWED_ORIGINS", "https://a.example/")], &["ALLOWED_ORIGINS, first"]),
        ("", &[("ALLOWED_ORIGINS", "https://a,https://b.a,https://c.a")], &["ALLOWED_ORIGINS", "at most 2"]),
    ] {
        let error = match Sources::new(FILE, text, []) {
            Ok(_) => wrong(text, variables),
            Err(error) => error.to_string(),
        };
        assert!(error.lines().count() == 1 && !error.contains("hidden"), "{error}");
        for name in names {
            assert!(error.contains(name), "{name}: {error}");
        }
    }
    let both = wrong("[limits]\nbodi = 1", &[("PORT", "many")]);
    assert_eq!(both.lines().count(), 2, "every defect is reported: {both}");
}

#[test]
fn contradiction_names_both_sources() {
    let production = ("ENVIRONMENT", "production");
    let origins = ("ALLOWED_ORIGINS", "https://a.example");
    let secret = ("AUDIT_SECRET", OWN_SECRET);
    let redis = ("REDIS_URL", "redis://redis");
    let memory = ("PAN_STORE_ALLOW_MEMORY", "true");
    let snapshot = ("PAN_STORE_SNAPSHOT", "/var/lib/pan/store.json");
    for (text, variables, names) in [
        ("\n[lifetimes]\nidle = 10", &[][..], &["lifetimes.idle = 10 (Leptos.toml, line 3)", "nonce = 300"][..]),
        ("[lifetimes]\nidle = 600", &[("NONCE_TTL", "601")], &["line 2", "variable NONCE_TTL", "outlive"]),
        ("", &[("SESSION_TTL", "600")], &["variable SESSION_TTL", "lifetimes.idle = 1800 (the default)"]),
        ("", &[("NONCE_TTL", "0")], &["NONCE_TTL", "12 s"]),
        ("", &[("NONCE_TTL", "11")], &["variable NONCE_TTL", "12 s"]),
        ("[limits]\nbody = 0", &[], &["limits.body = 0 (Leptos.toml, line 2)"]),
        ("", &[("MAX_REQUESTS_PER_MINUTE", "0")], &["MAX_REQUESTS_PER_MINUTE"]),
        ("[origins]\nsign = \"http://elsewhere.localhost:3000\"", &[], &["line 2", "subdomain"]),
        ("[origins]\nsign = \"https://sign.pan.localhost:3000\"", &[], &["line 2", "scheme and port"]),
        ("", &[("ALLOWED_ORIGINS", "http://example.com")], &["ALLOWED_ORIGINS", "localhost"]),
        ("port = 1\nlisten = \"127.0.0.1:2\"", &[], &["port = 1 (Leptos.toml, line 1)", "line 2"]),
        ("", &[("PORT", "1"), ("PAN_LISTEN", "127.0.0.1:2")], &["variable PORT", "variable PAN_LISTEN"]),
        ("[sessions]\nmax = 0", &[], &["sessions.max = 0 (Leptos.toml, line 2)"]),
        ("", &[("PAN_AUDIT_KEEP", "0")], &["variable PAN_AUDIT_KEEP"]),
        ("", &[production, secret, memory, snapshot], &["ENVIRONMENT", "origins.app", "https only"]),
        ("", &[production, origins, secret, memory], &["PAN_STORE_ALLOW_MEMORY", "store.snapshot"]),
        ("", &[production, secret, origins], &["ENVIRONMENT", "redis.url = nothing (the default)", "a Redis"]),
        ("", &[production, origins, redis], &["ENVIRONMENT", "audit.secret (the default)", "openssl rand"]),
        (DEVELOPMENT_SECRET, &[production, origins, redis], &["audit.secret (Leptos.toml, line 2)", "openssl"]),
    ] {
        let error = wrong(text, variables);
        assert_eq!(error.lines().count(), 1, "{error}");
        for name in names {
            assert!(error.contains(name), "{name}: {error}");
        }
    }
    parse("", &[("NONCE_TTL", "12")]).expect("the shortest nonce lifetime");
    parse("", &[production, origins, secret, memory, snapshot]).expect("one instance");
    parse("", &[production, origins, secret, redis]).expect("a Redis");
}

#[test]
fn service_links_of_orchestrators_are_ignored() {
    let links = [
        ("PAN_SERVICE_HOST", "10.0.0.9"),
        ("PAN_SERVICE_PORT", "3000"),
        ("PAN_SERVICE_PORT_HTTP", "3000"),
        ("PAN_PORT", "tcp://10.0.0.9:3000"),
        ("PAN_PORT_3000_TCP", "tcp://10.0.0.9:3000"),
        ("PAN_PORT_3000_TCP_PROTO", "tcp"),
        ("PAN_PORT_3000_TCP_PORT", "3000"),
        ("PAN_PORT_3000_TCP_ADDR", "10.0.0.9"),
        ("PAN_METRICS_SERVICE_HOST", "fd00::9"),
        ("PAN_METRICS_PORT", "tcp://[fd00::9]:9000"),
        ("PAN_METRICS_PORT_9000_TCP_ADDR", "fd00::9"),
        ("REDIS_PORT", "tcp://10.96.0.12:6379"),
    ];
    let settings = parse("", &links).expect("defaults");
    assert!(settings.redis.is_none());
    let with_redis = parse("", &[links.as_slice(), &[("REDIS_HOST", "redis")]].concat()).expect("a Redis");
    assert_eq!(with_redis.redis.expect("a Redis").nodes, [("redis".to_owned(), 6379)]);
    // What only looks alike is still reported.
    for (name, text) in [
        ("PAN_PORT", "3000"),
        ("PAN_SERVICE_HOST", "example.com"),
        ("PAN_SERVICE_PORTS", "3000"),
        ("PAN_PORT_3000", "tcp"),
        ("REDIS_PORT", "redis://10.96.0.12"),
    ] {
        assert!(wrong("", &[(name, text)]).contains(name), "{name}");
    }
}
