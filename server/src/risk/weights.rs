//! The weights and limits of the findings about one path, and the score that they give.
//!
//! The rule behind them: one clear finding raises, two weak ones do not. A path with few points or of a few pixels is
//! weak evidence, whatever it looks like: people's steps are straight and even by chance there.

use super::{
    Finding, Risk, falling,
    measurements::{PathMeasurements, Scatter},
    pointer_path::SHORT,
};

/// Minimum distance of a path that is judged by its noise: px. On shorter paths, tremor and rounding are as large as
/// the bend.
const LONG: f64 = 100.0;

/// Maximum points of a finding about a path that is too short or has too few steps to raise by one finding.
const WEAK: f64 = 50.0;

/// Uniform progress counts fully up to the first deviation and not at all from the second on.
const EVEN: [f64; 2] = [0.05, 0.14];

/// The deviation from a straight line, in px, up to which a path is a straight line: rounding to whole pixels.
const RULER: f64 = 1.0;

/// The deviation from a straight line, as a share of the distance, up to which a path is fully near one.
const NEAR: f64 = 0.005;

/// Scatter counts fully up to the first width and not at all from the second on: px.
const SCATTER_WIDTH: [f64; 2] = [5.0, 9.0];

/// Minimum number of steps whose scatter can be measured, and from which on it counts fully.
const SCATTER_STEPS: [usize; 2] = [6, 10];

/// The weights and limits that are chosen by leaving one user out at a time (docs/PROOFS.md).
///
/// The others in this file are fixed: they are properties of pixels and of sampling, or too few recorded paths depend
/// on them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Weights {
    /// Minimum number of steps of a path that one finding can raise.
    pub min_steps: usize,
    /// Minimum distance of a path that one finding can raise: px.
    pub min_distance: f64,
    /// The deviation from a straight line from which on a path is no straight line: px.
    pub ruler_limit: f64,
    /// Points of a path that is near a straight line for its distance.
    pub near: f64,
    /// The deviation from a straight line, as a share of the distance, from which on a path is not near one.
    pub near_limit: f64,
    /// Correlations that count as noise fully and not at all, in standard errors of the correlation of pure noise.
    pub noise: [f64; 2],
    /// Points of a scattered path with few steps.
    pub scattered_few: f64,
    /// Points of a scattered path.
    pub scattered: f64,
}

/// The weights in use. `server/tests/leave_one_user_out.rs` checks that the selection leads to them.
pub const WEIGHTS: Weights = Weights {
    min_steps: 6,
    min_distance: 75.0,
    ruler_limit: 1.5,
    near: 50.0,
    near_limit: 0.04,
    noise: [1.5, 3.0],
    scattered_few: 50.0,
    scattered: 85.0,
};

impl Weights {
    /// Adds the findings about a path.
    pub(super) fn judge_path(&self, path: &PathMeasurements, risk: &mut Risk) {
        if path.steps <= 1 {
            // A pointer that is already at the control can take one small step.
            let is_small_step = path.steps == 1 && path.distance < SHORT;
            return risk.add(Finding::Teleport, if is_small_step { WEAK } else { 100.0 }, 1.0);
        }
        let is_weak = path.steps < self.min_steps || path.distance < self.min_distance;
        let most = if is_weak { WEAK } else { 100.0 };
        risk.add(Finding::Even, most, falling(path.unevenness, EVEN));
        if path.distance >= SHORT && path.steps >= 3 {
            self.judge_shape(path, most, risk);
        }
        if path.distance >= LONG && path.steps >= SCATTER_STEPS[0] {
            self.judge_noise(path, risk);
        }
        if path.steps >= 5 {
            // A low weight: a browser's animation frames are regular too.
            risk.add(Finding::Regular, 30.0, falling(path.irregularity, [0.01, 0.05]));
        }
    }

    fn judge_shape(&self, path: &PathMeasurements, most: f64, risk: &mut Risk) {
        let ruler = 100.0 * falling(path.deviation, [RULER, self.ruler_limit]);
        let near = self.near * falling(path.deviation / path.distance, [NEAR, self.near_limit]);
        let straight = ruler.max(near).min(most);
        // A low weight. A straight line turns evenly too, so only the larger of the two counts.
        let smooth = path.turning.map_or(0.0, |varies| 30.0 * falling(varies, [0.06, 0.15]));
        let finding = if smooth > straight { Finding::Smooth } else { Finding::Straight };
        risk.add(finding, smooth.max(straight), 1.0);
    }

    fn judge_noise(&self, path: &PathMeasurements, risk: &mut Risk) {
        let Scatter { width, correlation } = path.scatter;
        #[expect(clippy::cast_precision_loss, reason = "at most 100 steps")]
        let error = 1.0 / (path.steps as f64 - 1.0).sqrt();
        // A person's path with few points can look scattered by chance.
        let most = if path.steps >= SCATTER_STEPS[1] { self.scattered } else { self.scattered_few };
        let noise = falling(correlation, self.noise.map(|errors| errors * error));
        risk.add(Finding::Scattered, most * falling(width, SCATTER_WIDTH), noise);
    }
}
