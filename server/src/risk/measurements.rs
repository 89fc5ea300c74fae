//! What the server measures of a proof, before any weight.

use protocol::proof::{Kind, Proof};

use super::{FEATURES, pointer_path::PointerPath};

/// The measurements of a proof.
#[derive(Clone, PartialEq, Debug)]
pub struct Measurements {
    /// The path. `None` for keyboard, touch, pen and assistive technology.
    pub path: Option<PathMeasurements>,
    /// The time between press and release in ms. `None` for keyboard and assistive technology.
    pub hold: Option<u32>,
    /// Whether the press is on the control.
    pub is_hit: bool,
}

/// The measurements of a path without its standstills.
#[derive(Clone, PartialEq, Debug)]
pub struct PathMeasurements {
    /// Number of steps.
    pub steps: usize,
    /// The largest distance from the first point: px. Unlike the length, it does not grow with a tremor.
    pub distance: f64,
    /// The largest deviation from uniform progress, as a share of the path (0 to 1).
    pub unevenness: f64,
    /// The coefficient of variation of the intervals between the points.
    pub irregularity: f64,
    /// The largest distance from the chord between the ends: px.
    pub deviation: f64,
    /// The scatter about a straight line.
    pub scatter: Scatter,
    /// The standard deviation of the turns, in radians. `None` with too few of them.
    pub turning: Option<f64>,
    /// The longest interval between two points, relative to the median interval. Has no weight: docs/PROOFS.md explains
    /// why.
    pub pause: Option<f64>,
    /// The features that the session's statistics keep.
    pub features: [f64; FEATURES],
}

/// The scatter of a path about a straight line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scatter {
    /// The largest distance from the line: px.
    pub width: f64,
    /// The lag-1 autocorrelation of the points' distances. A bend is near 1; independent noise is near 0, within
    /// `1 / sqrt(points)`.
    pub correlation: f64,
}

/// Measures a proof.
pub fn measure(proof: &Proof) -> Measurements {
    Measurements {
        path: has_path(proof.kind).then(|| PathMeasurements::of(&PointerPath::of(&proof.path), proof.hold)),
        hold: matches!(proof.kind, Kind::Pointer | Kind::Touch | Kind::Pen).then_some(proof.hold),
        is_hit: is_hit(proof),
    }
}

/// Whether a path of this kind of input is judged.
///
/// A pen's is not. Many pens do not hover: their path jumps from tap to tap, as a teleport does.
pub(super) fn has_path(kind: Kind) -> bool {
    kind == Kind::Pointer
}

impl PathMeasurements {
    fn of(path: &PointerPath, hold: u32) -> Self {
        Self {
            steps: path.steps.len(),
            distance: path.distance(),
            unevenness: path.unevenness(),
            irregularity: path.irregularity(),
            deviation: path.deviation(),
            scatter: path.scatter(),
            turning: path.turning(),
            pause: path.pause(),
            features: path.features(hold),
        }
    }
}

/// Whether the press is on the control, with a tolerance of one pixel for rounding.
fn is_hit(proof: &Proof) -> bool {
    let [x, y, width, height] = proof.target.map(i64::from);
    let [hit_x, hit_y] = proof.hit.map(i64::from);
    (x - 1..=x + width + 1).contains(&hit_x) && (y - 1..=y + height + 1).contains(&hit_y)
}
