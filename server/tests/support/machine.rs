//! Pointer paths as machines make them, from a seed: what the table of docs/PROOFS.md is made with.

use fastrand::Rng;
use server::risk::recorded::Recorded;

/// A kind of machine, and how it makes a path.
pub(crate) type Kind = (&'static str, fn(&mut Rng) -> Recorded);

/// Kinds that must be raised.
pub(crate) const RAISED: &[Kind] = &[
    ("straight line, eased speed", |rng| straight(rng, eased, 0.0)),
    ("straight line, constant speed", |rng| straight(rng, |t| t, 0.0)),
    ("curve, constant speed", |rng| bezier(rng, |t| t, 0.0)),
    ("teleport", teleport),
    ("Playwright mouse.move with steps", playwright),
    ("constant speed, jitter 1 px", |rng| straight(rng, |t| t, 1.0)),
    ("constant speed, jitter 3 px", |rng| straight(rng, |t| t, 3.0)),
    ("constant speed, jitter 5 px", |rng| straight(rng, |t| t, 5.0)),
];

/// Kinds that are measured only: what is left over.
pub(crate) const MEASURED: &[Kind] = &[
    ("straight line, eased speed, jitter 3 px", |rng| straight(rng, eased, 3.0)),
    ("cubic Bézier, eased speed", |rng| bezier(rng, eased, 0.0)),
    ("cubic Bézier, eased speed, jitter 2 px", |rng| bezier(rng, eased, 2.0)),
];

/// Where a machine goes, how many points it sets and how long it takes.
struct Plan {
    from: [f64; 2],
    to: [f64; 2],
    points: usize,
    duration: f64,
    hold: f64,
}

fn plan(rng: &mut Rng) -> Plan {
    let place = |rng: &mut Rng| [between(rng, 20.0, 1200.0), between(rng, 20.0, 700.0)];
    let from = place(rng);
    // A machine goes somewhere: at least 100 px.
    let to = loop {
        let to = place(rng);
        if (to[0] - from[0]).hypot(to[1] - from[1]) > 100.0 {
            break to;
        }
    };
    let hold = if rng.bool() { between(rng, 60.0, 140.0) } else { 50.0 };
    Plan { from, to, points: rng.usize(6..80), duration: between(rng, 150.0, 2000.0), hold }
}

fn between(rng: &mut Rng, least: f64, most: f64) -> f64 {
    least + rng.f64() * (most - least)
}

/// Minimum jerk: how far a hand is after a part of its time.
fn eased(t: f64) -> f64 {
    t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
}

/// A path of these places, one after another at an even rate.
fn recorded(plan: &Plan, places: impl Iterator<Item = [f64; 2]>) -> Recorded {
    #[expect(clippy::cast_precision_loss, reason = "at most 80 points")]
    let step = plan.duration / plan.points as f64;
    let path = places.enumerate().map(|(at, [x, y])| {
        #[expect(clippy::cast_precision_loss, reason = "at most 80 points")]
        let time = at as f64 * step;
        [x.round(), y.round(), time.round()]
    });
    Recorded { user: None, path: path.collect(), hold_ms: plan.hold.round() }
}

fn parts(points: usize) -> impl Iterator<Item = f64> {
    #[expect(clippy::cast_precision_loss, reason = "at most 80 points")]
    (0..=points).map(move |at| at as f64 / points as f64)
}

fn straight(rng: &mut Rng, pace: fn(f64) -> f64, jitter: f64) -> Recorded {
    let plan = plan(rng);
    let mut noise = rng.fork();
    let Plan { from, to, points, .. } = plan;
    let places = parts(points).map(|t| {
        std::array::from_fn(|at| {
            // Both ends are where they must be.
            let off = if t > 0.0 && t < 1.0 { between(&mut noise, -jitter, jitter) } else { 0.0 };
            from[at] + (to[at] - from[at]) * pace(t) + off
        })
    });
    recorded(&plan, places)
}

fn bezier(rng: &mut Rng, pace: fn(f64) -> f64, jitter: f64) -> Recorded {
    let plan = plan(rng);
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

fn teleport(rng: &mut Rng) -> Recorded {
    let plan = plan(rng);
    let places = if rng.bool() { vec![plan.to] } else { vec![plan.from, plan.to] };
    recorded(&plan, places.into_iter())
}

/// `mouse.move(x, y, { steps })`: evenly spaced, all at once or as fast as the protocol takes them.
fn playwright(rng: &mut Rng) -> Recorded {
    let mut moved = straight(rng, |t| t, 0.0);
    let mut time = 0.0;
    for point in &mut moved.path {
        point[2] = time;
        time += f64::from(rng.u8(0..4));
    }
    moved.hold_ms = f64::from(rng.u8(0..3));
    moved
}
