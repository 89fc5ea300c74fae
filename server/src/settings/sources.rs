//! Where settings come from, and the words for what is wrong with them.
//!
//! A setting is taken by its path, such as `limits.body`. The environment goes before the file, the file before the
//! default. Whatever is wrong is collected, so that all of it can be mended at once; what was never taken is unknown.

use std::{collections::BTreeMap, fmt};

use toml::de::{DeTable, DeValue};

use super::{
    SettingsError,
    value::{Form, Value},
};

/// Every variable that begins so must be known: it is misspelled otherwise.
const PREFIX: &str = "PAN_";

/// Variables of the repository's scripts and tests.
const NOT_SETTINGS: [&str; 4] = [super::FILE_VARIABLE, "PAN_CHROMIUM", "PAN_RELEASE", "PAN_TEST_HOUSES"];

/// Where a value was given. Ordered: a greater place goes before a lesser one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Default,
    File(String, usize),
    Variable(String),
}

impl Source {
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
struct Written {
    form: Form,
    text: String,
    place: Source,
}

/// A setting that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// The variable that sets it.
    pub(super) variable: String,
    /// Where its value was given.
    pub(super) place: Source,
    /// Its value, unless that is secret.
    pub(super) value: Option<String>,
    /// Whether it is a secret that everybody knows.
    pub(super) is_development_secret: bool,
}

/// File and environment.
#[derive(Default)]
pub(super) struct Sources {
    file: BTreeMap<String, Written>,
    variables: BTreeMap<String, String>,
    /// By path.
    pub(super) taken: BTreeMap<&'static str, Taken>,
    wrong: Vec<String>,
}

