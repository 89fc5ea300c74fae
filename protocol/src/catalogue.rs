//! Every protected action of an application.

use crate::{
    action::{ActionEntry, AnyAction, Summary, SummaryEntry},
    built_in,
};

const BUILT_IN: [&[ActionEntry]; 5] = [
    built_in::nonces::ACTIONS,
    built_in::outcomes::ACTIONS,
    built_in::push::ACTIONS,
    built_in::sessions::ACTIONS,
    built_in::passkeys::ACTIONS,
];

/// Every protected action of an application: the [built-in](crate::built_in) ones and its own.
///
/// ```
/// use protocol::{action::Level, catalogue::Catalogue};
/// let catalogue = Catalogue::new(&[]);
/// assert_eq!(catalogue.at("/api/revoke").map(|entry| entry.level), Some(Level::Confirmed));
/// assert!(catalogue.at("/api/unknown").is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    own: &'static [ActionEntry],
}

impl Catalogue {
    /// The built-in actions and these.
    ///
    /// # Panics
    /// When two actions have one path. In a `const` or `static` that is a compile error.
    pub const fn new(own: &'static [ActionEntry]) -> Self {
        let mut at = 0;
        while at < own.len() {
            let path = own[at].path;
            let mut group = 0;
            while group < BUILT_IN.len() {
                assert!(!contains(BUILT_IN[group], path), "an action has the path of a built-in action");
                group += 1;
            }
            assert!(!contains(own.split_at(at).0, path), "two actions have the same path");
            at += 1;
        }
        Self { own }
    }

    /// The entry of a path.
    pub fn at(self, path: &str) -> Option<&'static ActionEntry> {
        self.entries().find(|entry| entry.path == path)
    }

    /// The application's own entries.
    pub fn own(self) -> &'static [ActionEntry] {
        self.own
    }

    /// All entries, the built-in ones first.
    pub fn entries(self) -> impl Iterator<Item = &'static ActionEntry> {
        BUILT_IN.iter().copied().flatten().chain(self.own)
    }
}

/// The summaries of every protected action: the [built-in](crate::built_in) ones and an application's own.
#[derive(Clone, Copy, Debug)]
pub struct Summaries {
    own: &'static [SummaryEntry],
}

impl Summaries {
    /// The summaries of the built-in actions and these.
    pub const fn new(own: &'static [SummaryEntry]) -> Self {
        Self { own }
    }

    /// The summary of an action that the [`Catalogue`]'s entry of this path has parsed. `None` for another action.
    pub fn of(self, path: &str, action: &dyn AnyAction) -> Option<Summary> {
        // The actions of push connections are never confirmed.
        let built_in = [
            built_in::nonces::ACTION_SUMMARIES,
            built_in::sessions::ACTION_SUMMARIES,
            built_in::passkeys::ACTION_SUMMARIES,
        ];
        let entry = built_in.into_iter().flatten().chain(self.own).find(|entry| entry.path == path)?;
        (entry.summary)(action)
    }
}

const fn contains(entries: &[ActionEntry], path: &str) -> bool {
    let mut at = 0;
    while at < entries.len() {
        if is_same_path(entries[at].path, path) {
            return true;
        }
        at += 1;
    }
    false
}

/// Compares paths in constants, where `==` of strings is not available.
pub const fn is_same_path(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
