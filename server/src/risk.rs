//! Risk scores for the page's interaction proofs: how much a proof looks automated, with findings that explain it.
//!
//! The score is a risk estimate, not proof. Script in the page can forge a proof that passes; the score catches simple
//! forgeries. A proof that scores [`RAISE`] or more is not rejected: the action then needs the confirmation window,
//! which script cannot use. So a user with unusual movements confirms once and continues.
//!
//! The weights ([`Weights`]) come from a comparison of people's paths with synthetic ones. In doubt the user is not raised:
//! a path that says little, because it is short or has few points, cannot be raised by one finding about its shape.
//!
//! | finding | people | automation |
//! |---|---|---|
//! | [`Finding::Teleport`] | move to the control | appears on the control |
//! | [`Finding::Even`] | accelerate and slow down | moves at a constant speed |
//! | [`Finding::Straight`] | curve | moves along a straight line, or nearly |
//! | [`Finding::Scattered`] | bend to one side, then to the other | adds independent noise to a straight line |
//! | [`Finding::Smooth`] | turn unevenly | turns as a formula computes |
//! | [`Finding::Regular`] | are sampled at irregular intervals | has samples at exact intervals |
//! | [`Finding::NoHold`] | hold the button for a while | presses and releases at the same time |
//! | [`Finding::Missed`] | hit the control | may click elsewhere |
//! | [`Finding::Repeated`] | never repeat a path exactly | replays a recorded path |
//! | [`Finding::SameHold`] | vary the hold time | always holds for the same time |
//! | [`Finding::Unlike`] | resemble their earlier interactions | differs from the user's earlier interactions |
//!
//! Pauses are measured ([`measure`]) but not scored: an eased synthetic path pauses between two pixels as people do.
//!
//! The last three findings use the session's [`History`]: fingerprints and running statistics, no paths. docs/PROOFS.md
//! has the detection rates and the limits.
//!
//! Keyboard, touch, pen and assistive technology are not judged by a path.

use protocol::proof::Proof;

pub mod dataset;
mod geometry;
mod history;
mod measurements;
mod pointer_path;
mod weights;

pub use history::{FEATURES, Fingerprint, History, MAX_FINGERPRINTS, Running, Sample};
use measurements::has_path;
pub use measurements::{Measurements, PathMeasurements, Scatter, measure};
use pointer_path::{HOLD, PointerPath};
pub use weights::{WEIGHTS, Weights};

/// From this score on, the required level is raised to Confirmed.
pub const RAISE: u32 = 85;

/// Minimum number of interactions before the session's statistics are used.
const MIN_HISTORY: u32 = 8;

/// A finding that adds to the score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// There is no path to the control.
    Teleport,
    /// The pace is constant, by time or by step.
    Even,
    /// The path is a straight line.
    Straight,
    /// The points scatter about a straight line independently, like noise.
    Scattered,
    /// The path turns too evenly.
    Smooth,
    /// The intervals between the points are equal.
    Regular,
    /// The button was released at the time of the press.
    NoHold,
    /// The press is not on the control.
    Missed,
    /// The session has sent the same path before.
    Repeated,
    /// Every press of this session has the same hold time.
    SameHold,
    /// Pace, hold or directness differ much from the session's earlier interactions.
    Unlike,
}

/// A risk score with its findings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Risk {
    /// The findings with their points.
    pub findings: Vec<(Finding, u32)>,
}

impl Risk {
    /// The sum of all points.
    pub fn score(&self) -> u32 {
        self.findings.iter().map(|(_, points)| points).sum()
    }

    /// Whether the user must confirm the action.
    pub fn is_raised(&self) -> bool {
        self.score() >= RAISE
    }

    /// Adds a finding with `full` points times `share` (0 to 1).
    fn add(&mut self, finding: Finding, full: f64, share: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100
        let points = (full * share).round().clamp(0.0, 100.0) as u32;
        if points > 0 {
            self.findings.push((finding, points));
        }
    }
}

/// The sample that a session stores of a proof. `None` for keyboard, touch, pen and assistive technology.
pub fn sample(proof: &Proof) -> Option<Sample> {
    if !has_path(proof.kind) {
        return None;
    }
    let path = PointerPath::of(&proof.path);
    Some(Sample { fingerprint: path.fingerprint(), features: path.features(proof.hold) })
}

/// Judges a proof that the page recorded, by itself and by the session's history.
pub fn judge(proof: &Proof, history: &History) -> Risk {
    WEIGHTS.judge(&measure(proof), history)
}

impl Weights {
    /// Judges a proof by its measurements and the session's history.
    pub fn judge(&self, measured: &Measurements, history: &History) -> Risk {
        let mut risk = Risk::default();
        if let Some(path) = &measured.path {
            self.judge_path(path, &mut risk);
            judge_history(&path.features, history, &mut risk);
        }
        if let Some(hold) = measured.hold {
            risk.add(Finding::NoHold, 30.0, falling(f64::from(hold), [2.0, 20.0]));
            if !measured.is_hit {
                risk.add(Finding::Missed, 100.0, 1.0);
            }
        }
        risk
    }
}

