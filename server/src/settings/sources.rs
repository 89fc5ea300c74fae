//! The sources of settings, and error messages that name them.
//!
//! A setting is taken by its path, such as `limits.body`. The environment takes precedence over the file, the file over
//! the default. Errors are collected and reported together. A setting that is never taken is unknown.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use toml::de::{DeTable, DeValue};

use super::{
    SettingsError,
    value::{TomlType, Value},
};

/// Variables with this prefix must be settings, so that misspelled names are reported.
const PREFIX: &str = "PAN_";

/// Variables of the repository's scripts and tests.
const NOT_SETTINGS: [&str; 4] = [super::FILE_VARIABLE, "PAN_CHROMIUM", "PAN_RELEASE", "PAN_TEST_HOUSES"];

/// The source of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Default,
    File(String, usize),
    Variable(String),
}

impl Source {
    /// The precedence: a higher rank overrides a lower one.
    fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(..) => 1,
            Self::Variable(_) => 2,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(file, line) => write!(f, "{file}, line {line}"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// A value in the file.
struct FileValue {
    toml_type: TomlType,
    text: String,
    source: Source,
}

/// A setting that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// The environment variable of the setting.
    pub(super) variable: String,
    /// The source of the value.
    pub(super) source: Source,
    /// The value, unless it is secret.
    pub(super) value: Option<String>,
    /// Whether the value is the public development secret.
    pub(super) is_development_secret: bool,
}

/// The settings file and the environment.
#[derive(Default)]
pub(super) struct Sources {
    file: BTreeMap<String, FileValue>,
    variables: BTreeMap<String, String>,
    /// The settings taken so far, by path.
    pub(super) taken: BTreeMap<&'static str, Taken>,
    errors: Vec<String>,
}

impl Sources {
    /// Reads a TOML text, which error messages call `name`. Empty variables and service links are ignored.
    pub(super) fn new(
        name: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let source = Source::File(name.to_owned(), line(error.span().map_or(0, |span| span.start)));
            SettingsError::Wrong(vec![format!("{source}: {}", error.message())])
        })?;
        let mut file = BTreeMap::new();
        flatten(table.get_ref(), "", &mut |path, toml_type, text, at| {
            file.insert(path, FileValue { toml_type, text, source: Source::File(name.to_owned(), line(at)) });
        });
        // Files of secrets end with a line break, which Kubernetes and shells pass on.
        let without_line_break =
            |(name, text): (String, String)| (name, text.trim_end_matches(['\r', '\n']).to_owned());
        let is_given = |(name, text): &(String, String)| !text.is_empty() && !is_service_link(name, text);
        let variables = variables.into_iter().map(without_line_break).filter(is_given).collect();
        Ok(Self { file, variables, ..Self::default() })
    }

    /// Takes a setting. `variable` is its environment variable, if that is not named after the path.
    pub(super) fn take<T: Value>(&mut self, path: &'static str, variable: Option<&str>, default: T) -> T {
        let variable = variable.map_or_else(|| variable_of(path), str::to_owned);
        let in_file = self.file.remove(path);
        let given = match self.variables.get(&variable) {
            Some(text) => Some((T::parse(text), Source::Variable(variable.clone()))),
            None => in_file.map(|FileValue { toml_type, text, source }| {
                (if toml_type == T::TOML_TYPE { T::parse(&text) } else { None }, source)
            }),
        };
        let (value, source) = match given {
            Some((Some(value), source)) => (value, source),
            Some((None, source)) => {
                self.errors.push(format!("{source}: {path} takes {}", T::EXPECTED));
                (default, source)
            }
            None => (default, Source::Default),
        };
        let is_development_secret = value.is_development_secret();
        self.taken.insert(path, Taken { variable, source, value: value.show(), is_development_secret });
        value
    }

    /// Splits a variable with a list into one variable per item: `LIST, first` and so on.
    pub(super) fn split_list<const N: usize>(&mut self, list: &str, items: [&str; N]) {
        let Some(text) = self.variables.get(list).cloned() else { return };
        if text.split(',').count() > N {
            self.errors.push(format!("{}: it takes at most {N} items", Source::Variable(list.to_owned())));
        }
        for (item, text) in items.into_iter().zip(text.split(',')) {
            self.variables.insert(format!("{list}, {item}"), text.trim().to_owned());
        }
    }

    /// The settings whose value is the public development secret.
    pub(super) fn development_secrets(&self) -> Vec<&'static str> {
        self.taken.iter().filter(|(_, taken)| taken.is_development_secret).map(|(path, _)| *path).collect()
    }

    /// Ignores the file's value of a setting.
    pub(super) fn ignore_in_file(&mut self, path: &str) {
        self.file.remove(path);
    }

    /// Whether an environment variable sets the setting.
    pub(super) fn is_variable(&self, path: &str) -> bool {
        matches!(self.taken.get(path), Some(Taken { source: Source::Variable(_), .. }))
    }

    /// Whether the file or a variable sets the setting.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.taken.get(path).is_some_and(|taken| taken.source != Source::Default)
    }

    /// Resolves two settings of the same value: the source of higher rank wins. In sources of the same rank they must
    /// agree.
    pub(super) fn resolve_conflict<T: PartialEq>(
        &mut self,
        one: (&'static str, Option<T>),
        other: (&'static str, Option<T>),
    ) -> Option<T> {
        let rank = |path| self.taken.get(path).map_or(0, |taken| taken.source.rank());
        match (one.1, other.1) {
            (Some(first), Some(second)) if first == second || rank(one.0) > rank(other.0) => Some(first),
            (Some(_), Some(second)) if rank(other.0) > rank(one.0) => Some(second),
            (Some(first), Some(_)) => {
                self.contradiction(&[one.0, other.0], "these contradict each other");
                Some(first)
            }
            (first, second) => first.or(second),
        }
    }

    /// Reports that settings contradict each other.
    pub(super) fn contradiction(&mut self, paths: &[&'static str], message: &str) {
        let named: Vec<_> = paths.iter().map(|path| self.describe(path)).collect();
        self.errors.push(format!("{}: {message}", named.join(", ")));
    }

    /// Reports a setting that is 0 and must not be.
    pub(super) fn reject_zero(&mut self, path: &'static str, message: &str) {
        if self.taken.get(path).is_some_and(|taken| taken.value.as_deref() == Some("0")) {
            self.contradiction(&[path], message);
        }
    }

    /// The settings of a group.
    pub(super) fn group(&self, group: &str) -> Vec<&'static str> {
        self.taken.keys().copied().filter(|path| in_group(path, group).is_some()).collect()
    }

    /// Reports every setting of the file and the environment that was not taken.
    pub(super) fn reject_unknown(&mut self) {
        for (path, FileValue { toml_type, source, .. }) in std::mem::take(&mut self.file) {
            let group = path.rsplit_once('.').map_or("", |(group, _)| group);
            let known: Vec<_> = self.taken.keys().filter_map(|known| in_group(known, group)).collect();
            let is_empty_group =
                toml_type == TomlType::Table && self.taken.keys().any(|known| in_group(known, &path).is_some());
            if !is_empty_group {
                self.errors.push(format!("{source}: {path} is not a setting. Known here: {}", known.join(", ")));
            }
        }
        let known =
            |name: &str| NOT_SETTINGS.contains(&name) || self.taken.values().any(|taken| taken.variable == name);
        let unknown: Vec<_> = self.variables.keys().filter(|name| name.starts_with(PREFIX) && !known(name)).collect();
        let messages =
            unknown.into_iter().map(|name| format!("{}: there is no such setting", Source::Variable(name.clone())));
        self.errors.extend(messages.collect::<Vec<_>>());
    }

    /// Returns the errors so far, if any.
    pub(super) fn finish(&mut self) -> Result<(), SettingsError> {
        if self.errors.is_empty() { Ok(()) } else { Err(SettingsError::Wrong(std::mem::take(&mut self.errors))) }
    }

    fn describe(&self, path: &str) -> String {
        match self.taken.get(path) {
            Some(Taken { value: Some(value), source, .. }) => format!("{path} = {value} ({source})"),
            Some(Taken { source, .. }) => format!("{path} ({source})"),
            None => path.to_owned(),
        }
    }
}

/// Whether an orchestrator sets this variable for a service of that name: Kubernetes ("Environment variables" of a Service)
/// and links of Docker. A service named `pan` or `redis` would otherwise look like settings.
fn is_service_link(name: &str, text: &str) -> bool {
    let is_url = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    if name == "REDIS_PORT" {
        return is_url();
    }
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let ends = |end: &str| rest == end || rest.strip_suffix(end).is_some_and(|before| before.ends_with('_'));
    let of_port = |(_, port): (&str, &str)| {
        let mut parts = port.split('_');
        let is_number = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
        let is_protocol = matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"));
        is_number && is_protocol && matches!(parts.next(), None | Some("ADDR" | "PORT" | "PROTO"))
    };
    let is_port = || text.parse::<u16>().is_ok();
    (ends("SERVICE_HOST") && text.parse::<IpAddr>().is_ok())
        || (ends("SERVICE_PORT") && is_port())
        || (rest.contains("SERVICE_PORT_") && is_port())
        || (ends("PORT") && is_url())
        || rest.split_once("PORT_").is_some_and(of_port)
}

/// The default variable of a path: `PAN_LIMITS_BODY` for `limits.body`.
fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// The name of a setting in a group: `body` for `limits.body` in `limits`.
fn in_group<'a>(path: &'a str, group: &str) -> Option<&'a str> {
    let name = if group.is_empty() { path } else { path.strip_prefix(group)?.strip_prefix('.')? };
    (!name.contains('.')).then_some(name)
}

/// Calls `each` for every value with its path, type, text and position.
fn flatten(table: &DeTable<'_>, above: &str, each: &mut impl FnMut(String, TomlType, String, usize)) {
    for (key, value) in table {
        let path = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        let (toml_type, text) = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                flatten(table, &path, each);
                continue;
            }
            DeValue::Table(_) => (TomlType::Table, String::new()),
            DeValue::String(text) => (TomlType::Text, text.to_string()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => (TomlType::Number, number.to_string()),
                Err(_) => (TomlType::Other, String::new()),
            },
            DeValue::Boolean(truth) => (TomlType::Truth, truth.to_string()),
            _ => (TomlType::Other, String::new()),
        };
        each(path, toml_type, text, key.span().start);
    }
}
