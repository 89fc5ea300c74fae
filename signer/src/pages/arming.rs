//! When the confirmation window's button works. No browser in here: the rules are tested natively.
//!
//! No page can cover or shrink a top-level window, but a page can open one under the pointer, in the middle of a double
//! click, or while a key is held. So the button works only after everything has been in view for a while, and a press
//! that began earlier does not count.

/// How long everything must have been in view, in ms.
const DELAY: f64 = 600.0;

/// The least room for the content, in CSS pixels at the user's zoom: `[width, height]`. It scrolls.
const LEAST_ROOM: [f64; 2] = [300.0, 140.0];

/// The least size of a window that is not zoomed in, in CSS pixels: `[width, height]`.
const LEAST_WINDOW: [f64; 2] = [300.0, 320.0];

/// How much of a smaller screen, such as a phone's that lies on its side, a window must fill.
const SHARE_OF_SCREEN: f64 = 0.8;

/// The device pixels of a CSS pixel at which text can be read.
const READABLE: std::ops::RangeInclusive<f64> = 0.5..=16.0;

/// The size of the window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Geometry {
    /// The content's width and height, in CSS pixels.
    pub(super) inner: [f64; 2],
    /// The window's width and height, which zoom does not change; 0 where the browser does not tell.
    pub(super) outer: [f64; 2],
    /// The width and height of the screen.
    pub(super) screen: [f64; 2],
    /// Device pixels of a CSS pixel.
    pub(super) pixel_ratio: f64,
    /// Where the window is on the screen.
    pub(super) position: [f64; 2],
}

impl Geometry {
    fn has_room(&self) -> bool {
        let fits = |size: [f64; 2], least: [f64; 2]| (0..2).all(|axis| size[axis] >= least[axis]);
        // A window of the least size has little room when the user zooms in: at 400 % a laptop shows 341 × 162.
        let window = std::array::from_fn(|axis| self.inner[axis].max(self.outer[axis]));
        let least = std::array::from_fn(|axis| LEAST_WINDOW[axis].min(self.screen[axis] * SHARE_OF_SCREEN));
        fits(self.inner, LEAST_ROOM) && fits(window, least)
    }
}

/// What can be known of how the window is seen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct View {
    /// The document is visible.
    pub(super) is_visible: bool,
    /// The document has the focus.
    pub(super) is_focused: bool,
    /// The content has been scrolled to its end.
    pub(super) is_read: bool,
    /// The window.
    pub(super) geometry: Geometry,
}

/// Why the button does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// The window is hidden, or another one has the focus.
    Background,
    /// The window is too small.
    Small,
    /// The page is zoomed out too far to be read.
    ZoomedOut,
    /// There is more below that has not been in view.
    Unread,
}

impl View {
    /// What stands in the way, the worst first.
    fn obstacle(&self) -> Option<Obstacle> {
        if !self.is_visible || !self.is_focused {
            Some(Obstacle::Background)
        } else if !READABLE.contains(&self.geometry.pixel_ratio) {
            Some(Obstacle::ZoomedOut)
        } else if !self.geometry.has_room() {
            Some(Obstacle::Small)
        } else if !self.is_read {
            Some(Obstacle::Unread)
        } else {
            None
        }
    }
}

/// Whether the button works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It cannot until something changes.
    Blocked(Obstacle),
    /// Everything is in view, but not yet for long enough.
    Waiting,
    /// It works.
    Armed,
}

/// An activation that counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Activation {
    /// For how long everything had been in view, in ms.
    pub(super) dwell: f64,
    /// Time between press and release, in ms; 0 without a press, as assistive technology activates.
    pub(super) hold: f64,
}

/// How the button was last pressed, until it is activated.
#[derive(Clone, Copy)]
enum Press {
    None,
    /// While not armed, or something has changed since.
    Early,
    /// While armed, at this time.
    Good(f64),
}

/// Follows how the window is seen and used. Times are on a clock that never goes back, in ms.
pub(super) struct Arming {
    view: Option<View>,
    /// Since when nothing has changed.
    since: f64,
    press: Press,
}

impl Arming {
    /// A window that has just been loaded.
    pub(super) fn new(now: f64) -> Self {
        Self { view: None, since: now, press: Press::None }
    }

    /// Takes note of how the window is seen now. Any change begins the wait again.
    pub(super) fn look(&mut self, view: View, now: f64) {
        if self.view != Some(view) {
            self.view = Some(view);
            self.since = now;
            if matches!(self.press, Press::Good(_)) {
                self.press = Press::Early;
            }
        }
    }

    /// Whether the button works.
    pub(super) fn state(&self, now: f64) -> State {
        match self.view.map_or(Some(Obstacle::Background), |view| view.obstacle()) {
            Some(obstacle) => State::Blocked(obstacle),
            None if now - self.since < DELAY => State::Waiting,
            None => State::Armed,
        }
    }

    /// A pointer or key goes down on the button.
    pub(super) fn press(&mut self, now: f64) {
        self.press = if self.state(now) == State::Armed { Press::Good(now) } else { Press::Early };
    }

