//! How much an interaction proof by the page looks like a machine's work: an explainable score.
//!
//! It is risk and not proof. Script in the page can forge a proof that passes; what it catches is the cheap ways. A proof
//! that scores [`RAISE`] or more is not rejected: the action then needs the confirmation window, which script cannot
//! use. So a user who moves unusually sees the window once and goes on.
//!
//! The weights were chosen by measuring real people's paths against machine-made ones. What tells them apart:
//!
//! | finding | people | machines |
//! |---|---|---|
//! | [`Finding::Teleport`] | come from somewhere | appear on the button |
//! | [`Finding::Even`] | speed up and slow down | cover the way at an even pace |
//! | [`Finding::Straight`] | curve | go along a ruler, or nearly |
//! | [`Finding::Scattered`] | bend to one side, then to another | jump about a ruler, each point by itself |
//! | [`Finding::Smooth`] | turn now more, now less | turn as a formula says |
//! | [`Finding::Regular`] | are sampled as the system has time | take a point every so many ms exactly |
//! | [`Finding::NoHold`] | hold the button for a while | press and release in the same moment |
//! | [`Finding::Missed`] | hit what they click | need not |
//! | [`Finding::Repeated`] | never move twice alike | play a recorded way again |
//! | [`Finding::SameHold`] | hold now longer, now shorter | hold for the same time, again and again |
//! | [`Finding::Unlike`] | are much as they were before | were somebody else until now |
//!
//! Pauses are measured ([`measure`]) and not scored: an eased machine waits as long between two pixels as people do.
//!
//! The last three come from what the session showed before ([`History`]): fingerprints and running statistics, no paths.
//! What each finds was measured, and what is left over: docs/PROOFS.md.
//!
//! Keyboard, touch and assistive technology have no path and are not judged by one.

use protocol::proof::{Kind, Proof};

pub mod dataset;
mod geometry;
mod history;
mod pointer_path;

use geometry::Scatter;
pub use history::{FEATURES, Fingerprint, History, MAX_FINGERPRINTS, Running, Sample};
use pointer_path::{HOLD, PointerPath};

/// From this score on, the level asked is raised to Confirmed.
pub const RAISE: u32 = 85;

/// Shorter ways are not judged by their shape: px.
const SHORT: f64 = 50.0;

/// Shorter ways are not asked for noise: a hand's tremor and whole pixels are as large as its bend there. px.
const LONG: f64 = 100.0;

/// After how many interactions a session has shown how it is.
const ENOUGH: u32 = 8;

/// What counted towards the score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// There is no way to the control.
    Teleport,
    /// The way was covered at an even pace, by time or by step.
    Even,
    /// The way is a straight line.
    Straight,
    /// The points lie about a straight line, each off by itself, as noise does and no hand.
    Scattered,
    /// The way turns too evenly.
    Smooth,
    /// The points are equally far apart in time.
    Regular,
    /// Down and up are one moment.
    NoHold,
    /// The point hit is not on the control.
    Missed,
    /// The same way, step for step, was gone before in this session.
    Repeated,
    /// Every press of this session was held for the same time.
    SameHold,
    /// Pace, hold or directness are far from what this session showed before.
    Unlike,
}

/// A score and what it is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Risk {
    /// The findings that count, with their points.
    pub findings: Vec<(Finding, u32)>,
}

impl Risk {
    /// The sum of all points.
    pub fn score(&self) -> u32 {
        self.findings.iter().map(|(_, points)| points).sum()
    }

    /// Whether a person must confirm.
    pub fn is_raised(&self) -> bool {
        self.score() >= RAISE
    }

    /// Adds up to `full` points, by how much it is so (0 to 1).
    fn add(&mut self, finding: Finding, full: f64, share: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100
        let points = (full * share).round().clamp(0.0, 100.0) as u32;
        if points > 0 {
            self.findings.push((finding, points));
        }
    }
}

/// What is to be remembered of a proof; nothing of a keyboard, a finger or assistive technology.
pub fn sample(proof: &Proof) -> Option<Sample> {
    if !has_way(proof) {
        return None;
    }
    let way = PointerPath::of(&proof.path);
    Some(Sample { fingerprint: way.fingerprint(), features: way.features(proof.hold) })
}

