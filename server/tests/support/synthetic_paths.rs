//! Synthetic pointer paths from a seed, for the table in docs/PROOFS.md.

use fastrand::Rng;
use server::risk::dataset::RecordedInteraction;

/// The name of a kind of path, and its generator.
pub(crate) type Kind = (&'static str, fn(&mut Rng, Rate) -> RecordedInteraction);

/// The sampling rate of a path.
#[derive(Clone, Copy)]
pub(crate) enum Rate {
    /// Irregular.
    Any,
    /// One point every so many ms: a browser records one every 8 to 16 ms, a remote desktop one every 100 ms.
    Every(f64),
}

/// The tested sampling rates.
pub(crate) const RATES: [Rate; 3] = [Rate::Any, Rate::Every(12.0), Rate::Every(100.0)];

/// Kinds whose risk must be raised.
pub(crate) const RAISED: &[Kind] = &[
    ("straight line, constant speed", |rng, rate| straight(rng, rate, |t| t, 0.0)),
    ("straight line, eased speed", |rng, rate| straight(rng, rate, eased, 0.0)),
    ("curve, constant speed", |rng, rate| bezier(rng, rate, |t| t, 0.0)),
    ("teleport", teleport),
    ("Playwright mouse.move with steps", playwright),
    ("straight line, constant speed, jitter 1 px", |rng, rate| straight(rng, rate, |t| t, 1.0)),
    ("straight line, constant speed, jitter 3 px", |rng, rate| straight(rng, rate, |t| t, 3.0)),
    ("straight line, constant speed, jitter 5 px", |rng, rate| straight(rng, rate, |t| t, 5.0)),
    ("straight line, eased speed, jitter 1 px", |rng, rate| straight(rng, rate, eased, 1.0)),
    ("straight line, eased speed, jitter 3 px", |rng, rate| straight(rng, rate, eased, 3.0)),
];

/// Kinds that are only measured: the residual risk.
pub(crate) const MEASURED: &[Kind] = &[
    ("straight line, eased speed, jitter 5 px", |rng, rate| straight(rng, rate, eased, 5.0)),
    ("straight line, eased speed, jitter 3 px, uneven intervals", |rng, rate| {
        let moved = straight(rng, rate, eased, 3.0);
        uneven(rng, moved)
    }),
    CURVE,
    ("cubic Bézier, eased speed, jitter 2 px", |rng, rate| bezier(rng, rate, eased, 2.0)),
    ("cubic Bézier, eased speed, press and release at once", |rng, rate| RecordedInteraction {
        hold_ms: 0.0,
        ..bezier(rng, rate, eased, 0.0)
    }),
    ("the mouse of this project's browser tests (end2end/support/input-device.ts)", |rng, _| hand(rng)),
];

/// The best of the simple kinds.
pub(crate) const CURVE: Kind = ("cubic Bézier, eased speed", |rng, rate| bezier(rng, rate, eased, 0.0));

/// Where a machine goes, how many points it sets and how long it takes.
pub(crate) struct Plan {
    pub(crate) from: [f64; 2],
    pub(crate) to: [f64; 2],
    pub(crate) points: usize,
    pub(crate) duration: f64,
    pub(crate) hold: f64,
}

/// From here to there. A machine goes somewhere: at least 100 px.
pub(crate) fn journey(rng: &mut Rng) -> ([f64; 2], [f64; 2]) {
    let place = |rng: &mut Rng| [between(rng, 20.0, 1200.0), between(rng, 20.0, 700.0)];
    let from = place(rng);
    loop {
        let to = place(rng);
        if (to[0] - from[0]).hypot(to[1] - from[1]) > 100.0 {
            return (from, to);
        }
    }
}

pub(crate) fn plan(rng: &mut Rng, rate: Rate) -> Plan {
    let (from, to) = journey(rng);
    let hold = if rng.bool() { between(rng, 60.0, 140.0) } else { 50.0 };
    let duration = between(rng, 150.0, 2000.0);
    match rate {
        Rate::Any => Plan { from, to, points: rng.usize(6..80), duration, hold },
        Rate::Every(ms) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "6 to 250")]
            let points = (duration / ms).max(6.0) as usize;
            #[expect(clippy::cast_precision_loss, reason = "6 to 250")]
            let duration = points as f64 * ms;
            Plan { from, to, points, duration, hold }
        }
    }
}

pub(crate) fn between(rng: &mut Rng, least: f64, most: f64) -> f64 {
    least + rng.f64() * (most - least)
}

/// Minimum jerk: how far a hand is after a part of its time.
pub(crate) fn eased(t: f64) -> f64 {
    t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
}

