//! The values that actions carry, and the one form in which a person is shown them.

use core::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{Malformed, encoding::text_newtype};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, |$text:ident| $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const MAX_CHARS: usize = $max;

            /// Checks a text. Nothing is trimmed or changed: what was sent is what is shown and stored.
            ///
            /// # Errors
            /// [`Malformed`] when the text breaks the rule of this type.
            pub fn parse($text: &str) -> Result<Self, Malformed> {
                let fits = $text.chars().count() <= $max;
                (fits && $valid).then(|| Self($text.to_owned())).ok_or(Malformed($what))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_newtype!($name);
    };
}

text! {
    /// What a person signs in with: 3 to 32 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with a letter. ASCII, so that no
    /// two names look the same in the confirmation window.
    UserName, "user name", 32, |text| text.len() >= 3
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

text! {
    /// The name that others see: 1 to 64 characters, not only white space.
    DisplayName, "display name", 64, |text| !text.trim().is_empty()
}

text! {
    /// A remark: up to 140 characters, may be empty.
    Note, "note", 140, |_text| true
}

/// An amount of money: 1 to 10^12 cents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

impl Amount {
    /// The largest amount, in cents.
    pub const MAX_CENTS: u64 = 1_000_000_000_000;

    /// The amount in cents.
    pub fn cents(self) -> u64 {
        self.0
    }

    /// Reads what a person types: digits, at most two decimals after `.` or `,`, no grouping.
    ///
    /// ```
    /// use protocol::value::Amount;
    /// assert_eq!(Amount::from_input("12.5")?.cents(), 1250);
    /// assert!(Amount::from_input("1e3").is_err());
    /// # Ok::<(), protocol::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// [`Malformed`] for anything else, for zero and for more than [`Amount::MAX_CENTS`].
    pub fn from_input(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("amount");
        let (whole, decimals) = text.trim().split_once(['.', ',']).unwrap_or((text.trim(), "0"));
        let is_digits = |part: &str, max| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole, 11) || !is_digits(decimals, 2) {
            return Err(malformed);
        }
        let cents = format!("{whole}{decimals:0<2}").parse::<u64>().map_err(|_| malformed)?;
        Self::try_from(cents)
    }
}

impl TryFrom<u64> for Amount {
    type Error = Malformed;
    fn try_from(cents: u64) -> Result<Self, Malformed> {
        (1..=Self::MAX_CENTS).contains(&cents).then_some(Self(cents)).ok_or(Malformed("amount"))
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&money(self.0))
    }
}

/// Money in its one form: `1,234.50 EUR`.
///
/// ```
/// assert_eq!(protocol::value::money(123_450), "1,234.50 EUR");
/// ```
pub fn money(cents: u64) -> String {
    let whole = (cents / 100).to_string();
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{:02} EUR", cents % 100)
}

/// Text as the confirmation window shows it: characters that a person cannot see, or that change how others are seen,
/// are written out as `⟨U+202E⟩`, so that what is read is what is signed.
///
/// ```
/// assert_eq!(protocol::value::visible("rent\u{202e}"), "rent⟨U+202E⟩");
/// ```
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        // A space is only seen between two other characters.
        let is_lost_space = c == ' ' && before == ' ';
        if is_hidden(c) || is_lost_space {
            // Writing to a String cannot fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            shown.push(c);
        }
        before = c;
    }
    if let Some(rest) = shown.strip_suffix(' ') {
        shown = format!("{rest}⟨U+0020⟩");
    }
    shown
}

/// Control, format, bidirectional, private, surrogate-free blank and default-ignorable characters (Unicode 16: general
/// categories Cc, Cf, Co, Zl, Zp, Zs but U+0020, and the property `Default_Ignorable_Code_Point`), and the brackets
/// that mark them.
fn is_hidden(c: char) -> bool {
    const HIDDEN: &[core::ops::RangeInclusive<u32>] = &[
        0x00A0..=0x00A0,     // no-break space
        0x00AD..=0x00AD,     // soft hyphen
        0x034F..=0x034F,     // combining grapheme joiner
        0x0600..=0x0605,     // Arabic number signs
        0x061C..=0x061C,     // Arabic letter mark
        0x06DD..=0x06DD,     // Arabic end of ayah
        0x070F..=0x070F,     // Syriac abbreviation mark
        0x0890..=0x0891,     // Arabic pound marks
        0x08E2..=0x08E2,     // Arabic disputed end of ayah
        0x115F..=0x1160,     // Hangul fillers
        0x1680..=0x1680,     // Ogham space
        0x17B4..=0x17B5,     // Khmer inherent vowels
        0x180B..=0x180F,     // Mongolian selectors
        0x2000..=0x200F,     // spaces, zero-width, directional marks
        0x2028..=0x202F,     // separators, bidirectional embeddings and overrides
        0x205F..=0x206F,     // mathematical space, invisible operators, isolates
        0x27E8..=0x27E9,     // ⟨ ⟩, which mark what is hidden
        0x2800..=0x2800,     // blank Braille
        0x3000..=0x3000,     // ideographic space
        0x3164..=0x3164,     // Hangul filler
        0xE000..=0xF8FF,     // private use
        0xFE00..=0xFE0F,     // variation selectors
        0xFEFF..=0xFEFF,     // byte order mark
        0xFFA0..=0xFFA0,     // half-width Hangul filler
        0xFFF0..=0xFFFC,     // specials
        0x110BD..=0x110BD,   // Kaithi number sign
        0x110CD..=0x110CD,   // Kaithi number sign above
        0x13430..=0x13442,   // Egyptian format controls and blanks
        0x16FE4..=0x16FE4,   // Khitan filler
        0x1BCA0..=0x1BCA3,   // shorthand format controls
        0x1D159..=0x1D159,   // musical null note head
        0x1D173..=0x1D17A,   // musical format controls
        0xE0000..=0xE0FFF,   // tags, variation selectors
        0xF0000..=0x10_FFFF, // private use
    ];
    c.is_control() || HIDDEN.iter().any(|range| range.contains(&u32::from(c)))
}
