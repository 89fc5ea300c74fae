//! What a session remembers of its earlier interactions: enough to compare with, and no path.

use std::{fmt, str::FromStr};

use protocol::Malformed;

/// How many numbers describe an interaction.
pub const FEATURES: usize = 3;

/// How many fingerprints a session remembers.
pub const MAX_FINGERPRINTS: usize = 64;

/// Recognises a way that was gone before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// From 64 bits of a hash.
    pub fn new(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bits = u64::from_str_radix(text, 16).map_err(|_| Malformed("fingerprint"))?;
        let fingerprint = Self(bits);
        (fingerprint.to_string() == text).then_some(fingerprint).ok_or(Malformed("fingerprint"))
    }
}

/// What is remembered of one interaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// Recognises its way, if it has one.
    pub fingerprint: Option<Fingerprint>,
    /// Its numbers.
    pub features: [f64; FEATURES],
}

/// The running mean and variance of each number (Welford 1962).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Running {
    /// Of how many interactions.
    pub count: u32,
    /// The means.
    pub mean: [f64; FEATURES],
    /// The sums of squared differences from the mean.
    pub m2: [f64; FEATURES],
}

impl Running {
    /// Adds one interaction's numbers.
    pub fn add(&mut self, features: &[f64; FEATURES]) {
        self.count = self.count.saturating_add(1);
        for (at, feature) in features.iter().enumerate() {
            let before = feature - self.mean[at];
            self.mean[at] += before / f64::from(self.count);
            self.m2[at] += before * (feature - self.mean[at]);
        }
    }
}

impl Running {
    /// The standard deviation of a number; 0 of fewer than two.
    pub fn deviation(&self, feature: usize) -> f64 {
        if self.count < 2 { 0.0 } else { (self.m2[feature].max(0.0) / f64::from(self.count - 1)).sqrt() }
    }
}

/// What a session showed before an interaction.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// Whether the same way was gone before.
    pub repeated: bool,
    /// The numbers of what came before.
    pub running: Running,
}
