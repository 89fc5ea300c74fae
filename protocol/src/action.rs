//! What a protected action is.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Malformed, json};

/// How sure the server must be that a person wants something. Ordered: a higher level does for a lower one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Token, signature and nonce: reads of private data, and sign-out.
    Signed,
    /// Signed, and an interaction proof recorded by the page: ordinary changes.
    Interaction,
    /// Signed by the confirmation key, after the user has confirmed what the confirmation window shows of the bytes that it
    /// signs: money, keys, security settings.
    Confirmed,
}

/// What the confirmation window says of an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// What will happen, as a heading: "Send money".
    pub title: &'static str,
    /// Every argument with its name, whole.
    pub lines: Vec<(&'static str, String)>,
    /// What the button says: a verb and, if short, the essence: "Send 12.00 EUR".
    pub button: String,
}

/// A protected action with its arguments. The catalogue's macro implements it.
pub trait Action: Serialize + DeserializeOwned {
    /// Its name in the catalogue.
    const NAME: &'static str;
    /// The path of its server function.
    const PATH: &'static str;
    /// The lowest level that the server accepts for it.
    const LEVEL: Level;
    /// Makes it, if it has no arguments.
    const EMPTY: Option<fn() -> Self>;

    /// What the confirmation window says.
    fn summary(&self) -> Summary;
}

/// An action as the catalogue lists it, without its type.
#[derive(Clone, Copy, Debug)]
pub struct ActionEntry {
    /// [`Action::NAME`].
    pub name: &'static str,
    /// [`Action::PATH`].
    pub path: &'static str,
    /// [`Action::LEVEL`].
    pub level: Level,
    summarize: fn(&[u8]) -> Result<Summary, Malformed>,
}

impl ActionEntry {
    /// The entry of an action type.
    pub const fn of<A: Action>() -> Self {
        // What has no arguments has one text, and needs no reader: the frame is smaller for it.
        let summarize = if A::EMPTY.is_some() { summarize_empty::<A> } else { summarize::<A> };
        Self { name: A::NAME, path: A::PATH, level: A::LEVEL, summarize }
    }

    /// Parses a request body as this action and says what it would do. Both ends call it: a body that is not exactly
    /// this action's JSON is neither signed nor executed.
    ///
    /// # Errors
    /// [`Malformed`] when the body is not this action.
    pub fn summarize(&self, body: &[u8]) -> Result<Summary, Malformed> {
        (self.summarize)(body)
    }
}

fn summarize_empty<A: Action>(body: &[u8]) -> Result<Summary, Malformed> {
    let empty = A::EMPTY.filter(|_| body == b"{}");
    empty.map(|make| make().summary()).ok_or(Malformed("action"))
}

fn summarize<A: Action>(body: &[u8]) -> Result<Summary, Malformed> {
    parse::<A>(body).map(|action| action.summary())
}

/// Parses a request body as an action. It must be spelled as `serde_json` spells it (`JSON.stringify` does too): unknown,
/// missing and duplicate members, white space, another order, and a list in place of the object are refused.
///
/// # Errors
/// [`Malformed`] when the body is not this action.
pub fn parse<A: Action>(body: &[u8]) -> Result<A, Malformed> {
    let action = json::read(body).map_err(|_| Malformed("action"))?;
    let is_its_spelling = serde_json::to_vec(&action).is_ok_and(|spelling| spelling == body);
    is_its_spelling.then_some(action).ok_or(Malformed("action"))
}
