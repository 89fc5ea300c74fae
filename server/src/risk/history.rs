//! A session's interaction history: fingerprints and running statistics, no paths.

use std::{fmt, str::FromStr};

use protocol::Malformed;

/// Number of features of an interaction.
pub const FEATURES: usize = 3;

/// Maximum number of fingerprints that a session stores.
pub const MAX_FINGERPRINTS: usize = 64;

/// A fingerprint that recognises a repeated path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// A fingerprint from 64 bits of a hash.
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

/// The stored data of one interaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The path's fingerprint, if it has one.
    pub fingerprint: Option<Fingerprint>,
    /// The features: hold, pace and directness.
    pub features: [f64; FEATURES],
}

/// The running mean and variance of each feature (Welford 1962).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Running {
    /// Number of interactions.
    pub count: u32,
    /// The means.
    pub mean: [f64; FEATURES],
    /// The sums of squared differences from the mean.
    pub m2: [f64; FEATURES],
}

impl Running {
    /// Adds one interaction's features.
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
    /// The standard deviation of a feature; 0 with fewer than two interactions.
    pub fn deviation(&self, feature: usize) -> f64 {
        if self.count < 2 { 0.0 } else { (self.m2[feature].max(0.0) / f64::from(self.count - 1)).sqrt() }
    }
}

/// A session's history before an interaction.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// Whether the session has sent the same path before.
    pub repeated: bool,
    /// The statistics of the earlier interactions.
    pub running: Running,
}
