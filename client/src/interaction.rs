//! The recording of an interaction, and the proof made from it. Uses no browser API.

use std::collections::VecDeque;

use protocol::proof::{Kind, MAX_PATH, Proof, Recorder};

/// How long an interaction counts: ms.
const MAX_AGE_MS: u64 = 4_000;

/// How long after its press a click can follow: ms. After a longer pause the click had another cause.
const PRESS_MAX_AGE_MS: i64 = 10_000;

/// How long after the release of its press a click can follow: ms.
const RELEASE_MAX_AGE_MS: i64 = 1_000;

/// A position of the pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// CSS pixels from the left.
    pub(crate) x: i32,
    /// CSS pixels from the top.
    pub(crate) y: i32,
    /// Since the page was opened.
    pub(crate) millis: i64,
}

/// A click on a control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Click {
    /// Whether the browser counts a pointer's click; keys and assistive technology have none.
    pub(crate) by_pointer: bool,
    /// Whether the main button is still pressed, which a device has released before its click.
    pub(crate) is_pressed: bool,
    /// The position: `[x, y]`.
    pub(crate) hit: [i32; 2],
    /// The control: `[x, y, width, height]`.
    pub(crate) target: [i32; 4],
    /// Since the page was opened.
    pub(crate) millis: i64,
    /// Unix time in ms.
    pub(crate) at: u64,
}

/// A press of a pointer or key.
#[derive(Clone, Copy, Debug)]
struct Press {
    kind: Kind,
    /// Whether the device reports pressure. Every pressed button does, the lightest press of a mouse counts one half.
    has_pressure: bool,
    down: i64,
    up: Option<i64>,
}

impl Press {
    /// How long it was held before the click: ms.
    fn hold(self, click: i64) -> u32 {
        u32::try_from(self.up.unwrap_or(click).saturating_sub(self.down)).unwrap_or(0)
    }
}

/// The pointer's latest path, the latest presses, and the latest click.
#[derive(Default)]
pub(crate) struct Recording {
    path: VecDeque<Point>,
    pointer: Option<Press>,
    key: Option<Press>,
    last: Option<Proof>,
}

impl Recording {
    /// Records a movement of the pointer.
    pub(crate) fn moved(&mut self, point: Point) {
        if self.path.len() == MAX_PATH {
            self.path.pop_front();
        }
        self.path.push_back(point);
    }

    /// Records that a pointer was pressed.
    pub(crate) fn pointer_down(&mut self, kind: Kind, has_pressure: bool, millis: i64) {
        self.pointer = Some(Press { kind, has_pressure, down: millis, up: None });
    }

    /// Records that the pointer was released.
    pub(crate) fn pointer_up(&mut self, millis: i64) {
        if let Some(press) = &mut self.pointer {
            press.up = Some(millis);
        }
    }

    /// Records that a key was pressed.
    pub(crate) fn key_down(&mut self, millis: i64) {
        self.key = Some(Press { kind: Kind::Keyboard, has_pressure: true, down: millis, up: None });
    }

    /// Records that the key was released.
    pub(crate) fn key_up(&mut self, millis: i64) {
        if let Some(press) = &mut self.key {
            press.up = Some(millis);
        }
    }

    /// Records a click on a control: an interaction, which replaces the one before.
    pub(crate) fn clicked(&mut self, click: &Click) {
        let age = |at: i64| click.millis.saturating_sub(at);
        let is_recent = |press: &Press| {
            age(press.down) <= PRESS_MAX_AGE_MS && press.up.is_none_or(|up| age(up) <= RELEASE_MAX_AGE_MS)
        };
        let pressed = if click.by_pointer { self.pointer.take() } else { self.key };
        let press = pressed.filter(is_recent);
        // The protocol counts assistive technology as a keyboard. Firefox makes a click without a press for it. Chromium
        // makes a press of a mouse too, but without pressure, and with a button that is still down in the click.
        let is_device = |press: &Press| press.has_pressure || !click.is_pressed;
        let kind = press.filter(is_device).map_or(Kind::Keyboard, |press| press.kind);
        let with_path = matches!(kind, Kind::Pointer | Kind::Pen);
        let [x, y, width, height] = click.target;
        let middle = [x.saturating_add(width / 2), y.saturating_add(height / 2)];
        self.last = Some(Proof {
            v: 1,
            by: Recorder::App,
            action: String::new(),
            kind,
            at: click.at,
            hold: press.map_or(0, |press| press.hold(click.millis)),
            path: if with_path { steps(self.path.iter().copied()) } else { Vec::new() },
            target: click.target,
            hit: if kind == Kind::Keyboard { middle } else { click.hit },
            dwell: None,
        });
    }

    /// Drops the last interaction.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Takes the last interaction as a proof for `action`, while it is fresh.
    pub(crate) fn take(&mut self, action: &str, now: u64) -> Option<Proof> {
        let mut proof = self.last.take().filter(|proof| now.abs_diff(proof.at) <= MAX_AGE_MS)?;
        action.clone_into(&mut proof.action);
        while proof.to_header().is_err() {
            if proof.path.is_empty() {
                return None;
            }
            proof.path = thinned(&proof.path);
        }
        Some(proof)
    }
}

/// A path as the proof encodes it: the first point, then the difference from each to the next.
fn steps(path: impl Iterator<Item = Point>) -> Vec<[i32; 3]> {
    let mut before: Option<Point> = None;
    path.map(|point| {
        let step = before.map_or([point.x, point.y, 0], |before| {
            let dt = point.millis.saturating_sub(before.millis).max(0);
            [point.x.wrapping_sub(before.x), point.y.wrapping_sub(before.y), i32::try_from(dt).unwrap_or(i32::MAX)]
        });
        before = Some(point);
        step
    })
    .collect()
}

