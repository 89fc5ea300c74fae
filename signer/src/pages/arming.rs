//! Arms the confirmation window's button. This module uses no browser API, so its tests run natively.
//!
//! No page can cover or shrink a top-level window, but a page can open one under the pointer, during a double click, or
//! while the user types or holds a key. So the button works only after the whole content has been in view for a while
//! without other input, and a press that began earlier does not count.

/// How long the content must have been in view, in ms.
const DELAY: f64 = 600.0;

/// The delay after scrolling or Tab, in ms. Longer than the time between Tab and Enter when a user fills in a form.
const DELAY_AFTER_MOVING: f64 = 300.0;

/// The delay after input that was meant for another page, in ms. Longer than the time between two keys or clicks in a
/// series.
const DELAY_AFTER_STRAY: f64 = 1500.0;

/// The longest time between two observations, in ms. After a longer one the window may not have been drawn.
const STALL: f64 = 500.0;

/// The smallest viewport, in CSS pixels at the user's zoom: `[width, height]`. The content wraps and scrolls.
const MIN_VIEWPORT: [f64; 2] = [200.0, 100.0];

/// The smallest window at 100 % zoom, in CSS pixels: `[width, height]`.
const MIN_WINDOW: [f64; 2] = [300.0, 320.0];

/// The share of a smaller screen that a window must fill, such as a phone in landscape orientation.
const SHARE_OF_SCREEN: f64 = 0.8;

/// Device pixels per CSS pixel at which text is readable.
const READABLE: std::ops::RangeInclusive<f64> = 0.5..=16.0;

/// The size of the window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Geometry {
    /// The viewport's width and height, in CSS pixels.
    pub(super) inner: [f64; 2],
    /// The window's width and height, which zoom does not change; 0 if the browser does not report them.
    pub(super) outer: [f64; 2],
    /// The width and height of the screen.
    pub(super) screen: [f64; 2],
    /// Device pixels per CSS pixel.
    pub(super) pixel_ratio: f64,
    /// The window's position on the screen.
    pub(super) position: [f64; 2],
}

impl Geometry {
    fn has_room(&self) -> bool {
        let fits = |size: [f64; 2], least: [f64; 2]| (0..2).all(|axis| size[axis] >= least[axis]);
        // Zooming in shrinks the viewport: at 500 % a laptop has 273 × 130. No page can zoom this window.
        let window = std::array::from_fn(|axis| self.inner[axis].max(self.outer[axis]));
        let least = std::array::from_fn(|axis| MIN_WINDOW[axis].min(self.screen[axis] * SHARE_OF_SCREEN));
        fits(self.inner, MIN_VIEWPORT) && fits(window, least)
    }
}

/// The observed state of the window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct View {
    /// Whether the document is visible.
    pub(super) is_visible: bool,
    /// Whether the document has the focus.
    pub(super) is_focused: bool,
    /// Whether the content has been scrolled to its end.
    pub(super) is_read: bool,
    /// What other software does that makes the button unsafe.
    pub(super) interference: Option<Obstacle>,
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
    /// The end of the content has not been in view.
    Unread,
    /// Other software, such as a translator, has changed names or amounts.
    Altered,
    /// The monotonic clock stands still.
    NoClock,
}

impl View {
    /// The first obstacle, in order of severity.
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
            self.interference
        }
    }
}

/// The state of the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// An obstacle prevents confirmation.
    Blocked(Obstacle),
    /// The content is in view, but not yet for long enough.
    Waiting,
    /// The button works.
    Armed,
}

/// An activation that counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Activation {
    /// How long the content had been in view, in ms.
    pub(super) dwell: f64,
    /// Time between press and release, in ms; 0 without a press, as with assistive technology.
    pub(super) hold: f64,
}

/// Input that does not activate the button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// Navigation in the window: scrolling, Tab, a click beside the button.
    Moving,
    /// Input meant for another page: typed text, a press before the button worked.
    Stray,
}

impl Input {
    /// How long the content must be in view after this input, in ms.
    fn delay(self) -> f64 {
        match self {
            Self::Moving => DELAY_AFTER_MOVING,
            Self::Stray => DELAY_AFTER_STRAY,
        }
    }
}

/// The last press of the button, until it is activated.
#[derive(Clone, Copy)]
enum Press {
    None,
    /// Pressed while not armed, or the window has changed since.
    Early,
    /// Pressed while armed, at this time.
    Good(f64),
}

/// Tracks the view and the input, and decides when the button works. Times are on a monotonic clock, in ms.
pub(super) struct Arming {
    view: Option<View>,
    /// The time of the last change.
    since: f64,
    /// When the button becomes armed, if nothing changes.
    ready: f64,
    /// The time of the last observation.
    observed: f64,
    press: Press,
}