fn judge_history(features: &[f64; FEATURES], History { repeated, running }: &History, risk: &mut Risk) {
    if *repeated {
        risk.add(Finding::Repeated, 100.0, 1.0);
    }
    if running.count < MIN_HISTORY {
        return;
    }
    let hold = features[HOLD];
    let varies = running.deviation(HOLD) + (hold - running.mean[HOLD]).abs();
    risk.add(Finding::SameHold, 100.0, falling(varies, [0.002, 0.01]));
    let off = (0..FEATURES).map(|at| (features[at] - running.mean[at]).abs() / running.deviation(at).max(0.25));
    // Below `RAISE` by itself: people change hands, mice and moods.
    risk.add(Finding::Unlike, 40.0, 1.0 - falling(off.sum::<f64>(), [6.0, 14.0]));
}

/// 1 at `full` and below, 0 at `none` and above, linear between.
fn falling(value: f64, [full, none]: [f64; 2]) -> f64 {
    ((none - value) / (none - full)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use protocol::proof::{Kind, Recorder};

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

    /// A person's path: slow, fast, slow, along a curve, with uneven sampling.
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
    fn even_loop_is_raised() {
        // It ends where it began.
        let circle = (0..60).map(|at| {
            let angle = f64::from(at) * std::f64::consts::TAU / 60.0;
            #[allow(clippy::cast_possible_truncation)]
            let step = [(12.0 * angle.cos()).round() as i32, (12.0 * angle.sin()).round() as i32];
            [step[0], step[1], 16]
        });
        let risk = judge(&proof(Kind::Pointer, std::iter::once([10, 10, 0]).chain(circle).collect()));
        assert!(risk.is_raised() && findings(&risk).contains(&Finding::Even), "{risk:?}");
    }

    #[test]
    fn short_path_is_not_raised_by_one_finding() {
        // Slow, fast, slow on one line, at exact intervals.
        let line = |steps: &[i32]| {
            std::iter::once([10, 10, 0]).chain(steps.iter().map(|step| [*step, 0, 16])).collect::<Vec<_>>()
        };
        for steps in [&[1, 3, 9, 18, 22, 9, 3, 1][..], &[9, 60, 100, 60, 9]] {
            let risk = judge(&proof(Kind::Pointer, line(steps)));
            assert!(!risk.is_raised() && findings(&risk).contains(&Finding::Straight), "{risk:?}");
        }
        let longer = judge(&proof(Kind::Pointer, line(&[2, 6, 18, 36, 44, 18, 6, 2])));
        let even = judge(&proof(Kind::Pointer, line(&[40; 5])));
        assert!(longer.is_raised() && even.is_raised(), "{longer:?} {even:?}");
    }

    #[test]
    fn weak_findings_together_are_not_raised() {
        // A bow of 1 or 2 px in 400 px, slow at both ends, at exact intervals.
        let along = [1, 2, 5, 12, 22, 38, 55, 65, 65, 55, 38, 22, 12, 5, 2, 1];
        let bow = [0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, -1, 0, -1, 0, 0];
        let aside = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for across in [bow, aside] {
            let steps = along.into_iter().zip(across).map(|(x, y)| [x, y, 16]);
            let risk = judge(&proof(Kind::Pointer, std::iter::once([10, 10, 0]).chain(steps).collect()));
            assert!(!risk.is_raised() && findings(&risk) == [Finding::Straight, Finding::Regular], "{risk:?}");
        }
    }

    #[test]
    fn tremor_at_rest_is_not_raised() {
        let tremor = [[3, 1, 12], [-2, 2, 13], [-3, -2, 12], [2, -1, 13]].into_iter().cycle().take(90);
        let risk = judge(&proof(Kind::Pointer, std::iter::once([400, 300, 0]).chain(tremor).collect()));
        assert!(!risk.is_raised() && findings(&risk).contains(&Finding::Even), "{risk:?}");
    }

    #[test]
    fn one_step_is_raised_only_from_afar() {
        for (step, is_raised) in [(8, false), (49, false), (51, true)] {
            let risk = judge(&proof(Kind::Pointer, vec![[400, 300, 0], [step, 0, 16]]));
            assert_eq!(risk.is_raised(), is_raised, "{step} px: {risk:?}");
        }
    }

    #[test]
    fn pen_that_does_not_hover_passes() {
        let tap_after_tap = vec![[400, 300, 0], [-350, -280, 900]];
        assert!(judge(&proof(Kind::Pointer, tap_after_tap.clone())).is_raised(), "positive control");
        for path in [tap_after_tap, vec![]] {
            assert!(!judge(&proof(Kind::Pen, path.clone())).is_raised());
            assert!(sample(&proof(Kind::Pen, path)).is_none());
        }
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
