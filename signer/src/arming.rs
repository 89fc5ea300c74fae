//! When the sheet's button may be pressed. No browser in here: the rules are tested natively.
//!
//! A page under attack may cover the sheet, fade it, push it away, or put it under the pointer a moment before a click.
//! So the button works only after the whole sheet has been in sight for a while, without a break.

/// How long the whole sheet must have been in sight, in ms: time to see that something else is there now.
const DELAY: f64 = 500.0;

/// How long something may stand in the way, in ms, before the sheet says so: the page needs a moment to make room.
const PATIENCE: f64 = 800.0;

/// What can be known of the sheet's visibility.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that hold or not, each by itself")]
pub(crate) struct Sight {
    /// The tab is in front.
    pub(crate) awake: bool,
    /// All of the sheet, and of the frame, is within the window.
    pub(crate) whole: bool,
    /// Nothing lies over the sheet and no effect is on it; true where the browser cannot tell.
    pub(crate) clear: bool,
    /// Its content has been scrolled through to the end.
    pub(crate) read: bool,
}

/// Why the button does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Obstacle {
    /// The tab is in the background, or the frame has not been given its place.
    Away,
    /// Part of the sheet is outside the window.
    Cut,
    /// Something lies over the sheet, or it is faded or bent.
    Covered,
    /// There is more below that has not been seen.
    Unread,
}

impl Sight {
    /// What stands in the way, the worst first.
    pub(crate) fn obstacle(self) -> Option<Obstacle> {
        match self {
            Self { awake: false, .. } => Some(Obstacle::Away),
            Self { whole: false, .. } => Some(Obstacle::Cut),
            Self { clear: false, .. } => Some(Obstacle::Covered),
            Self { read: false, .. } => Some(Obstacle::Unread),
            _ => None,
        }
    }
}

/// What the sheet tells the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It cannot arm; the obstacle once it has stood there for a while.
    Blocked(Option<Obstacle>),
    /// In sight, but not yet for long enough.
    Arming,
    /// The button works.
    Armed,
}

/// A click that counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Click {
    /// For how long the sheet had been wholly in sight, in ms.
    pub(crate) dwell: f64,
    /// Time between down and up, in ms; 0 for a click without either, as assistive technology makes.
    pub(crate) hold: f64,
}

/// Follows the sheet's visibility. Times are on a clock that never goes back, in ms.
pub(crate) struct Arming {
    obstacle: Option<Obstacle>,
    /// Since when it is as it is.
    since: f64,
    press: Press,
}

/// How the button was last pressed down, until it is clicked.
#[derive(Clone, Copy)]
enum Press {
    /// Not at all: assistive technology clicks like this.
    None,
    /// While not armed, or the wait was begun again since.
    Vain,
    /// Armed, at this time.
    Good(f64),
}

impl Arming {
    /// Nothing has been seen yet.
    pub(crate) fn new(now: f64) -> Self {
        Self { obstacle: Some(Obstacle::Away), since: now, press: Press::None }
    }

    /// Takes note of how the sheet is seen now.
    pub(crate) fn look(&mut self, sight: Sight, now: f64) {
        let obstacle = sight.obstacle();
        if obstacle != self.obstacle {
            self.obstacle = obstacle;
            self.restart(now);
        }
    }

    /// Something moved: the time in sight begins again.
    pub(crate) fn restart(&mut self, now: f64) {
        self.since = now;
        if matches!(self.press, Press::Good(_)) {
            self.press = Press::Vain;
        }
    }

    /// How it stands.
    pub(crate) fn state(&self, now: f64) -> State {
        let lasted = now - self.since;
        match self.obstacle {
            // It is for the person to scroll, so there is nothing to wait for.
            Some(Obstacle::Unread) => State::Blocked(Some(Obstacle::Unread)),
            Some(obstacle) => State::Blocked((lasted >= PATIENCE).then_some(obstacle)),
            None if lasted < DELAY => State::Arming,
            None => State::Armed,
        }
    }

    /// The button goes down, by pointer or key.
    pub(crate) fn press(&mut self, now: f64) {
        self.press = if self.state(now) == State::Armed { Press::Good(now) } else { Press::Vain };
    }

    /// The button is clicked. Press and click must both fall while armed, in one unbroken time. Only a click that is
    /// not `by_pointer` may come without a press.
    pub(crate) fn click(&mut self, by_pointer: bool, now: f64) -> Option<Click> {
        let pressed = match std::mem::replace(&mut self.press, Press::None) {
            Press::Good(at) => at,
            Press::None if !by_pointer => now,
            Press::None | Press::Vain => return None,
        };
        (self.state(now) == State::Armed).then_some(Click { dwell: now - self.since, hold: now - pressed })
    }
}

/// After how long without moving, in ms, a mouse rests. A hand that sets it going again moves it by a few pixels first.
const REST: f64 = 150.0;

/// By how many pixels a mouse moves at once from rest at most.
const FIRST_STEP: u32 = 40;