/// A path of these places, one after another at an even rate.
pub(crate) fn recorded(plan: &Plan, places: impl Iterator<Item = [f64; 2]>) -> RecordedInteraction {
    #[expect(clippy::cast_precision_loss, reason = "at most 250 points")]
    let step = plan.duration / plan.points as f64;
    let path = places.enumerate().map(|(at, [x, y])| {
        #[expect(clippy::cast_precision_loss, reason = "at most 250 points")]
        let time = at as f64 * step;
        [x.round(), y.round(), time.round()]
    });
    RecordedInteraction { user: None, path: path.collect(), hold_ms: plan.hold.round() }
}

pub(crate) fn parts(points: usize) -> impl Iterator<Item = f64> {
    #[expect(clippy::cast_precision_loss, reason = "at most 250 points")]
    (0..=points).map(move |at| at as f64 / points as f64)
}

fn straight(rng: &mut Rng, rate: Rate, pace: fn(f64) -> f64, jitter: f64) -> RecordedInteraction {
    let plan = plan(rng, rate);
    let mut noise = rng.fork();
    let Plan { from, to, points, .. } = plan;
    let places = parts(points).map(|t| {
        std::array::from_fn(|at| {
            // Both ends stay exact.
            let off = if t > 0.0 && t < 1.0 { between(&mut noise, -jitter, jitter) } else { 0.0 };
            from[at] + (to[at] - from[at]) * pace(t) + off
        })
    });
    recorded(&plan, places)
}

fn bezier(rng: &mut Rng, rate: Rate, pace: fn(f64) -> f64, jitter: f64) -> RecordedInteraction {
    let plan = plan(rng, rate);
    let mut noise = rng.fork();
    let Plan { from, to, points, .. } = plan;
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let mut control = |share: f64| {
        let bend = between(rng, -0.3, 0.3);
        [from[0] + share * dx - bend * dy, from[1] + share * dy + bend * dx]
    };
    let (one, other) = (control(0.3), control(0.7));
    let places = parts(points).map(|part| {
        let t = pace(part);
        let s = 1.0 - t;
        std::array::from_fn(|at| {
            let off = if t > 0.0 && t < 1.0 { between(&mut noise, -jitter, jitter) } else { 0.0 };
            s * s * s * from[at] + 3.0 * s * s * t * one[at] + 3.0 * s * t * t * other[at] + t * t * t * to[at] + off
        })
    });
    recorded(&plan, places)
}

fn teleport(rng: &mut Rng, rate: Rate) -> RecordedInteraction {
    let plan = plan(rng, rate);
    let places = if rng.bool() { vec![plan.to] } else { vec![plan.from, plan.to] };
    recorded(&plan, places.into_iter())
}

/// `mouse.move(x, y, { steps })`: evenly spaced, all at once or as fast as the protocol accepts them.
fn playwright(rng: &mut Rng, rate: Rate) -> RecordedInteraction {
    let mut moved = straight(rng, rate, |t| t, 0.0);
    let mut time = 0.0;
    for point in &mut moved.path {
        point[2] = time;
        time += f64::from(rng.u8(0..4));
    }
    moved.hold_ms = f64::from(rng.u8(0..3));
    moved
}

/// The same points at random intervals.
fn uneven(rng: &mut Rng, mut moved: RecordedInteraction) -> RecordedInteraction {
    let (mut before, mut time) = (0.0, 0.0);
    for point in &mut moved.path {
        time += ((point[2] - before) * between(rng, 0.6, 1.4)).round();
        before = point[2];
        point[2] = time;
    }
    moved
}

/// A curved path, slow at both ends, with a tremor: class `Mouse` of the browser tests, which must mostly pass as a person.
fn hand(rng: &mut Rng) -> RecordedInteraction {
    let (from, to) = journey(rng);
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let bend = between(rng, 0.08, 0.16) * if rng.bool() { 1.0 } else { -1.0 };
    let (steps, mut time) = (rng.usize(18..26), 0.0);
    let path = parts(steps).skip(1).map(|part| {
        let t = eased(part);
        let side = bend * (std::f64::consts::PI * t).sin();
        let tremor = if part < 1.0 { between(rng, -1.0, 1.0) } else { 0.0 };
        let now = f64::round(time);
        // One or two milliseconds for the browser itself.
        time += between(rng, 7.5, 17.5);
        [(from[0] + dx * t - dy * side + tremor).floor(), (from[1] + dy * t + dx * side + tremor).floor(), now]
    });
    let path = path.collect();
    RecordedInteraction { user: None, path, hold_ms: between(rng, 60.0, 120.0).round() }
}