impl Sources {
    /// Reads a TOML text, which is called `name` in messages. A variable without text is not there.
    pub(super) fn new(
        name: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let place = Source::File(name.to_owned(), line(error.span().map_or(0, |span| span.start)));
            SettingsError::Wrong(vec![format!("{place}: {}", error.message())])
        })?;
        let mut file = BTreeMap::new();
        flatten(table.get_ref(), "", &mut |path, form, text, at| {
            file.insert(path, Written { form, text, place: Source::File(name.to_owned(), line(at)) });
        });
        let variables = variables.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        Ok(Self { file, variables, ..Self::default() })
    }

    /// Takes a setting. `variable` is the one that sets it, if that is not named after the path.
    pub(super) fn take<T: Value>(&mut self, path: &'static str, variable: Option<&str>, default: T) -> T {
        let variable = variable.map_or_else(|| variable_of(path), str::to_owned);
        let written = self.file.remove(path);
        let given = match self.variables.get(&variable) {
            Some(text) => Some((T::parse(text), Source::Variable(variable.clone()))),
            None => written
                .map(|Written { form, text, place }| (if form == T::FORM { T::parse(&text) } else { None }, place)),
        };
        let (value, place) = match given {
            Some((Some(value), place)) => (value, place),
            Some((None, place)) => {
                self.wrong.push(format!("{place}: {path} takes {}", T::TAKES));
                (default, place)
            }
            None => (default, Source::Default),
        };
        let is_development_secret = value.is_development_secret();
        self.taken.insert(path, Taken { variable, place, value: value.show(), is_development_secret });
        value
    }

    /// Makes of a variable with a list one variable for each item: `LIST, first` and so on.
    pub(super) fn share_out<const N: usize>(&mut self, list: &str, items: [&str; N]) {
        let Some(text) = self.variables.get(list).cloned() else { return };
        if text.split(',').count() > N {
            self.wrong.push(format!("{}: it takes at most {N} items", Source::Variable(list.to_owned())));
        }
        for (item, text) in items.into_iter().zip(text.split(',')) {
            self.variables.insert(format!("{list}, {item}"), text.trim().to_owned());
        }
    }

    /// The settings that are a secret which everybody knows.
    pub(super) fn development_secrets(&self) -> Vec<&'static str> {
        self.taken.iter().filter(|(_, taken)| taken.is_development_secret).map(|(path, _)| *path).collect()
    }

    /// Forgets what the file says of a setting.
    pub(super) fn ignore_in_file(&mut self, path: &str) {
        self.file.remove(path);
    }

    /// Whether a variable has set it.
    pub(super) fn is_variable(&self, path: &str) -> bool {
        matches!(self.taken.get(path), Some(Taken { place: Source::Variable(_), .. }))
    }

    /// Whether anybody has set it.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.taken.get(path).is_some_and(|taken| taken.place != Source::Default)
    }

    /// Decides between two settings that say the same thing: the greater place wins, and in one place they must agree.
    pub(super) fn resolve_conflict<T: PartialEq>(
        &mut self,
        one: (&'static str, Option<T>),
        other: (&'static str, Option<T>),
    ) -> Option<T> {
        let rank = |path| self.taken.get(path).map_or(0, |taken| taken.place.rank());
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

    /// Says that settings cannot stand together.
    pub(super) fn contradiction(&mut self, paths: &[&'static str], sentence: &str) {
        let named: Vec<_> = paths.iter().map(|path| self.describe(path)).collect();
        self.wrong.push(format!("{}: {sentence}", named.join(", ")));
    }

    /// Says that a setting may not be 0.
    pub(super) fn refuse_zero(&mut self, path: &'static str, why: &str) {
        if self.taken.get(path).is_some_and(|taken| taken.value.as_deref() == Some("0")) {
            self.contradiction(&[path], why);
        }
    }

    /// The settings of a group.
    pub(super) fn group(&self, group: &str) -> Vec<&'static str> {
        self.taken.keys().copied().filter(|path| in_group(path, group).is_some()).collect()
    }

    /// Says of everything that nobody has taken that it is unknown.
    pub(super) fn reject_unknown(&mut self) {
        for (path, Written { form, place, .. }) in std::mem::take(&mut self.file) {
            let group = path.rsplit_once('.').map_or("", |(group, _)| group);
            let known: Vec<_> = self.taken.keys().filter_map(|known| in_group(known, group)).collect();
            let is_empty_group = form == Form::Table && self.taken.keys().any(|known| in_group(known, &path).is_some());
            if !is_empty_group {
                self.wrong.push(format!("{place}: {path} is not a setting. Known here: {}", known.join(", ")));
            }
        }
        let known =
            |name: &str| NOT_SETTINGS.contains(&name) || self.taken.values().any(|taken| taken.variable == name);
        let unknown: Vec<_> = self.variables.keys().filter(|name| name.starts_with(PREFIX) && !known(name)).collect();
        let sentences =
            unknown.into_iter().map(|name| format!("{}: no setting has it", Source::Variable(name.clone())));
        self.wrong.extend(sentences.collect::<Vec<_>>());
    }

    /// Stops if anything was wrong until now.
    pub(super) fn finish(&mut self) -> Result<(), SettingsError> {
        if self.wrong.is_empty() { Ok(()) } else { Err(SettingsError::Wrong(std::mem::take(&mut self.wrong))) }
    }

    fn describe(&self, path: &str) -> String {
        match self.taken.get(path) {
            Some(Taken { value: Some(value), place, .. }) => format!("{path} = {value} ({place})"),
            Some(Taken { place, .. }) => format!("{path} ({place})"),
            None => path.to_owned(),
        }
    }
}

/// `PAN_LIMITS_BODY` of `limits.body`.
fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// `body` of `limits.body` in the group `limits`.
fn in_group<'a>(path: &'a str, group: &str) -> Option<&'a str> {
    let name = if group.is_empty() { path } else { path.strip_prefix(group)?.strip_prefix('.')? };
    (!name.contains('.')).then_some(name)
}

/// Gives every value with its path, form, text and position.
fn flatten(table: &DeTable<'_>, above: &str, each: &mut impl FnMut(String, Form, String, usize)) {
    for (key, value) in table {
        let path = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        let (form, text) = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                flatten(table, &path, each);
                continue;
            }
            DeValue::Table(_) => (Form::Table, String::new()),
            DeValue::String(text) => (Form::Text, text.to_string()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => (Form::Number, number.to_string()),
                Err(_) => (Form::Other, String::new()),
            },
            DeValue::Boolean(truth) => (Form::Truth, truth.to_string()),
            _ => (Form::Other, String::new()),
        };
        each(path, form, text, key.span().start);
    }
}
