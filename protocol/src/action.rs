//! Protected actions.

use core::any::Any;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Malformed, json};

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
    /// Confirmed, and a passkey has signed the SHA-256 of the signature base after it has verified the user: what malware
    /// that drives the browser must not do. No message names this level: page and frame never ask the frame for it.
    #[serde(skip)]
    Attested,
}

/// What a thief must copy, at least, to use a session elsewhere. Ordered: a higher tier satisfies a lower one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The browser's profile: it has the cookie and the keys.
    Browser,
    /// Nothing that can be copied: a key in the device's hardware renews a cookie every few minutes.
    Device,
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
    /// The lowest tier of a session that the server accepts.
    const TIER: Tier = Tier::Browser;
    /// The origin of the endpoint.
    const TARGET: Target = Target::App;
    /// Constructs the action if it has no arguments.
    const EMPTY: Option<fn() -> Self>;

    /// The summary that the confirmation window shows.
    fn summary(&self) -> Summary;

    /// Whether a user who has a passkey must also sign with it, so that the request has the level [`Level::Attested`].
    ///
    /// It depends on the arguments only, so window and server decide alike. At the level [`Level::Attested`] a user without a
    /// passkey is rejected; at a lower level such a user need not sign with one.
    fn needs_passkey(&self) -> bool {
        Self::LEVEL == Level::Attested
    }
}

/// An [`Action`] whose type is known only at run time.
pub trait AnyAction: Any + Send + Sync {
    /// [`Action::needs_passkey`].
    fn needs_passkey(&self) -> bool;
}

impl<A: Action> AnyAction for A {
    fn needs_passkey(&self) -> bool {
        Action::needs_passkey(self)
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
    /// [`Action::TIER`].
    pub tier: Tier,
    /// [`Action::TARGET`].
    pub target: Target,
    parse: fn(&[u8]) -> Parsed,
}

impl ActionEntry {
    /// The entry of an action type.
    pub const fn of<A: Action>() -> Self {
        // An action without arguments has one accepted body and needs no parser, which makes the frame smaller.
        let parse = if A::EMPTY.is_some() { parse_empty::<A> } else { parse_any::<A> };
        Self { name: A::NAME, path: A::PATH, level: A::LEVEL, tier: A::TIER, target: A::TARGET, parse }
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

/// The summary of an action as the list `ACTION_SUMMARIES` of [`actions!`](crate::actions) has it.
///
/// It is not part of the [`ActionEntry`]: the signing frame parses actions and shows none, so it need not contain this.
#[derive(Clone, Copy, Debug)]
pub struct SummaryEntry {
    pub(crate) path: &'static str,
    pub(crate) summary: fn(&dyn Any) -> Option<Summary>,
}

impl SummaryEntry {
    /// The entry of an action type.
    pub const fn of<A: Action>() -> Self {
        Self { path: A::PATH, summary: |action| action.downcast_ref::<A>().map(Action::summary) }
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

/// Defines each action as a type, implements [`Action`] for it, and lists them all in `ACTIONS` and
/// `ACTION_SUMMARIES`. `attested |action| { … }` before the summary implements [`Action::needs_passkey`].
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
/// static CATALOGUE: protocol::catalogue::Catalogue = protocol::catalogue::Catalogue::new(ACTIONS);
///
/// assert!(CATALOGUE.at("/api/close_account").is_some_and(|entry| entry.parse(br#"{"reason":"none"}"#).is_ok()));
/// ```
#[macro_export]
macro_rules! actions {
    (@empty $name:ident) => { Some(|| $name {}) };
    (@empty $name:ident $($field:ident)+) => { None };
    ($(
        $(#[$doc:meta])*
        $name:ident at $path:literal needs $level:ident $(from $tier:ident)? $(on $target:ident)? { $( $(#[$field_doc:meta])* $field:ident: $type:ty ),* $(,)? }
        $(attested |$that:ident| $attested:block)?
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
                $(const TIER: $crate::action::Tier = $crate::action::Tier::$tier;)?
                $(const TARGET: $crate::action::Target = $crate::action::Target::$target;)?
                const EMPTY: Option<fn() -> Self> = $crate::actions!(@empty $name $($field)*);

                fn summary(&self) -> $crate::action::Summary {
                    let $this = self;
                    $summary
                }

                $(fn needs_passkey(&self) -> bool {
                    let $that = self;
                    $attested
                })?
            }
        $(
            // The confirmation window alone asks for passkeys.
            const _: () = assert!(
                matches!($crate::action::Level::$level, $crate::action::Level::Confirmed | $crate::action::Level::Attested),
                concat!("the level of ", stringify!($that), " is below Confirmed")
            );
        )?
        )+

        /// Every action, in the order of this file.
        pub const ACTIONS: &[$crate::action::ActionEntry] = &[$($crate::action::ActionEntry::of::<$name>()),+];

        /// The summary of every action.
        #[allow(dead_code, reason = "only a program that shows summaries uses it")]
        pub const ACTION_SUMMARIES: &[$crate::action::SummaryEntry] = &[$($crate::action::SummaryEntry::of::<$name>()),+];
    };
}
