//! The pause after confirmations that the user did not want. No browser in here: the rules are tested natively.
//!
//! A page under attack may ask again each time that the user cancels. Three confirmations that were cancelled or ignored
//! within a minute start a pause of a minute. A confirmation is noted when it is shown and taken off the list when it is
//! confirmed, so that it also counts when its window is closed, reloaded or navigated.

const MINUTE: f64 = 60_000.0;

/// How many within a minute start a pause.
const UNWANTED: usize = 3;

/// The confirmations of the last two minutes that were not confirmed: Unix ms, oldest first.
#[derive(PartialEq, Debug)]
pub(super) struct Cooldown(Vec<f64>);

impl Cooldown {
    /// Reads what [`to_text`](Self::to_text) wrote. What is old, from a clock that was set back, or no number is left out.
    pub(super) fn parse(text: &str, now: f64) -> Self {
        let times = text.split(' ').filter_map(|time| time.parse::<f64>().ok());
        Self(times.filter(|&at| at <= now && now - at < 2.0 * MINUTE).collect())
    }

    /// For the store.
    pub(super) fn to_text(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// How long the pause still lasts, in seconds; `None` when there is none.
    pub(super) fn pause(&self, now: f64) -> Option<u32> {
        let last = self.0.iter().rev().take(UNWANTED).collect::<Vec<_>>();
        let [newest, .., oldest] = last[..] else { return None };
        let left = newest + MINUTE - now;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 60")]
        let seconds = (left / 1000.0).ceil() as u32;
        (last.len() == UNWANTED && newest - oldest <= MINUTE && left > 0.0).then_some(seconds)
    }

    /// Notes a confirmation that is shown now.
    pub(super) fn note(&mut self, now: f64) {
        self.0.push(now);
    }

    /// Takes off the confirmation that was shown then: the user wanted it.
    pub(super) fn take_off(&mut self, shown: f64) {
        self.0.retain(|at| at.to_bits() != shown.to_bits());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_800_000_000_000.0;

    fn unwanted(times: &[f64]) -> Cooldown {
        Cooldown(times.iter().map(|time| NOW + time).collect())
    }

    #[test]
    fn three_within_a_minute_pause_for_a_minute() {
        let three = unwanted(&[0.0, 30_000.0, 59_000.0]);
        assert_eq!(three.pause(NOW + 60_000.0), Some(59));
        assert_eq!(three.pause(NOW + 118_999.0), Some(1));
        assert_eq!(three.pause(NOW + 119_000.0), None);
        assert_eq!(unwanted(&[0.0, 30_000.0]).pause(NOW + 31_000.0), None);
        assert_eq!(unwanted(&[0.0, 30_000.0, 61_000.0]).pause(NOW + 61_000.0), None);
    }

    #[test]
    fn confirmed_ones_do_not_count() {
        let mut list = unwanted(&[0.0, 1_000.0]);
        list.note(NOW + 2_000.0);
        assert!(list.pause(NOW + 3_000.0).is_some());
        list.take_off(NOW + 2_000.0);
        assert_eq!(list, unwanted(&[0.0, 1_000.0]));
    }

    #[test]
    fn list_survives_its_text_and_forgets_what_is_old() {
        let list = unwanted(&[0.0, 1_000.5]);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 2_000.0), list);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 120_100.0), unwanted(&[1_000.5]));
        assert_eq!(Cooldown::parse(&list.to_text(), NOW - 1.0), unwanted(&[]), "the clock was set back");
        assert_eq!(Cooldown::parse("x  NaN 1e400", NOW), unwanted(&[]));
    }
}
