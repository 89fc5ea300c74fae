//! The pointer's path to a control, and its measurements over time.

use sha2::{Digest, Sha256};

use super::{FEATURES, Fingerprint};

/// Minimum distance of a path that is judged by its shape: px.
pub(super) const SHORT: f64 = 50.0;

/// Minimum number of steps of a path that is recognised at any pace: shorter ones can recur by chance.
const MIN_UNIQUE_STEPS: usize = 4;

/// Minimum average step length for comparing steps: px. Shorter steps are even because a browser reports whole pixels.
const MIN_STEP: f64 = 6.0;

/// Index of the hold feature.
pub(super) const HOLD: usize = 0;

/// A pointer path without standstills: every step has a length.
pub(super) struct PointerPath {
    /// The steps: `(length in px, duration in ms)`.
    pub(super) steps: Vec<(f64, f64)>,
    /// The positions before the first step and after each step.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) length: f64,
}

impl PointerPath {
    pub(super) fn of(path: &[[i32; 3]]) -> Self {
        let mut pointer_path = Self { steps: Vec::new(), points: vec![(0.0, 0.0)], length: 0.0 };
        let (mut x, mut y, mut waited) = (0.0, 0.0, 0.0);
        // The first entry is the start, not a step.
        for &[dx, dy, dt] in path.iter().skip(1) {
            waited += f64::from(dt);
            let length = f64::from(dx).hypot(f64::from(dy));
            if length > 0.0 {
                (x, y) = (x + f64::from(dx), y + f64::from(dy));
                pointer_path.steps.push((length, waited));
                pointer_path.points.push((x, y));
                pointer_path.length += length;
                waited = 0.0;
            }
        }
        pointer_path
    }

    /// The largest deviation from uniform progress, as a share of the path (0 to 1).
    ///
    /// This is the smaller of the deviations by time and by step. If the steps are too small to differ, only time
    /// counts.
    #[allow(clippy::cast_precision_loss)] // at most 100 steps
    pub(super) fn unevenness(&self) -> f64 {
        let duration: f64 = self.steps.iter().map(|(_, duration)| duration).sum();
        let (mut covered, mut elapsed) = (0.0, 0.0);
        let (mut by_time, mut by_step) = (0.0_f64, 0.0_f64);
        for (at, (length, step)) in self.steps.iter().enumerate() {
            covered += length / self.length;
            elapsed += if duration > 0.0 { step / duration } else { 0.0 };
            by_time = by_time.max((covered - elapsed).abs());
            by_step = by_step.max((covered - (at + 1) as f64 / self.steps.len() as f64).abs());
        }
        if self.length >= MIN_STEP * self.steps.len() as f64 { by_time.min(by_step) } else { by_time }
    }

    /// The coefficient of variation of the intervals between the points (standard deviation over mean).
    #[allow(clippy::cast_precision_loss)] // at most 100 steps
    pub(super) fn irregularity(&self) -> f64 {
        let count = self.steps.len() as f64;
        let mean = self.steps.iter().map(|(_, duration)| duration).sum::<f64>() / count;
        let variance = self.steps.iter().map(|(_, duration)| (duration - mean).powi(2)).sum::<f64>() / count;
        if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
    }

    /// The longest interval between two points, relative to the median. `None` with fewer than four steps.
    pub(super) fn pause(&self) -> Option<f64> {
        let mut waits: Vec<f64> = self.steps.iter().map(|(_, duration)| *duration).collect();
        waits.sort_unstable_by(f64::total_cmp);
        let longest = waits.last().filter(|_| waits.len() >= 4)?;
        Some(longest / waits[waits.len() / 2].max(1.0))
    }

    /// A fingerprint that recognises this path if it is repeated, at any position.
    ///
    /// A path that is long enough to be unique is recognised at any pace, a shorter one only at the same pace. A single
    /// step has no fingerprint.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        if self.steps.len() < 2 {
            return None;
        }
        let is_unique = self.steps.len() >= MIN_UNIQUE_STEPS && self.length >= SHORT;
        let mut hash = Sha256::new();
        for (pair, (_, duration)) in self.points.windows(2).zip(&self.steps) {
            for step in [pair[1].0 - pair[0].0, pair[1].1 - pair[0].1, if is_unique { 0.0 } else { *duration }] {
                hash.update(step.to_be_bytes());
            }
        }
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash.finalize()[..8]);
        Some(Fingerprint::new(u64::from_be_bytes(bits)))
    }

    /// The features: natural logarithms of the hold (ms) and the pace (px/ms), and the directness of the path (0 to 1).
    pub(super) fn features(&self, hold: u32) -> [f64; FEATURES] {
        let duration: f64 = self.steps.iter().map(|(_, duration)| duration).sum();
        let (end_x, end_y) = self.points.last().copied().unwrap_or_default();
        let direct = if self.length > 0.0 { end_x.hypot(end_y) / self.length } else { 1.0 };
        let pace = (self.length + 1.0) / (duration + 1.0);
        [(f64::from(hold) + 1.0).ln(), pace.ln(), direct]
    }
}
