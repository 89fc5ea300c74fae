//! Finds what was altered, removed or moved in an audit log.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    ops::RangeInclusive,
};

use super::{Chain, Entry, Head};

/// Something that is wrong with a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The line is no entry. Lines count from 1.
    Unreadable(usize),
    /// The entry of this number is not what was written.
    Altered(u64),
    /// The entries of these numbers are not there.
    Missing(RangeInclusive<u64>),
    /// The entry of this number is there, but not in its place.
    Moved(u64),
    /// The entry of this number is there more than once.
    Doubled(u64),
}

/// What was found in a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How many entries were read.
    pub entries: usize,
    /// The number of the first one; earlier ones are no longer kept.
    pub first: u64,
    /// The last one.
    pub head: Head,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
}

/// Verifies a log, given as the lines that [`Entry`] prints, oldest first. `last` is what its last entry must be, if that
/// is known from elsewhere: only so can be seen that the end was cut off.
///
/// The log may begin with any number, because old entries are given up; the first one is then taken as it is, for what
/// it is chained to is gone.
pub fn verify<'a>(chain: &Chain, lines: impl IntoIterator<Item = &'a str>, last: Option<Head>) -> Report {
    let mut report = Report::default();
    let mut entries = Vec::new();
    for (at, line) in lines.into_iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        match Entry::parse(line) {
            Ok(entry) => entries.push(entry),
            Err(_) => report.findings.push(Finding::Unreadable(at + 1)),
        }
    }
    report.entries = entries.len();
    let heads: HashMap<u64, Head> = entries.iter().map(|entry| (entry.said.n, entry.head())).collect();
    let mut numbers = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        let n = entry.said.n;
        let before = at.checked_sub(1).map_or(Head::default(), |at| entries[at].head());
        if let Some(next) = entries.get(at + 1)
            && next.said.n != n.wrapping_add(1)
            && chain.hash(&entry.hash, &next.text) == next.hash
        {
            // What follows is chained to this very entry, so this one's number is not its own.
            report.findings.push(Finding::Altered(next.said.n.wrapping_sub(1)));
            numbers.insert(next.said.n.wrapping_sub(1));
            continue;
        }
        let is_last_so_far = numbers.last().is_none_or(|&last| last < n);
        if !numbers.insert(n) {
            report.findings.push(Finding::Doubled(n));
            continue;
        }
        if !is_last_so_far {
            report.findings.push(Finding::Moved(n));
        }
        let expected = if n == 1 { Some(Head::default()) } else { heads.get(&(n - 1)).copied() };
        let is_chained = chain.links(&before, entry) || expected.is_none_or(|expected| chain.links(&expected, entry));
        if !is_chained {
            report.findings.push(Finding::Altered(n));
        }
    }
    report.first = numbers.first().copied().unwrap_or_default();
    report.head = numbers.last().and_then(|n| heads.get(n)).copied().unwrap_or_default();
    report.find_gaps(&numbers);
    report.compare(last);
    report
}

impl Report {
    fn find_gaps(&mut self, numbers: &BTreeSet<u64>) {
        for (&one, &other) in numbers.iter().zip(numbers.iter().skip(1)) {
            if other - one > 1 {
                self.findings.push(Finding::Missing(one + 1..=other - 1));
            }
        }
    }

    fn compare(&mut self, last: Option<Head>) {
        match last {
            Some(last) if last.n > self.head.n => self.findings.push(Finding::Missing(self.head.n + 1..=last.n)),
            Some(last) if last != self.head => self.findings.push(Finding::Altered(self.head.n)),
            _ => {}
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(line) => write!(f, "line {line} is not an entry"),
            Self::Altered(n) => write!(f, "entry {n} was altered, or does not follow the one before it"),
            Self::Missing(numbers) if numbers.start() == numbers.end() => {
                write!(f, "entry {} is missing", numbers.start())
            }
            Self::Missing(numbers) => write!(f, "entries {} to {} are missing", numbers.start(), numbers.end()),
            Self::Moved(n) => write!(f, "entry {n} is not in its place"),
            Self::Doubled(n) => write!(f, "entry {n} is there more than once"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        audit::{Event, Outcome},
        settings::Secret,
    };

    fn chain() -> Chain {
        Chain::new(&Secret::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap())
    }

    fn log(count: u64) -> Vec<String> {
        let chain = chain();
        let mut head = Head::default();
        (1..=count)
            .map(|n| {
                let event = Event {
                    session: None,
                    user: Some("ada".parse().unwrap()),
                    action: "transfer".into(),
                    outcome: Outcome::Passed,
                    reason: (n % 2 == 0).then(|| "bad_nonce".into()),
                };
                let entry = chain.entry(&head, 1_000 * n, 1, event).unwrap();
                head = entry.head();
                entry.to_string()
            })
            .collect()
    }

    fn findings(lines: &[String], last: Option<Head>) -> Vec<Finding> {
        verify(&chain(), lines.iter().map(String::as_str), last).findings
    }

    fn head(lines: &[String]) -> Option<Head> {
        lines.last().map(|line| Entry::parse(line).unwrap().head())
    }

    #[test]
    fn a_whole_log_has_no_findings_wherever_it_begins() {
        let lines = log(20);
        for first in 0..19 {
            let report = verify(&chain(), lines[first..].iter().map(String::as_str), head(&lines));
            assert_eq!((report.findings, report.first, report.entries), (vec![], first as u64 + 1, 20 - first));
        }
        assert_eq!(findings(&[], Some(Head::default())), []);
    }

    #[test]
    fn an_altered_entry_is_named() {
        for (from, to) in [("ada", "eve"), ("\"times\":1", "\"times\":2"), ("\"n\":7", "\"n\":99")] {
            let mut lines = log(12);
            lines[6] = lines[6].replace(from, to);
            assert_eq!(findings(&lines, None), [Finding::Altered(7)], "{from}");
        }
    }

    #[test]
    fn removed_entries_are_named_also_at_the_end() {
        let whole = log(12);
        let mut lines = whole.clone();
        lines.drain(3..6);
        assert_eq!(findings(&lines, None), [Finding::Missing(4..=6)]);
        assert_eq!(findings(&whole[..10], head(&whole)), [Finding::Missing(11..=12)]);
        assert_eq!(findings(&whole[..10], None), [], "without the head, nobody can know");
    }

    #[test]
    fn moved_and_doubled_entries_are_named() {
        let mut lines = log(12);
        lines.swap(4, 5);
        assert_eq!(findings(&lines, None), [Finding::Moved(5)]);
        let mut lines = log(12);
        let fifth = lines[4].clone();
        lines.insert(8, fifth);
        assert_eq!(findings(&lines, None), [Finding::Doubled(5)]);
    }

    #[test]
    fn another_secret_makes_no_valid_log() {
        let other = Chain::new(&Secret::parse("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap());
        let lines = log(3);
        assert_eq!(verify(&other, lines.iter().map(String::as_str), None).findings.len(), 3);
    }

    proptest! {
        #[test]
        fn any_change_of_any_byte_is_found(line in 0_usize..10, at in 0_usize..200, byte in 0x20_u8..0x7f) {
            let mut lines = log(10);
            let whole = head(&lines);
            let mut bytes = lines[line].clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            lines[line] = String::from_utf8(bytes).unwrap();
            prop_assert!(!findings(&lines, whole).is_empty());
        }

        #[test]
        fn any_text_can_be_verified(text in ".*") {
            verify(&chain(), text.lines(), None);
        }
    }
}