    /// The button is activated, by whatever means. A press that began before the button worked does not count.
    pub(super) fn activate(&mut self, now: f64) -> Option<Activation> {
        let pressed = match std::mem::replace(&mut self.press, Press::None) {
            Press::Good(at) => at,
            Press::None => now,
            Press::Early => return None,
        };
        (self.state(now) == State::Armed).then_some(Activation { dwell: now - self.since, hold: now - pressed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POPUP: Geometry = Geometry {
        inner: [480.0, 640.0],
        outer: [480.0, 700.0],
        screen: [1366.0, 768.0],
        pixel_ratio: 1.0,
        position: [10.0, 10.0],
    };
    const SEEN: View = View { is_visible: true, is_focused: true, is_read: true, geometry: POPUP };

    fn seen_at_0() -> Arming {
        let mut arming = Arming::new(-100.0);
        arming.look(SEEN, 0.0);
        arming
    }

    fn geometry(inner: [f64; 2], outer: [f64; 2]) -> View {
        View { geometry: Geometry { inner, outer, ..POPUP }, ..SEEN }
    }

    #[test]
    fn button_arms_after_600_ms_in_view() {
        let mut arming = seen_at_0();
        assert_eq!(arming.state(599.0), State::Waiting);
        arming.look(SEEN, 400.0);
        assert_eq!(arming.state(600.0), State::Armed, "being seen again is not a change");
    }

    #[test]
    fn each_obstacle_blocks_for_as_long_as_it_lasts() {
        assert_eq!(Arming::new(0.0).state(1e6), State::Blocked(Obstacle::Background));
        for (view, obstacle) in [
            (View { is_visible: false, ..SEEN }, Obstacle::Background),
            (View { is_focused: false, ..SEEN }, Obstacle::Background),
            (View { is_read: false, ..SEEN }, Obstacle::Unread),
            (geometry([100.0, 100.0], [100.0, 140.0]), Obstacle::Small),
            (geometry([480.0, 100.0], [480.0, 160.0]), Obstacle::Small),
            (geometry([480.0, 200.0], [480.0, 260.0]), Obstacle::Small),
            (View { geometry: Geometry { pixel_ratio: 0.25, ..POPUP }, ..SEEN }, Obstacle::ZoomedOut),
        ] {
            let mut arming = seen_at_0();
            arming.look(view, 1000.0);
            arming.press(1e6);
            assert_eq!(arming.state(1e6), State::Blocked(obstacle), "{view:?}");
            assert_eq!(arming.activate(1e6), None);
        }
    }

    #[test]
    fn zoomed_in_windows_can_be_confirmed() {
        // A laptop at 400 %, a phone, and a browser that does not tell the size of its window.
        for (inner, outer) in
            [([341.0, 162.0], [1366.0, 768.0]), ([320.0, 180.0], [1280.0, 720.0]), ([360.0, 640.0], [0.0, 0.0])]
        {
            let mut arming = Arming::new(0.0);
            arming.look(geometry(inner, outer), 0.0);
            assert_eq!(arming.state(600.0), State::Armed, "{inner:?} in {outer:?}");
        }
    }

    #[test]
    fn window_as_large_as_a_small_screen_can_be_confirmed() {
        let phone = |screen| View {
            geometry: Geometry { inner: [568.0, 232.0], outer: [568.0, 280.0], screen, ..POPUP },
            ..SEEN
        };
        let state = |view| {
            let mut arming = Arming::new(0.0);
            arming.look(view, 0.0);
            arming.state(600.0)
        };
        assert_eq!(state(phone([568.0, 320.0])), State::Armed);
        assert_eq!(state(phone([1366.0, 768.0])), State::Blocked(Obstacle::Small));
    }

    #[test]
    fn any_change_begins_the_wait_again() {
        let moved = View { geometry: Geometry { position: [11.0, 10.0], ..POPUP }, ..SEEN };
        for change in [moved, geometry([481.0, 640.0], POPUP.outer)] {
            let mut arming = seen_at_0();
            arming.look(change, 900.0);
            assert_eq!(arming.state(1499.0), State::Waiting);
            assert_eq!(arming.state(1500.0), State::Armed);
        }
    }

    #[test]
    fn early_press_does_not_count_once() {
        let mut arming = seen_at_0();
        arming.press(599.0);
        assert_eq!(arming.activate(700.0), None, "pressed too early");
        assert!(arming.activate(800.0).is_some(), "the next one counts");

        let mut arming = seen_at_0();
        arming.press(700.0);
        arming.look(View { is_focused: false, ..SEEN }, 710.0);
        arming.look(SEEN, 720.0);
        assert_eq!(arming.activate(1400.0), None, "something changed in between");
    }

    #[test]
    fn armed_activation_counts_with_and_without_a_press() {
        let mut arming = seen_at_0();
        arming.press(700.0);
        assert_eq!(arming.activate(780.0), Some(Activation { dwell: 780.0, hold: 80.0 }));
        assert_eq!(seen_at_0().activate(599.0), None);
        assert_eq!(seen_at_0().activate(900.0), Some(Activation { dwell: 900.0, hold: 0.0 }));
    }
}
