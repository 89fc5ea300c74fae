//! The pause after confirmations that the user did not want. This module uses no browser API, so its tests run
//! natively.
//!
//! An attacker's script may request a confirmation each time the user cancels. Three confirmations that were cancelled
//! or ignored within a minute start a pause of one minute. A confirmation is added to the list when it is shown and
//! removed when it is confirmed, so that it also counts when its window is closed, reloaded or navigated.

const MINUTE: u64 = 60_000;

/// The number of unwanted confirmations within a minute that starts a pause.
const CANCELLATIONS: usize = 3;

/// The confirmations of the last two minutes that were not confirmed: Unix ms, oldest first.
#[derive(PartialEq, Debug)]
pub(super) struct Cooldown(Vec<u64>);

impl Cooldown {
    /// Parses the text of [`to_text`](Self::to_text). Skips entries that are old, in the future or not numbers.
    pub(super) fn parse(text: &str, now: u64) -> Self {
        let times = text.split(' ').filter_map(|time| time.parse::<u64>().ok());
        Self(times.filter(|&at| at <= now && now - at < 2 * MINUTE).collect())
    }

    /// The text to store.
    pub(super) fn to_text(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The rest of the pause, in seconds; `None` when there is no pause.
    pub(super) fn pause(&self, now: u64) -> Option<u32> {
        let last = self.0.iter().rev().take(CANCELLATIONS).collect::<Vec<_>>();
        let [newest, .., oldest] = last[..] else { return None };
        let left = (newest + MINUTE).saturating_sub(now);
        let is_pause = last.len() == CANCELLATIONS && newest - oldest <= MINUTE && left > 0;
        is_pause.then(|| u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX))
    }

    /// Adds a confirmation that is shown now.
    pub(super) fn add(&mut self, now: u64) {
        self.0.push(now);
    }

    /// Removes the confirmation that was shown at this time, because the user has confirmed it.
    pub(super) fn remove(&mut self, shown: u64) {
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
    fn confirmed_requests_do_not_count() {
        let mut list = unwanted(&[0, 1_000]);
        list.add(NOW + 2_000);
        assert!(list.pause(NOW + 3_000).is_some());
        list.remove(NOW + 2_000);
        assert_eq!(list, unwanted(&[0, 1_000]));
    }

    #[test]
    fn list_round_trips_without_old_entries() {
        let list = unwanted(&[0, 1_001]);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 2_000), list);
        assert_eq!(Cooldown::parse(&list.to_text(), NOW + 120_100), unwanted(&[1_001]));
        assert_eq!(Cooldown::parse(&list.to_text(), NOW - 1), unwanted(&[]), "the clock was set back");
        assert_eq!(Cooldown::parse("x  NaN 99999999999999999999 -1", NOW), unwanted(&[]));
    }
}
