//! Recorded paths as the same people would have made them with another device: calculated, not recorded.

use std::f64::consts::TAU;

use fastrand::Rng;
use server::risk::dataset::RecordedInteraction;

/// A name, and how a recorded path is changed.
pub(crate) type Variant = (&'static str, fn(&RecordedInteraction, &mut Rng) -> RecordedInteraction);

/// The variants. The weights are chosen on the first four.
pub(crate) const VARIANTS: [Variant; 10] = [
    ("as recorded", |recorded, _| recorded.clone()),
    ("filled in to a browser's rate", filled),
    ("page zoomed to 200 %", |recorded, _| zoomed(recorded, 2.0)),
    ("every third point only", |recorded, _| every_third(recorded)),
    ("browser's rate, page zoomed to 200 %", |recorded, rng| zoomed(&filled(recorded, rng), 2.0)),
    ("browser's rate, page zoomed to 50 %", |recorded, rng| zoomed(&filled(recorded, rng), 0.5)),
    ("browser's rate, exact intervals of 10 ms", |recorded, _| interpolated(recorded, || 10.0, |_| [0.0; 2])),
    ("browser's rate, tremor of 2 px at 8 Hz", |recorded, rng| trembling(recorded, rng, 2.0, 8.0)),
    ("browser's rate, tremor of 5 px at 5 Hz", |recorded, rng| trembling(recorded, rng, 5.0, 5.0)),
    ("a point every 300 ms", |recorded, _| delayed(recorded)),
];

/// The path with a point every 7 to 17 ms.
fn filled(recorded: &RecordedInteraction, rng: &mut Rng) -> RecordedInteraction {
    interpolated(recorded, || 7.0 + 10.0 * rng.f64(), |_| [0.0; 2])
}

/// As [`filled`], with an oscillation of this amplitude (px) and frequency (Hz).
fn trembling(recorded: &RecordedInteraction, rng: &mut Rng, amplitude: f64, frequency: f64) -> RecordedInteraction {
    let phases = [TAU * rng.f64(), TAU * rng.f64()];
    let tremor = |ms: f64| phases.map(|phase| amplitude * (TAU * frequency * ms / 1000.0 + phase).sin());
    interpolated(recorded, || 7.0 + 10.0 * rng.f64(), tremor)
}

/// The path in a page that is zoomed: its CSS pixels are larger or smaller.
fn zoomed(recorded: &RecordedInteraction, zoom: f64) -> RecordedInteraction {
    let path = recorded.path.iter().map(|[x, y, ms]| [(x / zoom).round(), (y / zoom).round(), *ms]).collect();
    RecordedInteraction { path, ..recorded.clone() }
}

/// Every third point, counted from the press.
fn every_third(recorded: &RecordedInteraction) -> RecordedInteraction {
    let mut path: Vec<_> = recorded.path.iter().rev().step_by(3).copied().collect();
    path.reverse();
    RecordedInteraction { path, ..recorded.clone() }
}

/// The first point of each 300 ms, and the press.
fn delayed(recorded: &RecordedInteraction) -> RecordedInteraction {
    let mut path = recorded.path.clone();
    path.dedup_by_key(|point| (point[2] / 300.0).floor().to_bits());
    path.extend(recorded.path.last().filter(|press| path.last() != Some(press)).copied());
    RecordedInteraction { path, ..recorded.clone() }
}

/// The path with a point after each interval, interpolated by a cubic curve (Catmull-Rom), without points that move
/// less than a pixel. The curve is smoother than people's paths, so it is the harder case for findings about smoothness.
fn interpolated(
    recorded: &RecordedInteraction,
    mut interval: impl FnMut() -> f64,
    offset: impl Fn(f64) -> [f64; 2],
) -> RecordedInteraction {
    let mut known: Vec<[f64; 3]> = Vec::new();
    for point in &recorded.path {
        if known.last().is_none_or(|last| point[2] > last[2]) {
            known.push(*point);
        }
    }
    let mut path: Vec<[f64; 3]> = Vec::new();
    let mut time = known[0][2];
    for at in 0..known.len() - 1 {
        while time < known[at + 1][2] {
            let [x, y] = offset(time);
            let point = [between(&known, at, time, 0) + x, between(&known, at, time, 1) + y, time].map(f64::round);
            if path.last().is_none_or(|last| last[..2] != point[..2]) {
                path.push(point);
            }
            time += interval();
        }
    }
    path.extend(recorded.path.last());
    RecordedInteraction { path, ..recorded.clone() }
}

/// The interpolated position between the point with this index and the next.
fn between(known: &[[f64; 3]], at: usize, time: f64, axis: usize) -> f64 {
    let (from, to) = (known[at], known[at + 1]);
    let span = to[2] - from[2];
    let speed = |at: usize| {
        let (before, after) = (known[at.saturating_sub(1)], known[(at + 1).min(known.len() - 1)]);
        (after[axis] - before[axis]) / (after[2] - before[2])
    };
    // A pointer at rest must not overshoot.
    let (out, into) = if from[..2] == to[..2] { (0.0, 0.0) } else { (speed(at) * span, speed(at + 1) * span) };
    let t = (time - from[2]) / span;
    let (t2, t3) = (t * t, t * t * t);
    (2.0 * t3 - 3.0 * t2 + 1.0) * from[axis]
        + (t3 - 2.0 * t2 + t) * out
        + (3.0 * t2 - 2.0 * t3) * to[axis]
        + (t3 - t2) * into
}
