//! Fills paths that were recorded every 100 ms or so with interpolated points, as a browser would have recorded them.

use fastrand::Rng;
use server::risk::dataset::RecordedInteraction;

/// The path with a point every 7 to 17 ms, interpolated by a cubic curve (Catmull-Rom), without points that move less
/// than a pixel. The curve is smoother than people's paths, so it is the harder case for findings about smoothness.
pub(crate) fn filled(recorded: &RecordedInteraction, rng: &mut Rng) -> RecordedInteraction {
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
            let point = [between(&known, at, time, 0), between(&known, at, time, 1), time].map(f64::round);
            if path.last().is_none_or(|last| last[..2] != point[..2]) {
                path.push(point);
            }
            time += 7.0 + 10.0 * rng.f64();
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