/// Judges a proof that the page recorded, by itself and by what its session showed before.
pub fn judge(proof: &Proof, history: &History) -> Risk {
    let mut risk = Risk::default();
    if has_way(proof) {
        let way = PointerPath::of(&proof.path);
        judge_way(&way, &mut risk);
        judge_history(&way.features(proof.hold), history, &mut risk);
    }
    if has_way(proof) || proof.kind == Kind::Touch {
        risk.add(Finding::NoHold, 30.0, falling(f64::from(proof.hold), 2.0, 20.0));
        if !is_hit(proof) {
            risk.add(Finding::Missed, 100.0, 1.0);
        }
    }
    risk
}

/// What is measured of a way and carries little weight or none: docs/PROOFS.md shows why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Instrumented {
    /// How much its turns vary: the standard deviation, in radians.
    pub turning: Option<f64>,
    /// The longest wait between two points, in waits of middling length.
    pub pause: Option<f64>,
}

/// Measures the way of a proof. Of one with too few points nothing can be said.
pub fn measure(proof: &Proof) -> Instrumented {
    let way = PointerPath::of(&proof.path);
    Instrumented { turning: way.turning(), pause: way.pause() }
}

fn has_way(proof: &Proof) -> bool {
    matches!(proof.kind, Kind::Pointer | Kind::Pen)
}

fn judge_history(features: &[f64; FEATURES], History { repeated, running }: &History, risk: &mut Risk) {
    if *repeated {
        risk.add(Finding::Repeated, 100.0, 1.0);
    }
    if running.count < ENOUGH {
        return;
    }
    let hold = features[HOLD];
    let varies = running.deviation(HOLD) + (hold - running.mean[HOLD]).abs();
    risk.add(Finding::SameHold, 100.0, falling(varies, 0.002, 0.01));
    let off = (0..FEATURES).map(|at| (features[at] - running.mean[at]).abs() / running.deviation(at).max(0.25));
    // Never enough by itself: people change hands, mice and moods.
    risk.add(Finding::Unlike, 40.0, 1.0 - falling(off.sum::<f64>(), 6.0, 14.0));
}

fn judge_way(way: &PointerPath, risk: &mut Risk) {
    if way.steps.len() <= 1 {
        return risk.add(Finding::Teleport, 100.0, 1.0);
    }
    // Two or three steps, or a few pixels, can be even by chance.
    let full = if way.steps.len() >= 4 && way.length >= SHORT { 100.0 } else { 60.0 };
    risk.add(Finding::Even, full, falling(way.unevenness(), 0.05, 0.14));
    if way.length >= SHORT {
        judge_shape(way, risk);
    }
    if way.steps.len() >= 5 {
        // Little alone: a browser's own frames are regular too.
        risk.add(Finding::Regular, 30.0, falling(way.irregularity(), 0.01, 0.05));
    }
}

fn judge_shape(way: &PointerPath, risk: &mut Risk) {
    let steps = way.steps.len();
    if steps >= 3 {
        let off = way.deviation();
        let ruler = 100.0 * falling(off, 1.0, 2.0);
        let straight = ruler.max(60.0 * falling(off / way.length, 0.005, 0.04));
        // Little alone. A straight line turns evenly too, so only the one or the other counts.
        let smooth = way.turning().map_or(0.0, |varies| 30.0 * falling(varies, 0.06, 0.15));
        let finding = if smooth > straight { Finding::Smooth } else { Finding::Straight };
        risk.add(finding, smooth.max(straight), 1.0);
    }
    if steps >= 6 && way.length >= LONG {
        let Scatter { width, correlation } = way.scatter();
        #[expect(clippy::cast_precision_loss, reason = "at most 100 steps")]
        let error = 1.0 / (steps as f64 - 1.0).sqrt();
        // A few points of a person's can look scattered by chance.
        let full = if steps >= 10 { 100.0 } else { 45.0 };
        let noise = falling(correlation, 2.0 * error, 3.0 * error);
        risk.add(Finding::Scattered, full * falling(width, 5.0, 9.0), noise);
    }
}

/// Whether the point hit lies on the control, give or take a pixel of rounding.
fn is_hit(proof: &Proof) -> bool {
    let [x, y, width, height] = proof.target.map(i64::from);
    let [hit_x, hit_y] = proof.hit.map(i64::from);
    (x - 1..=x + width + 1).contains(&hit_x) && (y - 1..=y + height + 1).contains(&hit_y)
}

