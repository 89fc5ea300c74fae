//! Protected actions and their catalogue.

use core::any::Any;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Malformed, built_in, json};

/// The level of assurance that the user wants an action. Ordered: a higher level satisfies a lower one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Token, signature and nonce: reads of private data, and sign-out.
    Signed,
    /// Signed, and an interaction proof recorded by the page: ordinary changes.
    Interaction,
    /// Signed by the confirmation key after the user has confirmed the summary in the confirmation window: money, keys,
    /// security settings.
    Confirmed,
}

/// The origin that receives a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The app origin: its cookie names the session.
    App,
    /// The sign origin: its own cookie names the session.
    Sign,
}

/// The summary of an action in the confirmation window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The heading, which says what will happen: "End a session".
    pub title: &'static str,
    /// Every argument with its name, in full.
    pub lines: Vec<(&'static str, String)>,
    /// The button's text: a verb and, if short, the object.
    pub button: String,
}

impl Summary {
    /// The summary of an action without arguments.
    pub fn plain(title: &'static str, button: &str) -> Self {
        Self { title, lines: Vec::new(), button: button.to_owned() }
    }
}

/// A protected action with its arguments. The macro [`actions!`](crate::actions) implements it.
pub trait Action: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name in the catalogue.
    const NAME: &'static str;
    /// The path of the endpoint.
    const PATH: &'static str;
    /// The lowest level that the server accepts.
    const LEVEL: Level;
    /// The origin of the endpoint.
    const TARGET: Target = Target::App;
    /// Constructs the action if it has no arguments.
    const EMPTY: Option<fn() -> Self>;

    /// The summary that the confirmation window shows.
    fn summary(&self) -> Summary;
}

/// An [`Action`] whose type is known only at run time.
pub trait AnyAction: Any + Send + Sync {
    /// [`Action::summary`].
    fn summary(&self) -> Summary;
}

impl<A: Action> AnyAction for A {
    fn summary(&self) -> Summary {
        Action::summary(self)
    }
}

type Parsed = Result<Box<dyn AnyAction>, Malformed>;

/// An action as the catalogue lists it, without its type.
#[derive(Clone, Copy, Debug)]
pub struct ActionEntry {
    /// [`Action::NAME`].
    pub name: &'static str,
    /// [`Action::PATH`].
    pub path: &'static str,
    /// [`Action::LEVEL`].
    pub level: Level,
    /// [`Action::TARGET`].
    pub target: Target,
    parse: fn(&[u8]) -> Parsed,
}

impl ActionEntry {
    /// The entry of an action type.
    pub const fn of<A: Action>() -> Self {
        // An action without arguments has one accepted body and needs no parser, which makes the frame smaller.
        let parse = if A::EMPTY.is_some() { parse_empty::<A> } else { parse_any::<A> };
        Self { name: A::NAME, path: A::PATH, level: A::LEVEL, target: A::TARGET, parse }
    }

    /// Whether this action is in a list.
    pub fn is_in(&self, actions: &[Self]) -> bool {
        actions.iter().any(|entry| entry.path == self.path)
    }

    /// Parses a request body as this action. Client and server both call it: a body that is not exactly this action's
    /// JSON is neither signed nor executed.
    ///
    /// # Errors
    /// [`Malformed`] when the body is not this action.
    pub fn parse(&self, body: &[u8]) -> Result<Box<dyn AnyAction>, Malformed> {
        (self.parse)(body)
    }
}

fn parse_empty<A: Action>(body: &[u8]) -> Parsed {
    let make = A::EMPTY.filter(|_| body == b"{}").ok_or(Malformed("action"))?;
    Ok(Box::new(make()))
}

fn parse_any<A: Action>(body: &[u8]) -> Parsed {
    Ok(Box::new(parse::<A>(body)?))
}

/// Parses a request body as an action.
///
/// The body must be exactly what `serde_json` and `JSON.stringify` write: unknown, missing and duplicate members, white
/// space, another order of members, and an array in place of the object are rejected.
///
/// # Errors
/// [`Malformed`] when the body is not this action.
pub fn parse<A: Action>(body: &[u8]) -> Result<A, Malformed> {
    let action = json::read(body).map_err(|_| Malformed("action"))?;
    let is_canonical = serde_json::to_vec(&action).is_ok_and(|canonical| canonical == body);
    is_canonical.then_some(action).ok_or(Malformed("action"))
}

const BUILT_IN: [&[ActionEntry]; 3] = [built_in::nonces::ACTIONS, built_in::push::ACTIONS, built_in::sessions::ACTIONS];

/// Every protected action of an application: the [built-in](crate::built_in) ones and its own.
///
/// ```
/// use protocol::action::{Catalogue, Level};
/// let catalogue = Catalogue::new(&[]);
/// assert_eq!(catalogue.at("/api/revoke").map(|entry| entry.level), Some(Level::Confirmed));
/// assert!(catalogue.at("/api/unknown").is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    own: &'static [ActionEntry],
}

impl Catalogue {
    /// A catalogue of the built-in actions and these.
    ///
    /// # Panics
    /// When two actions have the same path. In a `const` or `static` that is a compile error.
    pub const fn new(own: &'static [ActionEntry]) -> Self {
        let mut at = 0;
        while at < own.len() {
            let path = own[at].path.as_bytes();
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

const fn contains(entries: &[ActionEntry], path: &[u8]) -> bool {
    let mut at = 0;
    while at < entries.len() {
        if is_equal(entries[at].path.as_bytes(), path) {
            return true;
        }
        at += 1;
    }
    false
}

/// `==` of slices is not `const` yet.
const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Defines each action as a type, implements [`Action`](crate::action::Action) for it, and lists them all in `ACTIONS`.
///
/// ```
/// protocol::actions! {
///     /// Closes the account.
///     CloseAccount at "close_account" needs Confirmed {
///         /// Why.
///         reason: String,
///     }
///     summary |close| protocol::action::Summary {
///         title: "Close your account",
///         lines: vec![("Reason", close.reason.clone())],
///         button: "Close account".into(),
///     }
/// }
/// static CATALOGUE: protocol::action::Catalogue = protocol::action::Catalogue::new(ACTIONS);
///
/// assert!(CATALOGUE.at("/api/close_account").is_some_and(|entry| entry.parse(br#"{"reason":"none"}"#).is_ok()));
/// ```
#[macro_export]
macro_rules! actions {
    (@empty $name:ident) => { Some(|| $name {}) };
    (@empty $name:ident $($field:ident)+) => { None };
    ($(
        $(#[$doc:meta])*
        $name:ident at $path:literal needs $level:ident $(on $target:ident)? { $( $(#[$field_doc:meta])* $field:ident: $type:ty ),* $(,)? }
        summary |$this:ident| $summary:expr
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Debug, ::serde::Serialize, ::serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $( $(#[$field_doc])* pub $field: $type ),* }

            impl $crate::action::Action for $name {
                const NAME: &'static str = $path;
                const PATH: &'static str = concat!("/api/", $path);
                const LEVEL: $crate::action::Level = $crate::action::Level::$level;
                $(const TARGET: $crate::action::Target = $crate::action::Target::$target;)?
                const EMPTY: Option<fn() -> Self> = $crate::actions!(@empty $name $($field)*);

                fn summary(&self) -> $crate::action::Summary {
                    let $this = self;
                    $summary
                }
            }
        )+

        /// Every action, in the order of this file.
        pub const ACTIONS: &[$crate::action::ActionEntry] = &[$($crate::action::ActionEntry::of::<$name>()),+];
    };
}
