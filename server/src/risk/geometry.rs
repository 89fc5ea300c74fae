//! The geometry of a path, independent of time: straightness, scatter about a line, and turns.

use super::{measurements::Scatter, pointer_path::PointerPath};

/// Minimum number of steps for a reference line that is fitted to all points. Shorter paths use the chord between their
/// ends: a fit would hide a person's bend. For longer paths, two points define a line too poorly.
const MIN_FIT_STEPS: usize = 20;

/// Minimum distance between points that define a direction, independent of the sampling rate: px.
const MIN_TURN_STEP: f64 = 8.0;

impl PointerPath {
    /// The largest distance from the first point: px.
    pub(super) fn distance(&self) -> f64 {
        self.points.iter().fold(0.0, |farthest, &(x, y)| farthest.max(x.hypot(y)))
    }

    /// The largest distance from the chord between the ends: px.
    pub(super) fn deviation(&self) -> f64 {
        farthest(&self.off_chord())
    }

    /// The scatter about the reference line.
    pub(super) fn scatter(&self) -> Scatter {
        let off = if self.steps.len() < MIN_FIT_STEPS { self.off_chord() } else { self.off_fit() };
        let squares: f64 = off.iter().map(|one| one * one).sum();
        let products: f64 = off.windows(2).map(|pair| pair[0] * pair[1]).sum();
        Scatter { width: farthest(&off), correlation: if squares > 0.0 { products / squares } else { 0.0 } }
    }

    /// The standard deviation of the turns, in radians, between points at least 8 px apart. `None` with fewer than
    /// three turns.
    #[expect(clippy::cast_precision_loss, reason = "at most 100 points")]
    pub(super) fn turning(&self) -> Option<f64> {
        let mut places = vec![(0.0, 0.0)];
        for &(x, y) in &self.points {
            let (last_x, last_y) = places[places.len() - 1];
            if f64::hypot(x - last_x, y - last_y) >= MIN_TURN_STEP {
                places.push((x, y));
            }
        }
        let turn = |three: &[(f64, f64)]| {
            let (one, other) = (between(three[0], three[1]), between(three[1], three[2]));
            (one.0 * other.1 - one.1 * other.0).atan2(one.0 * other.0 + one.1 * other.1)
        };
        let turns: Vec<f64> = places.windows(3).map(turn).collect();
        if turns.len() < 3 {
            return None;
        }
        let mean = turns.iter().sum::<f64>() / turns.len() as f64;
        let variance = turns.iter().map(|turn| (turn - mean).powi(2)).sum::<f64>() / turns.len() as f64;
        Some(variance.sqrt())
    }

    /// Each point's signed distance from the chord between the ends: px.
    fn off_chord(&self) -> Vec<f64> {
        let (end_x, end_y) = self.points.last().copied().unwrap_or_default();
        let chord = end_x.hypot(end_y);
        let off = |&(x, y): &(f64, f64)| {
            if chord > 0.0 { (end_x * y - end_y * x) / chord } else { x.hypot(y) }
        };
        self.points.iter().map(off).collect()
    }

    /// Each point's signed distance from the least-squares line: px.
    #[expect(clippy::cast_precision_loss, reason = "at most 100 points")]
    fn off_fit(&self) -> Vec<f64> {
        let count = self.points.len() as f64;
        let (sum_x, sum_y) = self.points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let middle = (sum_x / count, sum_y / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for &point in &self.points {
            let (x, y) = between(middle, point);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        let (sin, cos) = (0.5 * (2.0 * xy).atan2(xx - yy)).sin_cos();
        let off = |&point: &(f64, f64)| {
            let (x, y) = between(middle, point);
            cos * y - sin * x
        };
        self.points.iter().map(off).collect()
    }
}

fn between(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    (to.0 - from.0, to.1 - from.1)
}

fn farthest(off: &[f64]) -> f64 {
    off.iter().fold(0.0, |farthest, one| farthest.max(one.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(points: impl Iterator<Item = (i32, i32)>) -> PointerPath {
        let (mut path, mut before) = (vec![[0, 0, 0]], (0, 0));
        for (x, y) in points {
            path.push([x - before.0, y - before.1, 10]);
            before = (x, y);
        }
        PointerPath::of(&path)
    }

    #[test]
    fn a_bend_is_correlated_and_noise_is_not_at_any_rate() {
        for step in [5, 10, 40] {
            let bend = path((1..=400 / step).map(|at| (at * step, at * step * (400 - at * step) / 4000)));
            assert!(bend.scatter().correlation > 0.6, "{step}: {}", bend.scatter().correlation);
            // +, +, -, -: the same sign follows as often as the other.
            let noise = path((1..=400 / step).map(|at| (at * step, if at % 4 < 2 { 3 } else { -3 })));
            assert!(noise.scatter().correlation < 0.3, "{step}: {}", noise.scatter().correlation);
        }
    }

    #[test]
    fn a_circle_turns_evenly_and_a_zigzag_does_not() {
        let circle = path((1..=40).map(|at| {
            let angle = f64::from(at) * std::f64::consts::PI / 40.0;
            #[expect(clippy::cast_possible_truncation, reason = "some hundreds")]
            let place = ((300.0 * angle.sin()).round() as i32, (300.0 - 300.0 * angle.cos()).round() as i32);
            place
        }));
        assert!(circle.turning().is_some_and(|varies| varies < 0.06), "{:?}", circle.turning());
        let zigzag = path((1..=40).map(|at| (at * 10, at % 2 * 10)));
        assert!(zigzag.turning().is_some_and(|varies| varies > 1.0), "{:?}", zigzag.turning());
        assert_eq!(path((1..=3).map(|at| (at * 10, 0))).turning(), None, "two turns");
    }
}
