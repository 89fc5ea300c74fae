//! The pause after confirmations that the user did not want. No browser in here: the rules are tested natively.
//!
//! A page under attack may ask again each time that the user cancels. Three confirmations that were cancelled or ignored
//! within a minute start a pause of a minute. A confirmation is noted when it is shown and taken off the list when it is
//! confirmed, so that it also counts when its window is closed, reloaded or navigated.

const MINUTE: u64 = 60_000;

/// How many within a minute start a pause.
const UNWANTED: usize = 3;

/// The confirmations of the last two minutes that were not confirmed: Unix ms, oldest first.
#[derive(PartialEq, Debug)]
pub(super) struct Cooldown(Vec<u64>);

impl Cooldown {
    /// Reads what [`to_text`](Self::to_text) wrote. What is old, from a clock that was set back, or no number is left out.
    pub(super) fn parse(text: &str, now: u64) -> Self {
        let times = text.split(' ').filter_map(|time| time.parse::<u64>().ok());
        Self(times.filter(|&at| at <= now && now - at < 2 * MINUTE).collect())
    }

    /// For the store.
    pub(super) fn to_text(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// How long the pause still lasts, in seconds; `None` when there is none.
    pub(super) fn pause(&self, now: u64) -> Option<u32> {
        let last = self.0.iter().rev().take(UNWANTED).collect::<Vec<_>>();
        let [newest, .., oldest] = last[..] else { return None };
        let left = (newest + MINUTE).saturating_sub(now);
        let is_pause = last.len() == UNWANTED && newest - oldest <= MINUTE && left > 0;
        is_pause.then(|| u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX))
    }

    /// Notes a confirmation that is shown now.
    pub(super) fn note(&mut self, now: u64) {
        self.0.push(now);
    }

    /// Takes off the confirmation that was shown then: the user wanted it.
    pub(super) fn take_off(&mut self, shown: u64) {
        self.0.retain(|&at| at != shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn unwanted(times: &[u64]) -> Cooldown {
        Cooldown(times.iter().map(|time| NOW + time).collect())
    }

    #[test]
    fn three_within_a_minute_pause_for_a_minute() {
        let three = unwanted(&[0, 30_000, 59_000]);
        assert_eq!(three.pause(NOW + 60_000), Some(59));
        assert_eq!(three.pause(NOW + 118_999), Some(1));
        assert_eq!(three.pause(NOW + 119_000), None);
        assert_eq!(unwanted(&[0, 30_000]).pause(NOW + 31_000), None);
        assert_eq!(unwanted(&[0, 30_000, 61_000]).pause(NOW + 61_000), None);
    }

    #[test]
    fn confirmed_ones_do_not_count() {
        let mut list = unwanted(&[0, 1_000]);
        list.note(NOW + 2_000);
        assert!(list.pause(NOW + 3_000).is_some());
        list.take_off(NOW + 2_000);
        assert_eq!(list, unwanted(&[0, 1_000]));
    }

    #[test]
    fn list_survives_its_text_and_forgets_what_is_old() {
        let list = unwanted(&[0, 1_001]);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 2_000), list);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 120_100), unwanted(&[1_001]));
        assert_eq!(Cooldown::parse(&list.to_text(), NOW - 1), unwanted(&[]), "the clock was set back");
        assert_eq!(Cooldown::parse("x  NaN 99999999999999999999 -1", NOW), unwanted(&[]));
    }
}
