//! The pointer's way to a control, and what can be measured of it.

use sha2::{Digest, Sha256};

use super::{FEATURES, Fingerprint, SHORT};

/// How many steps a way must have to be recognised at any pace: fewer may well be gone twice.
const OWN: usize = 4;

/// Shorter steps are even because a screen has whole pixels: a slow hand goes 1 px at a time, in a browser. px.
const FINE: f64 = 3.0;

/// Which feature is the hold.
pub(super) const HOLD: usize = 0;

/// A path without its standstills: what is left has moved in every step.
pub(super) struct PointerPath {
    /// Each step's `(length in px, duration in ms)`.
    pub(super) steps: Vec<(f64, f64)>,
    /// Where it was before the first step and after each.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) length: f64,
}

impl PointerPath {
    pub(super) fn of(path: &[[i32; 3]]) -> Self {
        let mut way = Self { steps: Vec::new(), points: vec![(0.0, 0.0)], length: 0.0 };
        let (mut x, mut y, mut waited) = (0.0, 0.0, 0.0);
        // The first entry is where it began, and no step.
        for &[dx, dy, dt] in path.iter().skip(1) {
            waited += f64::from(dt);
            let length = f64::from(dx).hypot(f64::from(dy));
            if length > 0.0 {
                (x, y) = (x + f64::from(dx), y + f64::from(dy));
                way.steps.push((length, waited));
                way.points.push((x, y));
                way.length += length;
                waited = 0.0;
            }
        }
        way
    }

    /// How far the progress along the way is from an even one, as a share of the way (0 to 1): measured against time and,
    /// unless the steps are too small to differ, against the number of steps, the smaller of the two.
    #[allow(clippy::cast_precision_loss)] // at most 100 steps
    pub(super) fn unevenness(&self) -> f64 {
        let duration: f64 = self.steps.iter().map(|(_, duration)| duration).sum();
        let (mut gone, mut passed) = (0.0, 0.0);
        let (mut by_time, mut by_step) = (0.0_f64, 0.0_f64);
        for (at, (length, step)) in self.steps.iter().enumerate() {
            gone += length / self.length;
            passed += if duration > 0.0 { step / duration } else { 0.0 };
            by_time = by_time.max((gone - passed).abs());
            by_step = by_step.max((gone - (at + 1) as f64 / self.steps.len() as f64).abs());
        }
        if self.length >= FINE * self.steps.len() as f64 { by_time.min(by_step) } else { by_time }
    }

    /// The variation of the time between points (standard deviation over mean).
    #[allow(clippy::cast_precision_loss)] // at most 100 steps
    pub(super) fn irregularity(&self) -> f64 {
        let count = self.steps.len() as f64;
        let mean = self.steps.iter().map(|(_, duration)| duration).sum::<f64>() / count;
        let variance = self.steps.iter().map(|(_, duration)| (duration - mean).powi(2)).sum::<f64>() / count;
        if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
    }

    /// The longest wait between two points, in waits of middling length: of fewer than four steps nothing can be said.
    pub(super) fn pause(&self) -> Option<f64> {
        let mut waits: Vec<f64> = self.steps.iter().map(|(_, duration)| *duration).collect();
        waits.sort_unstable_by(f64::total_cmp);
        let longest = waits.last().filter(|_| waits.len() >= 4)?;
        Some(longest / waits[waits.len() / 2].max(1.0))
    }

    /// Recognises this way when it is gone again, elsewhere too. One that is long enough to be somebody's own is
    /// recognised at any pace, a shorter one only at the same; one step is nobody's.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        if self.steps.len() < 2 {
            return None;
        }
        let is_own = self.steps.len() >= OWN && self.length >= SHORT;
        let mut hash = Sha256::new();
        for (pair, (_, duration)) in self.points.windows(2).zip(&self.steps) {
            for step in [pair[1].0 - pair[0].0, pair[1].1 - pair[0].1, if is_own { 0.0 } else { *duration }] {
                hash.update(step.to_be_bytes());
            }
        }
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash.finalize()[..8]);
        Some(Fingerprint::new(u64::from_be_bytes(bits)))
    }

    /// The natural logarithms of the hold in ms and of the pace in px/ms, and how direct the way is (0 to 1).
    pub(super) fn features(&self, hold: u32) -> [f64; FEATURES] {
        let duration: f64 = self.steps.iter().map(|(_, duration)| duration).sum();
        let (end_x, end_y) = self.points.last().copied().unwrap_or_default();
        let direct = if self.length > 0.0 { end_x.hypot(end_y) / self.length } else { 1.0 };
        let pace = (self.length + 1.0) / (duration + 1.0);
        [(f64::from(hold) + 1.0).ln(), pace.ln(), direct]
    }
}
