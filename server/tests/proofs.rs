//! Interaction proofs as risk: synthetic paths are raised; people pass with every kind of input device.

#[path = "support/synthetic_paths.rs"]
mod synthetic_paths;

use fastrand::Rng;
use protocol::proof::{Kind, Proof};
use server::risk::{
    Finding, History,
    dataset::{RecordedInteraction, Sessions},
};
use synthetic_paths::Rate;

const MANY: usize = 1000;

/// The number of raised paths of this kind, each in a new session.
fn raised(make: fn(&mut Rng, Rate) -> RecordedInteraction, rate: Rate) -> usize {
    let mut rng = Rng::with_seed(7);
    (0..MANY).filter(|_| Sessions::default().judge(&make(&mut rng, rate)).is_raised()).count()
}

#[test]
fn synthetic_paths_are_raised_at_any_rate() {
    for (kind, make) in synthetic_paths::RAISED {
        for rate in synthetic_paths::RATES {
            let raised = raised(*make, rate);
            assert!(raised * 100 >= MANY * 99, "{kind}: {raised} of {MANY}");
        }
    }
}

#[test]
fn mouse_of_browser_tests_passes() {
    let (_, hand) = synthetic_paths::MEASURED.last().expect("some kinds");
    let raised = raised(*hand, Rate::Any);
    assert!(raised * 100 <= MANY, "{raised} of {MANY}");
}

/// A path of a hand: slow, fast, slow, along a curve, with uneven sampling.
fn hand() -> RecordedInteraction {
    let path = [
        [400., 300., 0.],
        [398., 301., 24.],
        [389., 304., 40.],
        [358., 313., 57.],
        [300., 344., 73.],
        [236., 396., 106.],
        [195., 443., 123.],
        [178., 473., 139.],
        [172., 487., 189.],
        [170., 492., 205.],
        [169., 493., 288.],
    ];
    RecordedInteraction { user: None, path: path.to_vec(), hold_ms: 94.0 }
}

#[test]
fn copied_path_passes_once_per_session() {
    let mut session = Sessions::default();
    assert!(!session.judge(&hand()).is_raised());
    for (moved, slower) in [(0.0_f64, 1.0), (250.0, 1.0), (-100.0, 1.7)] {
        let mut copy = hand();
        copy.hold_ms += moved.abs() / 10.0;
        for [x, y, ms] in &mut copy.path {
            (*x, *y, *ms) = (*x + moved, *y + moved, (*ms * slower).round());
        }
        let risk = session.judge(&copy);
        assert!(risk.is_raised() && risk.findings.contains(&(Finding::Repeated, 100)), "{risk:?}");
    }
    assert!(!Sessions::default().judge(&hand()).is_raised(), "another session has not seen it");
}

#[test]
fn constant_hold_is_raised_despite_a_good_path() {
    let mut rng = Rng::with_seed(3);
    let (_, bezier) = synthetic_paths::CURVE;
    let mut session = Sessions::default();
    let mut found = 0;
    for _ in 0..40 {
        let path = RecordedInteraction { hold_ms: 80.0, ..bezier(&mut rng, Rate::Any) };
        found += usize::from(session.judge(&path).findings.contains(&(Finding::SameHold, 100)));
    }
    assert!(found >= 25, "{found}");
}

#[test]
fn changed_movement_does_not_lock_out() {
    let mut session = Sessions::default();
    let mut rng = Rng::with_seed(5);
    for _ in 0..20 {
        let mut usual = hand();
        usual.hold_ms = f64::from(rng.u8(70..130));
        for point in &mut usual.path[1..] {
            point[0] += f64::from(rng.u8(0..9));
        }
        session.judge(&usual);
    }
    let mut tired = hand();
    tired.hold_ms = 700.0;
    for point in &mut tired.path {
        point[2] *= 9.0;
    }
    let risk = session.judge(&tired);
    assert!(!risk.is_raised() && risk.findings.contains(&(Finding::Unlike, 40)), "{risk:?}");
}

#[test]
fn input_without_judged_path_always_passes() {
    for kind in [Kind::Keyboard, Kind::Touch, Kind::Pen] {
        let proof = Proof { kind, path: Vec::new(), ..hand().proof() };
        for _ in 0..20 {
            assert!(!server::risk::judge(&proof, &History::default()).is_raised());
            assert!(server::risk::sample(&proof).is_none());
        }
    }
}

#[test]
fn impossible_recording_is_rejected_with_a_message() {
    for (line, says) in [
        ("", "EOF"),
        ("{}", "missing field"),
        (r#"{"path":[],"hold_ms":1}"#, "no point"),
        (r#"{"path":[[1,2,3]],"hold_ms":-1}"#, "negative"),
        (r#"{"path":[[1,2,1e9]],"hold_ms":1}"#, "too large"),
        (r#"{"path":[[1,2,3],[1,2,2]],"hold_ms":1}"#, "back in time"),
        (r#"{"path":[[1,2,3]],"hold_ms":1,"more":1}"#, "unknown field"),
    ] {
        let error = RecordedInteraction::parse(line).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{line}: {error}");
    }
}
