//! The amounts of the demo's transfers.

use core::fmt;

use protocol::Malformed;
use serde::{Deserialize, Serialize};

/// From this amount on, in cents, a user who has a passkey signs a transfer with it.
pub const ATTESTED_FROM: u64 = 50_000;

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

    /// Parses user input: digits, at most two decimals after `.` or `,`, no grouping.
    ///
    /// ```
    /// use actions::money::Amount;
    /// assert_eq!(Amount::from_input("12.5")?.cents(), 1250);
    /// assert!(Amount::from_input("1e3").is_err());
    /// # Ok::<(), protocol::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// [`Malformed`] for other input, for zero and for more than [`Amount::MAX_CENTS`].
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

/// Formats an amount of money: `1,234.50 EUR`.
///
/// ```
/// assert_eq!(actions::money::money(123_450), "1,234.50 EUR");
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