/// The same path with half as many points: two steps become one, and the last point stays.
fn thinned(path: &[[i32; 3]]) -> Vec<[i32; 3]> {
    // From the end, so that the point before the click is never left out.
    path.rchunks(2)
        .map(|steps| {
            steps.iter().fold([0_i32; 3], |sum, step| core::array::from_fn(|at| sum[at].saturating_add(step[at])))
        })
        .rev()
        .filter(|_| path.len() > 1)
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn click(by_pointer: bool, millis: i64) -> Click {
        Click {
            by_pointer,
            is_pressed: false,
            hit: [12, 14],
            target: [10, 10, 100, 40],
            millis,
            at: 1_000_000 + millis.unsigned_abs(),
        }
    }

    /// Where a path ends and how long it takes.
    fn end(path: &[[i32; 3]]) -> [i32; 3] {
        path.iter().fold([0_i32; 3], |sum, step| core::array::from_fn(|at| sum[at] + step[at]))
    }

    #[test]
    fn mouse_click_has_path_and_hold() {
        let mut recording = Recording::default();
        for (at, x) in [5, 8, 12].into_iter().enumerate() {
            recording.moved(Point { x, y: 14, millis: 100 + 16 * i64::try_from(at).unwrap() });
        }
        recording.pointer_down(Kind::Pointer, true, 200);
        recording.pointer_up(290);
        recording.clicked(&click(true, 291));
        let proof = recording.take("title", 1_000_300).unwrap();
        assert_eq!((proof.kind, proof.hold, proof.hit), (Kind::Pointer, 90, [12, 14]));
        assert_eq!(proof.path, [[5, 14, 0], [3, 0, 16], [4, 0, 16]]);
        assert_eq!(proof.action, "title");
    }

    #[test]
    fn interaction_counts_once_within_4_seconds() {
        let mut recording = Recording::default();
        recording.clicked(&click(false, 100));
        assert!(recording.take("a", 1_000_200).is_some());
        assert!(recording.take("a", 1_000_200).is_none());
        recording.clicked(&click(false, 100));
        assert!(recording.take("a", 1_004_101).is_none());
    }

    #[test]
    fn only_mouse_and_pen_have_a_path() {
        let mut recording = Recording::default();
        recording.moved(Point { x: 1, y: 1, millis: 0 });
        recording.key_down(100);
        recording.key_up(160);
        recording.clicked(&click(false, 161));
        let proof = recording.take("a", 1_000_200).unwrap();
        assert_eq!((proof.kind, proof.hold, proof.hit, proof.path.len()), (Kind::Keyboard, 60, [60, 30], 0));

        recording.pointer_down(Kind::Touch, true, 200);
        recording.pointer_up(260);
        recording.clicked(&click(true, 261));
        let proof = recording.take("a", 1_000_300).unwrap();
        assert_eq!((proof.kind, proof.hold, proof.path.len()), (Kind::Touch, 60, 0));
    }

    #[test]
    fn assistive_technology_counts_as_keyboard() {
        // (pressure, whether the button is down in the click, kind): Chromium's assistive click has neither a release nor
        // pressure. Script that drives the browser has no pressure, or all that a mouse has.
        for (has_pressure, is_pressed, kind) in [
            (false, true, Kind::Keyboard),
            (false, false, Kind::Pointer),
            (true, true, Kind::Pointer),
            (true, false, Kind::Pointer),
        ] {
            let mut recording = Recording::default();
            recording.moved(Point { x: 5, y: 5, millis: 10 });
            recording.pointer_down(Kind::Pointer, has_pressure, 300);
            recording.pointer_up(300);
            recording.clicked(&Click { is_pressed, ..click(true, 300) });
            let proof = recording.take("a", 1_000_301).unwrap();
            assert_eq!((proof.kind, proof.path.is_empty()), (kind, kind == Kind::Keyboard));
        }
        // Firefox makes a click without a press. An earlier press had another cause.
        let mut recording = Recording::default();
        recording.pointer_down(Kind::Pointer, true, 300);
        recording.pointer_up(400);
        recording.clicked(&click(true, 1_401));
        let proof = recording.take("a", 1_001_402).unwrap();
        assert_eq!((proof.kind, proof.hold, proof.hit), (Kind::Keyboard, 0, [60, 30]));
    }

    #[test]
    fn long_path_is_thinned_and_keeps_its_end() {
        let mut recording = Recording::default();
        for at in 0..500_i64 {
            let far = i32::try_from(at).unwrap() * if at % 2 == 0 { 999_999 } else { -999_999 };
            recording.moved(Point { x: far, y: -far, millis: at * 100_000 });
        }
        recording.pointer_down(Kind::Pointer, true, 499 * 100_000 + 1);
        recording.clicked(&click(true, 499 * 100_000 + 9));
        let at = 1_000_000 + 499 * 100_000 + 9;
        let whole = end(&recording.last.as_ref().unwrap().path);
        let proof = recording.take("title", at).unwrap();
        assert!(proof.to_header().is_ok());
        assert!(proof.path.len() > 20 && proof.path.len() < MAX_PATH, "{}", proof.path.len());
        assert_eq!(end(&proof.path), whole);
    }

    #[test]
    fn thinning_terminates() {
        let mut path = vec![[1, 2, 3]; MAX_PATH];
        let mut rounds = 0;
        while !path.is_empty() {
            path = thinned(&path);
            rounds += 1;
        }
        assert!(rounds <= 8);
    }
}
