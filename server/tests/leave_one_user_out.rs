//! The weights of the risk score are those that leaving one user out leads to, and raise people rarely.
//!
//! The file of recorded paths is not part of the repository. Without the environment variable `RECORDED_PATHS`, which
//! names it, the first test only says so; the second does not need the file. docs/PROOFS.md explains both.

#[path = "support/human_variants.rs"]
mod human_variants;
#[path = "support/selection.rs"]
mod selection;
#[path = "support/synthetic_paths.rs"]
mod synthetic_paths;

use std::{
    fs,
    io::{self, Write},
};

use selection::{Selection, User, users, worse_half};
use server::risk::{
    FEATURES, History, Measurements, PathMeasurements, Scatter, WEIGHTS, Weights,
    dataset::{RecordedInteraction, Sessions},
};

/// The users of the file and how many of their clicks are raised with the weights that were chosen without them.
const RAISED: [(&str, usize, usize); 5] =
    [("user12", 420, 2), ("user15", 360, 0), ("user16", 360, 1), ("user20", 420, 0), ("user21", 420, 1)];

/// How many clicks of the user are raised, in one session.
fn raised(user: &User, weights: Weights) -> usize {
    let mut session = Sessions::with_weights(weights);
    user.recorded.iter().filter(|path| session.judge(path).is_raised()).count()
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn users_left_out_are_raised_as_documented() {
    let Some(file) = std::env::var_os("RECORDED_PATHS") else {
        // Not `eprintln!`, which the test harness captures.
        let _ = writeln!(io::stderr(), "not checked: RECORDED_PATHS names no file of recorded paths");
        return;
    };
    let text = fs::read_to_string(file).expect("the file of RECORDED_PATHS");
    let users = users(text.lines().map(|line| RecordedInteraction::parse(line).expect("a recorded path")).collect());
    let mut selection = Selection::new(&users);
    let mut shares = Vec::new();
    for (at, user) in users.iter().enumerate() {
        let raised = raised(user, selection.choose(Some(at)).expect("weights that raise the synthetic paths"));
        assert_eq!((user.name.as_str(), user.recorded.len(), raised), RAISED[at]);
        shares.push(raised as f64 / user.recorded.len() as f64);
    }
    assert!(worse_half(shares) <= 0.01);
    assert_eq!(selection.choose(None), Some(WEIGHTS), "the weights in use are those chosen on all users");
    let in_use: Vec<_> = users.iter().map(|user| raised(user, WEIGHTS)).collect();
    assert_eq!(in_use, RAISED.map(|(_, _, raised)| raised));
}

/// Measurements of the recorded clicks that come nearest to a raise: steps, distance, unevenness, irregularity,
/// deviation, scatter (width, correlation) and turning. No paths.
const NEAREST: [(usize, [f64; 7]); 12] = [
    (12, [263.0, 0.075, 0.41, 15.87, 15.87, 0.80, 0.90]),
    (16, [544.6, 0.073, 0.56, 155.05, 155.05, 0.96, 1.12]),
    (8, [390.0, 0.259, 1.06, 4.72, 4.72, 0.76, 0.06]),
    (4, [102.0, 0.020, 0.12, 3.76, 3.76, 0.66, 0.07]),
    (6, [152.3, 0.422, 0.11, 3.72, 3.72, 0.32, 0.10]),
    (7, [338.0, 0.488, 0.82, 3.68, 3.68, 0.87, 0.02]),
    (31, [495.7, 0.091, 0.49, 27.40, 18.91, 0.87, 0.07]),
    (5, [110.0, 0.218, 0.98, 0.00, 0.00, 0.00, 0.00]),
    (6, [172.2, 0.422, 0.26, 3.78, 3.78, -0.51, 1.40]),
    (9, [211.3, 0.431, 0.54, 4.89, 4.89, 0.28, 0.42]),
    (8, [142.0, 0.470, 1.04, 3.02, 3.02, 0.66, 0.04]),
    (10, [140.0, 0.234, 0.96, 5.43, 5.43, 0.49, 0.25]),
];

#[test]
fn recorded_clicks_near_the_limit_are_not_raised() {
    for (steps, row) in NEAREST {
        let [distance, unevenness, irregularity, deviation, width, correlation, turning] = row;
        let path = PathMeasurements {
            steps,
            distance,
            unevenness,
            irregularity,
            deviation,
            scatter: Scatter { width, correlation },
            turning: Some(turning),
            pause: None,
            features: [0.0; FEATURES],
        };
        let measured = Measurements { path: Some(path), hold: Some(90), is_hit: true };
        let risk = WEIGHTS.judge(&measured, &History::default());
        assert!(!risk.is_raised(), "{steps} {row:?}: {risk:?}");
    }
}
