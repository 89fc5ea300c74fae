//! Pointer paths of machines that the weights were not chosen on, from a seed.

use std::f64::consts::TAU;

use fastrand::Rng;
use server::risk::dataset::RecordedInteraction;

use crate::synthetic_paths::{Kind, Plan, Rate, between, eased, journey, parts, plan, recorded};

/// The kinds.
pub(crate) const UNSEEN: [Kind; 7] = [
    ("straight line, slow only at the end", |rng, rate| line(&plan(rng, rate), |t| t * (2.0 - t), |_| 0.0)),
    ("straight line, eased speed, correlated jitter", correlated),
    ("straight line, constant speed, 3 to 5 points", |rng, rate| line(&few(rng, rate), |t| t, |_| 0.0)),
    ("straight line, eased speed, 3 to 5 points", |rng, rate| line(&few(rng, rate), eased, |_| 0.0)),
    ("straight line, eased speed, 50 to 75 px", |rng, rate| line(&near(rng, rate), eased, |_| 0.0)),
    ("cubic Bézier past the control and back, jitter 1 px, uneven intervals", overshooting),
    ("WindMouse", wind_mouse),
];

/// A recorded path that is turned, scaled and moved to end at another place.
pub(crate) fn moved(path: &RecordedInteraction, rng: &mut Rng) -> RecordedInteraction {
    let (sin, cos) = between(rng, 0.0, TAU).sin_cos();
    let scale = between(rng, 0.7, 1.4);
    let to = journey(rng).1;
    let end = path.path[path.path.len() - 1];
    let place = |&[x, y, ms]: &[f64; 3]| {
        let [x, y] = [scale * (x - end[0]), scale * (y - end[1])];
        [to[0] + x * cos - y * sin, to[1] + x * sin + y * cos, ms].map(f64::round)
    };
    RecordedInteraction { path: path.path.iter().map(place).collect(), hold_ms: hold(rng), ..path.clone() }
}

/// A recorded path with noise of up to 2 px on each point but the last.
pub(crate) fn noisy(path: &RecordedInteraction, rng: &mut Rng) -> RecordedInteraction {
    let mut noisy = RecordedInteraction { hold_ms: hold(rng), ..path.clone() };
    let last = noisy.path.len() - 1;
    for [x, y, _] in &mut noisy.path[..last] {
        (*x, *y) = ((*x + between(rng, -2.0, 2.0)).round(), (*y + between(rng, -2.0, 2.0)).round());
    }
    noisy
}

fn hold(rng: &mut Rng) -> f64 {
    between(rng, 60.0, 140.0).round()
}

/// As machines plan, with three to five points.
fn few(rng: &mut Rng, rate: Rate) -> Plan {
    let points = rng.usize(2..5);
    Plan { points, ..plan(rng, rate) }
}

/// As machines plan, to a control near by.
fn near(rng: &mut Rng, rate: Rate) -> Plan {
    let plan = plan(rng, rate);
    let (sin, cos) = between(rng, 0.0, TAU).sin_cos();
    let distance = between(rng, 50.0, 75.0);
    Plan { to: [plan.from[0] + distance * cos, plan.from[1] + distance * sin], ..plan }
}

/// A line with points that are this far beside it.
fn line(plan: &Plan, pace: fn(f64) -> f64, mut beside: impl FnMut(f64) -> f64) -> RecordedInteraction {
    let Plan { from, to, points, .. } = *plan;
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let length = dx.hypot(dy);
    let places = parts(points).map(|t| {
        let (along, side) = (pace(t), beside(t) / length);
        [from[0] + dx * along - dy * side, from[1] + dy * along + dx * side]
    });
    recorded(plan, places)
}

/// Each point's jitter takes over nine tenths of the one before, so that it bends as a hand does.
fn correlated(rng: &mut Rng, rate: Rate) -> RecordedInteraction {
    let plan = plan(rng, rate);
    let mut jitter = 0.0;
    line(&plan, eased, |t| {
        jitter = 0.9 * jitter + between(rng, -2.0, 2.0);
        if t < 1.0 { jitter } else { 0.0 }
    })
}

