//! What the places of a way show, whatever their times: how straight it is, how it lies beside a line, how it turns.

use super::pointer_path::PointerPath;

/// From so many steps on, the line beside which a way lies is fitted to all its points. With fewer it is drawn from end to
/// end: a fit would take from a person's bend what makes it one. With many, two points alone say too little of a line.
const FITTED: usize = 20;

/// Which way it went is told by points so far apart, whatever the rate they were taken at: px.
const APART: f64 = 8.0;

/// How a way lies beside a straight line.
pub(super) struct Scatter {
    /// The farthest that it gets from the line: px.
    pub(super) width: f64,
    /// The correlation of each point's distance with the next one's (lag 1). A bend is near 1. Noise, where each point is
    /// off by itself, is near 0, within `1 / sqrt(points)`.
    pub(super) correlation: f64,
}

impl PointerPath {
    /// The farthest that it gets from the straight line between its ends: px.
    pub(super) fn deviation(&self) -> f64 {
        farthest(&self.off_chord())
    }

    /// How it lies beside a straight line.
    pub(super) fn scatter(&self) -> Scatter {
        let off = if self.steps.len() < FITTED { self.off_chord() } else { self.off_fit() };
        let squares: f64 = off.iter().map(|one| one * one).sum();
        let products: f64 = off.windows(2).map(|pair| pair[0] * pair[1]).sum();
        Scatter { width: farthest(&off), correlation: if squares > 0.0 { products / squares } else { 0.0 } }
    }

    /// How much its turns vary, of points that are 8 px apart or more (standard deviation, in radians); of fewer than three
    /// turns nothing can be said.
    #[expect(clippy::cast_precision_loss, reason = "at most 100 points")]
    pub(super) fn turning(&self) -> Option<f64> {
        let mut places = vec![(0.0, 0.0)];
        for &(x, y) in &self.points {
            let (last_x, last_y) = places[places.len() - 1];
            if f64::hypot(x - last_x, y - last_y) >= APART {
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

    /// Each point's distance from the line between the ends, to the left and to the right: px.
    fn off_chord(&self) -> Vec<f64> {
        let (end_x, end_y) = self.points.last().copied().unwrap_or_default();
        let chord = end_x.hypot(end_y);
        let off = |&(x, y): &(f64, f64)| {
            if chord > 0.0 { (end_x * y - end_y * x) / chord } else { x.hypot(y) }
        };
        self.points.iter().map(off).collect()
    }

    /// Each point's distance from the line that is nearest to all (least squares): px.
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

    fn way(points: impl Iterator<Item = (i32, i32)>) -> PointerPath {
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
            let bend = way((1..=400 / step).map(|at| (at * step, at * step * (400 - at * step) / 4000)));
            assert!(bend.scatter().correlation > 0.6, "{step}: {}", bend.scatter().correlation);
            // +, +, -, -: each as often followed by its like as not.
            let noise = way((1..=400 / step).map(|at| (at * step, if at % 4 < 2 { 3 } else { -3 })));
            assert!(noise.scatter().correlation < 0.3, "{step}: {}", noise.scatter().correlation);
        }
    }

    #[test]
    fn a_circle_turns_evenly_and_a_zigzag_does_not() {
        let circle = way((1..=40).map(|at| {
            let angle = f64::from(at) * std::f64::consts::PI / 40.0;
            #[expect(clippy::cast_possible_truncation, reason = "some hundreds")]
            let place = ((300.0 * angle.sin()).round() as i32, (300.0 - 300.0 * angle.cos()).round() as i32);
            place
        }));
        assert!(circle.turning().is_some_and(|varies| varies < 0.06), "{:?}", circle.turning());
        let zigzag = way((1..=40).map(|at| (at * 10, at % 2 * 10)));
        assert!(zigzag.turning().is_some_and(|varies| varies > 1.0), "{:?}", zigzag.turning());
        assert_eq!(way((1..=3).map(|at| (at * 10, 0))).turning(), None, "two turns");
    }
}