impl Arming {
    /// A window that has just been loaded.
    pub(super) fn new(now: f64) -> Self {
        Self { view: None, since: now, ready: now + DELAY, observed: now, press: Press::None }
    }

    /// Records the current view. Any change restarts the wait, and so does a gap between observations, in which nothing
    /// was drawn.
    pub(super) fn observe(&mut self, view: View, now: f64) {
        if self.view != Some(view) || self.is_stalled(now) {
            self.view = Some(view);
            self.wait(DELAY, now);
        }
        self.observed = now;
    }

    /// Records other input. A user who is still typing or clicking fast has not read the content.
    pub(super) fn input(&mut self, input: Input, now: f64) {
        self.wait(input.delay(), now);
    }

    /// The state of the button.
    pub(super) fn state(&self, now: f64) -> State {
        match self.view.map_or(Some(Obstacle::Background), |view| view.obstacle()) {
            Some(obstacle) => State::Blocked(obstacle),
            None if now < self.ready => State::Waiting,
            None => State::Armed,
        }
    }

    /// Records a pointer or key press on the button. `at` is the time of the event; `now` is when it is handled.
    pub(super) fn press(&mut self, at: f64, now: f64) {
        if self.counts(at, now) {
            self.press = Press::Good(at);
        } else {
            self.input(Input::Stray, now);
            self.press = Press::Early;
        }
    }

    /// Records an activation of the button by any input device. Returns `None` if the press began before the button
    /// worked.
    pub(super) fn activate(&mut self, at: f64, now: f64) -> Option<Activation> {
        let pressed = match std::mem::replace(&mut self.press, Press::None) {
            Press::Good(at) => at,
            Press::None => at,
            Press::Early => return None,
        };
        if self.counts(at, now) {
            return Some(Activation { dwell: at - self.since, hold: at - pressed });
        }
        self.input(Input::Stray, now);
        None
    }

    fn counts(&self, at: f64, now: f64) -> bool {
        self.state(at) == State::Armed && !self.is_stalled(now)
    }

    fn is_stalled(&self, now: f64) -> bool {
        now - self.observed > STALL
    }