/// Past the control, and back after a moment.
fn overshooting(rng: &mut Rng, rate: Rate) -> RecordedInteraction {
    let plan = plan(rng, rate);
    let [dx, dy] = [plan.to[0] - plan.from[0], plan.to[1] - plan.from[1]];
    let length = dx.hypot(dy);
    let (past, aside) = (between(rng, 5.0, 30.0) / length, between(rng, -10.0, 10.0) / length);
    let over = [plan.to[0] + past * dx - aside * dy, plan.to[1] + past * dy + aside * dx];
    let bends = [between(rng, -0.2, 0.2), between(rng, -0.2, 0.2)];
    let first = parts(plan.points).map(|part| {
        let t = eased(part);
        let side = 3.0 * t * (1.0 - t) * (bends[0] * (1.0 - t) + bends[1] * t);
        [0, 1].map(|at| plan.from[at] + t * (over[at] - plan.from[at]) + side * [-dy, dx][at])
    });
    let back = parts(rng.usize(4..12)).skip(1).map(|part| {
        let t = eased(part);
        [0, 1].map(|at| over[at] + t * (plan.to[at] - over[at]))
    });
    let mut made = recorded(&plan, first.chain(back));
    let last = made.path.len() - 1;
    let (mut before, mut time) = (0.0, 0.0);
    for (at, [x, y, ms]) in made.path.iter_mut().enumerate() {
        time += ((*ms - before) * between(rng, 0.6, 1.4)).round();
        (before, *ms) = (*ms, time);
        if at > 0 && at < last {
            (*x, *y) = ((*x + between(rng, -1.0, 1.0)).round(), (*y + between(rng, -1.0, 1.0)).round());
        }
    }
    made.hold_ms = hold(rng);
    made
}

/// `WindMouse` (B. J. Land): a mass that gravity draws to the control and random wind blows about, with the usual
/// constants.
fn wind_mouse(rng: &mut Rng, rate: Rate) -> RecordedInteraction {
    const GRAVITY: f64 = 9.0;
    const WIND: f64 = 3.0;
    const NEAR: f64 = 12.0;
    let (from, to) = journey(rng);
    let ([mut x, mut y], [mut speed_x, mut speed_y], [mut wind_x, mut wind_y]) = (from, [0.0; 2], [0.0; 2]);
    let (mut path, mut time, mut max_step) = (vec![[x.round(), y.round(), 0.0]], 0.0, 15.0);
    loop {
        let distance = (to[0] - x).hypot(to[1] - y);
        if distance < 1.0 || path.len() > 2000 {
            break;
        }
        let wind = WIND.min(distance);
        if distance >= NEAR {
            wind_x = wind_x / 3_f64.sqrt() + between(rng, -wind, wind) / 5_f64.sqrt();
            wind_y = wind_y / 3_f64.sqrt() + between(rng, -wind, wind) / 5_f64.sqrt();
        } else {
            (wind_x, wind_y) = (wind_x / 3_f64.sqrt(), wind_y / 3_f64.sqrt());
            max_step = if max_step < 3.0 { between(rng, 3.0, 6.0) } else { max_step / 5_f64.sqrt() };
        }
        speed_x += wind_x + GRAVITY * (to[0] - x) / distance;
        speed_y += wind_y + GRAVITY * (to[1] - y) / distance;
        let speed = speed_x.hypot(speed_y);
        if speed > max_step {
            let clipped = max_step / 2.0 + between(rng, 0.0, max_step / 2.0);
            (speed_x, speed_y) = (speed_x / speed * clipped, speed_y / speed * clipped);
        }
        (x, y) = (x + speed_x, y + speed_y);
        time += match rate {
            Rate::Any => between(rng, 5.0, 15.0),
            Rate::Every(ms) => ms,
        };
        path.push([x, y, time].map(f64::round));
    }
    RecordedInteraction { user: None, path, hold_ms: hold(rng) }
}