/// 1 at `full` and below, 0 at `none` and above, falling evenly between.
fn falling(value: f64, full: f64, none: f64) -> f64 {
    ((none - value) / (none - full)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use protocol::proof::Recorder;

    use super::{judge as judge_with, *};

    fn judge(proof: &Proof) -> Risk {
        judge_with(proof, &History::default())
    }

    fn proof(kind: Kind, path: Vec<[i32; 3]>) -> Proof {
        Proof {
            v: 1,
            by: Recorder::App,
            action: "title".into(),
            kind,
            at: 0,
            hold: 90,
            path,
            target: [0, 0, 100, 40],
            hit: [50, 20],
            dwell: None,
        }
    }

    fn findings(risk: &Risk) -> Vec<Finding> {
        risk.findings.iter().map(|(finding, _)| *finding).collect()
    }

    /// A hand: slow, fast, slow, along a curve, with uneven sampling.
    fn hand() -> Vec<[i32; 3]> {
        vec![
            [400, 300, 0],
            [-2, 1, 24],
            [-9, 3, 16],
            [-31, 9, 17],
            [-58, 31, 16],
            [-64, 52, 33],
            [-41, 47, 17],
            [-17, 30, 16],
            [-6, 14, 50],
            [-2, 5, 16],
            [-1, 1, 83],
        ]
    }

    #[test]
    fn a_hand_passes() {
        let risk = judge(&proof(Kind::Pointer, hand()));
        assert!(!risk.is_raised(), "{risk:?}");
    }

    #[test]
    fn no_way_at_all_is_raised() {
        for path in [vec![], vec![[50, 20, 0]], vec![[400, 300, 0], [-350, -280, 90]], vec![[5, 5, 0], [0, 0, 9]]] {
            let risk = judge(&proof(Kind::Pointer, path));
            assert!(risk.is_raised() && findings(&risk).contains(&Finding::Teleport), "{risk:?}");
        }
    }

    #[test]
    fn a_ruler_is_raised_however_it_speeds() {
        let speeds = [[1, 2, 4, 8, 13, 17, 13, 8, 4, 2, 1], [9; 11]];
        for speed in speeds {
            let path = std::iter::once([10, 10, 0]).chain(speed.map(|v| [5 * v, 3 * v, 16])).collect();
            let risk = judge(&proof(Kind::Pointer, path));
            assert!(risk.is_raised() && findings(&risk).contains(&Finding::Straight), "{risk:?}");
        }
    }

    #[test]
    fn an_even_pace_is_raised_even_on_a_curve() {
        // A quarter of a circle, 20 px each 16 ms.
        let path = (0..24).map(|at| {
            let angle = f64::from(at) * std::f64::consts::FRAC_PI_2 / 24.0;
            #[allow(clippy::cast_possible_truncation)]
            let step = [(20.0 * angle.cos()).round() as i32, (20.0 * angle.sin()).round() as i32];
            [step[0], step[1], 16]
        });
        let risk = judge(&proof(Kind::Pointer, std::iter::once([10, 10, 0]).chain(path).collect()));
        assert!(risk.is_raised() && findings(&risk).contains(&Finding::Even), "{risk:?}");
    }

    #[test]
    fn missing_the_control_is_raised() {
        let risk = judge(&Proof { hit: [500, 20], ..proof(Kind::Pointer, hand()) });
        assert!(risk.is_raised() && findings(&risk).contains(&Finding::Missed), "{risk:?}");
    }

    #[test]
    fn keyboard_touch_and_assistive_technology_pass() {
        for kind in [Kind::Keyboard, Kind::Touch] {
            assert!(!judge(&proof(kind, vec![])).is_raised());
        }
        assert!(!judge(&Proof { hold: 0, hit: [50, 20], ..proof(Kind::Keyboard, vec![]) }).is_raised());
    }

    #[test]
    fn any_path_can_be_judged() {
        for path in [vec![[i32::MIN; 3]; 100], vec![[i32::MAX; 3]; 100], vec![[0; 3]; 100], vec![[1, 1, 0]; 100]] {
            let extreme = Proof { target: [i32::MIN, i32::MAX, i32::MAX, 0], ..proof(Kind::Pointer, path) };
            assert!(judge(&extreme).is_raised());
        }
    }
}