    fn wait(&mut self, delay: f64, now: f64) {
        self.since = now;
        self.ready = self.ready.max(now + delay);
        if matches!(self.press, Press::Good(_)) {
            self.press = Press::Early;
        }
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
    const SEEN: View = View { is_visible: true, is_focused: true, is_read: true, interference: None, geometry: POPUP };

    fn seen_at_0() -> Arming {
        let mut arming = Arming::new(-100.0);
        arming.observe(SEEN, 0.0);
        arming
    }

    /// Observes every 50 ms, as the window does.
    fn observe_until(arming: &mut Arming, from: f64, to: f64) {
        let mut now = from;
        while now <= to {
            arming.observe(SEEN, now);
            now += 50.0;
        }
    }

    fn seen_from_0_to(now: f64) -> Arming {
        let mut arming = seen_at_0();
        observe_until(&mut arming, 0.0, now);
        arming
    }

    fn geometry(inner: [f64; 2], outer: [f64; 2]) -> View {
        View { geometry: Geometry { inner, outer, ..POPUP }, ..SEEN }
    }

    #[test]
    fn button_arms_after_600_ms_in_view() {
        let mut arming = seen_at_0();
        assert_eq!(arming.state(599.0), State::Waiting);
        arming.observe(SEEN, 400.0);
        assert_eq!(arming.state(600.0), State::Armed, "an equal view is not a change");
    }

    #[test]
    fn obstacle_blocks_while_it_lasts() {
        assert_eq!(Arming::new(0.0).state(1e6), State::Blocked(Obstacle::Background));
        for (view, obstacle) in [
            (View { is_visible: false, ..SEEN }, Obstacle::Background),
            (View { is_focused: false, ..SEEN }, Obstacle::Background),
            (View { is_read: false, ..SEEN }, Obstacle::Unread),
            (View { interference: Some(Obstacle::Altered), ..SEEN }, Obstacle::Altered),
            (geometry([100.0, 100.0], [100.0, 140.0]), Obstacle::Small),
            (geometry([480.0, 100.0], [480.0, 160.0]), Obstacle::Small),
            (geometry([480.0, 200.0], [480.0, 260.0]), Obstacle::Small),
            (View { geometry: Geometry { pixel_ratio: 0.25, ..POPUP }, ..SEEN }, Obstacle::ZoomedOut),
        ] {
            let mut arming = seen_at_0();
            arming.observe(view, 1000.0);
            arming.press(1e6, 1e6);
            assert_eq!(arming.state(1e6), State::Blocked(obstacle), "{view:?}");
            assert_eq!(arming.activate(1e6, 1e6), None);
        }
    }

    #[test]
    fn zoomed_in_windows_can_be_confirmed() {
        // Laptops at 400 % and 500 %, and a browser that does not report the size of its window.
        for (inner, outer) in
            [([341.0, 162.0], [1366.0, 768.0]), ([204.0, 110.0], [1024.0, 768.0]), ([360.0, 640.0], [0.0, 0.0])]
        {
            let mut arming = Arming::new(0.0);
            arming.observe(geometry(inner, outer), 0.0);
            assert_eq!(arming.state(600.0), State::Armed, "{inner:?} in {outer:?}");
        }
    }

    #[test]
    fn window_filling_a_small_screen_can_be_confirmed() {
        let phone = |screen| View {
            geometry: Geometry { inner: [568.0, 232.0], outer: [568.0, 280.0], screen, ..POPUP },
            ..SEEN
        };
        let state = |view| {
            let mut arming = Arming::new(0.0);
            arming.observe(view, 0.0);
            arming.state(600.0)
        };
        assert_eq!(state(phone([568.0, 320.0])), State::Armed);
        assert_eq!(state(phone([1366.0, 768.0])), State::Blocked(Obstacle::Small));
    }

    #[test]
    fn any_change_restarts_the_wait() {
        let moved = View { geometry: Geometry { position: [11.0, 10.0], ..POPUP }, ..SEEN };
        for change in [moved, geometry([481.0, 640.0], POPUP.outer)] {
            let mut arming = seen_from_0_to(900.0);
            arming.observe(change, 900.0);
            assert_eq!(arming.state(1499.0), State::Waiting);
            assert_eq!(arming.state(1500.0), State::Armed);
        }
    }

    #[test]
    fn early_press_does_not_count_and_prolongs_the_wait() {
        let mut arming = seen_from_0_to(550.0);
        arming.press(599.0, 599.0);
        observe_until(&mut arming, 600.0, 2050.0);
        assert_eq!(arming.activate(2098.0, 2098.0), None, "the press was early");
        assert!(arming.activate(2099.0, 2099.0).is_some(), "the next one counts");

        let mut arming = seen_from_0_to(700.0);
        arming.press(700.0, 700.0);
        arming.observe(View { is_focused: false, ..SEEN }, 710.0);
        observe_until(&mut arming, 720.0, 1400.0);
        assert_eq!(arming.activate(1400.0, 1400.0), None, "the view changed in between");
    }

    #[test]
    fn fast_clicks_and_typing_never_activate() {
        let mut arming = seen_at_0();
        for click in 1..50 {
            let now = f64::from(click) * 200.0;
            observe_until(&mut arming, now - 200.0, now);
            arming.press(now, now);
            assert_eq!(arming.activate(now + 20.0, now + 20.0), None, "{now}");
        }
        let mut arming = seen_from_0_to(5000.0);
        arming.input(Input::Stray, 5000.0);
        arming.press(5120.0, 5120.0);
        assert_eq!(arming.activate(5150.0, 5150.0), None, "the key before was meant for another page");
    }

    #[test]
    fn moving_in_the_window_delays_a_little() {
        let mut arming = seen_from_0_to(1000.0);
        arming.input(Input::Moving, 1000.0);
        assert_eq!((arming.state(1299.0), arming.state(1300.0)), (State::Waiting, State::Armed));
    }

    #[test]
    fn press_counts_at_its_event_time() {
        let mut arming = seen_from_0_to(450.0);
        arming.press(483.0, 900.0);
        assert_eq!(arming.activate(490.0, 901.0), None, "handled late, pressed early");
        let mut arming = seen_from_0_to(650.0);
        arming.press(700.0, 1964.0);
        assert_eq!(arming.activate(710.0, 1965.0), None, "nothing was drawn since the last observation");
        let mut arming = seen_from_0_to(300.0);
        arming.observe(SEEN, 1900.0);
        assert_eq!(arming.state(2499.0), State::Waiting);
    }

    #[test]
    fn armed_activation_counts_with_and_without_a_press() {
        let mut arming = seen_from_0_to(700.0);
        arming.press(700.0, 700.0);
        assert_eq!(arming.activate(780.0, 780.0), Some(Activation { dwell: 780.0, hold: 80.0 }));
        assert_eq!(seen_from_0_to(550.0).activate(599.0, 599.0), None);
        assert_eq!(seen_from_0_to(900.0).activate(900.0, 900.0), Some(Activation { dwell: 900.0, hold: 0.0 }));
    }
}