/// Where a mouse was, and when.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pointer {
    /// In screen coordinates.
    pub(crate) screen: [i32; 2],
    /// In the frame's coordinates.
    pub(crate) frame: [i32; 2],
    /// On a clock that never goes back, in ms.
    pub(crate) at: f64,
}

impl Pointer {
    /// Whether the mouse appears at a place without having been moved there by hand in the frame: it comes from outside,
    /// or the frame was pushed under it. Holds at every zoom, where the two coordinates have different units.
    pub(crate) fn appears(self, before: Option<Self>) -> bool {
        let Some(before) = before else { return true };
        let moved = |now: [i32; 2], then: [i32; 2], by: u32| (0..2).any(|axis| now[axis].abs_diff(then[axis]) > by);
        let slid = self.screen == before.screen && moved(self.frame, before.frame, 1);
        let rested = self.at - before.at > REST;
        let jumped = moved(self.frame, before.frame, FIRST_STEP) || moved(self.screen, before.screen, FIRST_STEP);
        slid || (rested && jumped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Sight = Sight { awake: true, whole: true, clear: true, read: true };
    const COVERED: Sight = Sight { clear: false, ..SEEN };

    fn seen_at_0() -> Arming {
        let mut arming = Arming::new(-100.0);
        arming.look(SEEN, 0.0);
        arming
    }

    #[test]
    fn it_arms_after_half_a_second_in_sight_and_not_before() {
        let mut arming = seen_at_0();
        assert_eq!(arming.state(499.0), State::Arming);
        arming.look(SEEN, 400.0);
        assert_eq!(arming.state(500.0), State::Armed, "being seen again is not a change");
    }

    #[test]
    fn it_never_arms_unseen_and_says_why_after_a_while() {
        let mut arming = Arming::new(0.0);
        assert_eq!(arming.state(100_000.0), State::Blocked(Some(Obstacle::Away)));
        for (sight, obstacle) in [
            (COVERED, Obstacle::Covered),
            (Sight { whole: false, ..COVERED }, Obstacle::Cut),
            (Sight { awake: false, ..COVERED }, Obstacle::Away),
        ] {
            arming.look(sight, 100_000.0);
            assert_eq!(arming.state(100_100.0), State::Blocked(None));
            assert_eq!(arming.state(101_000.0), State::Blocked(Some(obstacle)));
            arming.press(101_000.0);
            assert_eq!(arming.click(true, 101_100.0), None);
            assert_eq!(arming.click(false, 101_100.0), None);
        }
        arming.look(Sight { read: false, ..SEEN }, 0.0);
        assert_eq!(arming.state(0.0), State::Blocked(Some(Obstacle::Unread)));
    }

    #[test]
    fn any_loss_of_sight_and_any_disturbance_begin_the_wait_again() {
        let mut arming = seen_at_0();
        arming.look(COVERED, 600.0);
        arming.look(SEEN, 601.0);
        assert_eq!(arming.state(1100.0), State::Arming);
        assert_eq!(arming.state(1101.0), State::Armed);
        arming.restart(1200.0);
        assert_eq!(arming.state(1699.0), State::Arming);
    }

    #[test]
    fn press_and_click_both_fall_while_armed() {
        let mut arming = seen_at_0();
        arming.press(700.0);
        assert_eq!(arming.click(true, 780.0), Some(Click { dwell: 780.0, hold: 80.0 }));
        assert_eq!(arming.click(true, 800.0), None, "a press counts once");

        let mut arming = seen_at_0();
        arming.press(499.0);
        assert_eq!(arming.click(false, 600.0), None, "a key pressed too early");

        let mut arming = seen_at_0();
        arming.press(600.0);
        arming.restart(610.0);
        assert_eq!(arming.click(false, 1200.0), None, "the wait was broken in between");
    }

    #[test]
    fn assistive_technology_clicks_without_pressing() {
        assert_eq!(seen_at_0().click(false, 499.0), None);
        assert_eq!(seen_at_0().click(false, 900.0), Some(Click { dwell: 900.0, hold: 0.0 }));
    }

    #[test]
    fn a_frame_that_is_pushed_under_the_pointer_is_noticed() {
        let at = |at, screen, frame| Pointer { screen, frame, at };
        let before = at(0.0, [500, 500], [10, 400]);
        assert!(before.appears(None));
        assert!(at(10.0, [500, 500], [10, 40]).appears(Some(before)), "the pointer stands still on the screen");
        assert!(at(900.0, [700, 500], [110, 400]).appears(Some(before)), "it jumps after a rest");
        assert!(at(900.0, [700, 500], [10, 400]).appears(Some(before)), "the frame follows it");
        assert!(!at(10.0, [500, 500], [11, 401]).appears(Some(before)), "rounding");
        assert!(!at(10.0, [700, 500], [110, 400]).appears(Some(before)), "a fast hand, at 200 %");
        assert!(!at(900.0, [504, 500], [14, 400]).appears(Some(before)), "a hand sets it going");
    }
}
