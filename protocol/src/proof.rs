//! The interaction proof: evidence that the user intended an action. Its header is covered by the signature.

use serde::{Deserialize, Serialize};

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::{Malformed, action::Level};

/// The longest `X-Interaction-Proof`, in bytes.
pub const MAX_HEADER: usize = 4096;

/// The longest recorded path, in points.
pub const MAX_PATH: usize = 100;

/// The header's value when there is no proof (level Signed).
const NONE: &str = "none";

/// Evidence of one interaction. Positions are CSS pixels, times are milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The version of this format: 1.
    pub v: u8,
    /// The recorder.
    pub by: Recorder,
    /// The catalogue name of the intended action.
    pub action: String,
    /// The kind of input.
    pub kind: Kind,
    /// When the click or key was released: Unix time in ms. The page writes the device's time; the frame, which knows
    /// the clock offset, converts it to the server's time before it signs.
    pub at: u64,
    /// Time between press and release, in ms.
    pub hold: u32,
    /// The pointer's path to the control, oldest first: `[dx, dy, dt]` from the previous point; the first is `[x, y,
    /// 0]`. Empty for keyboard, touch and assistive technology.
    pub path: Vec<[i32; 3]>,
    /// The control: `[x, y, width, height]`.
    pub target: [i32; 4],
    /// The point that was hit: `[x, y]`.
    pub hit: [i32; 2],
    /// How long the confirmation was in view before the click, in ms. Confirmation window only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell: Option<u32>,
}

/// The recorder of a proof. The server treats the two differently, because script in the page can forge the page's
/// proofs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recorder {
    /// The application's page.
    App,
    /// The confirmation window.
    Signer,
}

/// The kind of input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A mouse or a trackpad.
    Pointer,
    /// A finger.
    Touch,
    /// A pen.
    Pen,
    /// A key, or assistive technology that clicks without a pointer.
    Keyboard,
    /// The button of the confirmation window, by any input device.
    Confirm,
}

impl Proof {
    /// The level of assurance that this proof reaches.
    pub fn level(&self) -> Level {
        match self.by {
            Recorder::App => Level::Interaction,
            Recorder::Signer => Level::Confirmed,
        }
    }

    /// Checks the rules that the types do not express: version, limits, and the fields that each recorder may set.
    ///
    /// # Errors
    /// [`Malformed`] for a proof that the recorder cannot have written.
    pub fn check(&self) -> Result<(), Malformed> {
        let of_recorder = match self.by {
            Recorder::App => self.kind != Kind::Confirm && self.dwell.is_none(),
            Recorder::Signer => self.kind == Kind::Confirm && self.dwell.is_some(),
        };
        let forwards = self.path.iter().all(|&[_, _, dt]| dt >= 0);
        let sized = self.target[2] >= 0 && self.target[3] >= 0;
        let fits = self.path.len() <= MAX_PATH && self.action.len() <= 64;
        let known = self.v == 1;
        (known && fits && forwards && sized && of_recorder).then_some(()).ok_or(Malformed("interaction proof"))
    }

    /// The header's value: base64url of the JSON text.
    ///
    /// # Errors
    /// [`Malformed`] when the proof does not [`check`](Self::check) or is over [`MAX_HEADER`].
    pub fn to_header(&self) -> Result<String, Malformed> {
        self.check()?;
        let json = serde_json::to_vec(self).map_err(|_| Malformed("interaction proof"))?;
        let text = Base64UrlUnpadded::encode_string(&json);
        (text.len() <= MAX_HEADER).then_some(text).ok_or(Malformed("interaction proof"))
    }
}

/// Parses `X-Interaction-Proof`. The JSON must be exactly what [`Proof::to_header`] writes: no white space, no other
/// order, no duplicate, no explicit default.
///
/// ```
/// assert_eq!(protocol::proof::from_header("none"), Ok(None));
/// assert!(protocol::proof::from_header("e30").is_err());
/// ```
///
/// # Errors
/// [`Malformed`] for any text other than `none` and such a proof.
pub fn from_header(text: &str) -> Result<Option<Proof>, Malformed> {
    if text == NONE {
        return Ok(None);
    }
    let malformed = Malformed("interaction proof");
    if text.len() > MAX_HEADER {
        return Err(malformed);
    }
    let json = Base64UrlUnpadded::decode_vec(text).map_err(|_| malformed)?;
    let proof: Proof = serde_json::from_slice(&json).map_err(|_| malformed)?;
    if proof.to_header()? != text {
        return Err(malformed);
    }
    Ok(Some(proof))
}

/// The header's value for a request with or without a proof.
///
/// # Errors
/// As [`Proof::to_header`].
pub fn header(proof: Option<&Proof>) -> Result<String, Malformed> {
    proof.map_or_else(|| Ok(NONE.to_owned()), Proof::to_header)
}
