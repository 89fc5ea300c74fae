//! Verifies an audit log: finds altered, missing and moved entries.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::RangeInclusive,
};

use super::{
    chain::Chain,
    entry::{AuditEntry, Hash, Head},
};

/// A defect of an audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The line is not an entry. Lines count from 1.
    Unreadable(usize),
    /// The entry with this number was altered.
    Altered(u64),
    /// The entries with these numbers are missing.
    Missing(RangeInclusive<u64>),
    /// The entries with these numbers are missing at the beginning, although the store should still keep them.
    CutOff(RangeInclusive<u64>),
    /// The entry with this number is out of order.
    Moved(u64),
    /// The entry with this number occurs more than once.
    Doubled(u64),
}

/// The result of verifying a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Number of entries read.
    pub entries: usize,
    /// The number of the first entry; earlier entries are no longer kept.
    pub first: u64,
    /// The last entry.
    pub head: Head,
    /// The defects, in the order of the log.
    pub findings: Vec<Finding>,
}

/// Verifies a log, given as the lines that [`AuditEntry`] prints, oldest first.
///
/// `last` is the expected last entry, if it is known from another source. Without it, missing entries at the end are
/// not detected.
///
/// The log may begin with any number, because the store deletes old entries. [`Report::expect_kept`] checks whether too
/// many are missing.
pub fn verify<'a>(chain: &Chain, lines: impl IntoIterator<Item = &'a str>, last: Option<Head>) -> Report {
    let mut report = Report::default();
    let mut entries = Vec::new();
    for (at, line) in lines.into_iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        match AuditEntry::parse(line) {
            Ok(entry) => entries.push((chain.is_valid(&entry), entry)),
            Err(_) => report.findings.push(Finding::Unreadable(at + 1)),
        }
    }
    report.entries = entries.len();
    let mut genuine = HashMap::from([(0, Hash::default())]);
    for (_, entry) in entries.iter().filter(|(is_genuine, _)| *is_genuine) {
        genuine.entry(entry.body.n).or_insert(entry.hash);
    }
    let mut found = BTreeMap::new();
    for (at, (is_genuine, entry)) in entries.iter().enumerate() {
        let n = if *is_genuine { entry.body.n } else { position(&entries, at) };
        let is_last_so_far = found.last_key_value().is_none_or(|(&last, _)| last < n);
        let is_new = found.insert(n, Head { n, hash: entry.hash }).is_none();
        // An unaltered entry must name the previous hash. What an altered entry names means nothing.
        let follows = !is_genuine || genuine.get(&n.wrapping_sub(1)).is_none_or(|before| *before == entry.before);
        if !is_new {
            report.findings.push(Finding::Doubled(n));
        } else if !is_genuine || !follows {
            report.findings.push(Finding::Altered(n));
        } else if !is_last_so_far {
            report.findings.push(Finding::Moved(n));
        }
    }
    report.first = found.keys().next().copied().unwrap_or_default();
    report.head = found.values().last().copied().unwrap_or_default();
    report.find_gaps(&found);
    report.compare(last);
    report
}

/// The number of an altered entry, derived from a neighbour that is chained to it.
///
/// The entry's own number may be what was altered; it is the fallback.
fn position(entries: &[(bool, AuditEntry)], at: usize) -> u64 {
    let entry = &entries[at].1;
    let beside = |at: Option<usize>| at.and_then(|at| entries.get(at)).filter(|(is_genuine, _)| *is_genuine);
    if let Some((_, next)) = beside(at.checked_add(1))
        && next.before == entry.hash
    {
        return next.body.n.wrapping_sub(1);
    }
    match beside(at.checked_sub(1)) {
        Some((_, before)) if before.hash == entry.before => before.body.n.wrapping_add(1),
        _ => entry.body.n,
    }
}

impl Report {
    /// Checks that no entries are missing at the beginning of a log from a store that keeps the newest `keep` entries.
    ///
    /// `newest` is the number of the store's last entry. Read it after the lines: the store may delete old entries
    /// meanwhile.
    pub fn expect_kept(&mut self, newest: u64, keep: usize) {
        let oldest = newest.saturating_sub(u64::try_from(keep).unwrap_or(u64::MAX)).saturating_add(1);
        if self.first > oldest {
            self.findings.insert(0, Finding::CutOff(oldest..=self.first - 1));
        }
    }

    fn find_gaps(&mut self, found: &BTreeMap<u64, Head>) {
        for (&one, &other) in found.keys().zip(found.keys().skip(1)) {
            if other - one > 1 {
                self.findings.push(Finding::Missing(one + 1..=other - 1));
            }
        }
    }

    fn compare(&mut self, last: Option<Head>) {
        match last {
            Some(last) if last.n > self.head.n => self.findings.push(Finding::Missing(self.head.n + 1..=last.n)),
            Some(last) if last != self.head && !self.findings.contains(&Finding::Altered(self.head.n)) => {
                self.findings.push(Finding::Altered(self.head.n));
            }
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
            Self::CutOff(numbers) => write!(
                f,
                "entries {} to {} are missing at the beginning; or audit.keep was raised after they were deleted",
                numbers.start(),
                numbers.end()
            ),
            Self::Moved(n) => write!(f, "entry {n} is not in its place"),
            Self::Doubled(n) => write!(f, "entry {n} occurs more than once"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        audit::{AuditLog, Event, Outcome},
        settings::Secret,
    };

    fn chain() -> Chain {
        Chain::new(&Secret::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(), AuditLog::Security)
    }

    fn log(count: u64) -> Vec<String> {
        let chain = chain();
        let mut head = Head::default();
        (1..=count)
            .map(|n| {
                let event = Event {
                    session: None,
                    user: Some("ada".parse().unwrap()),
                    action: "order".into(),
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
        lines.last().map(|line| AuditEntry::parse(line).unwrap().head())
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
        assert_eq!(findings(&whole[..10], None), [], "undetectable without the head");
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
        let other =
            Chain::new(&Secret::parse("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(), AuditLog::Security);
        let lines = log(3);
        assert_eq!(verify(&other, lines.iter().map(String::as_str), None).findings.len(), 3);
    }

    #[test]
    fn what_a_store_should_still_have_is_missed_at_the_beginning() {
        let lines = log(12);
        let findings = |first: usize, newest, keep| {
            let mut report = verify(&chain(), lines[first - 1..].iter().map(String::as_str), head(&lines));
            report.expect_kept(newest, keep);
            report.findings
        };
        assert_eq!(findings(1, 12, 100), []);
        assert_eq!(findings(8, 12, 5), []);
        assert_eq!(findings(9, 12, 5), [Finding::CutOff(8..=8)]);
        assert_eq!(findings(4, 12, 100), [Finding::CutOff(1..=3)]);
        // Three entries were written since, and three deleted for them.
        assert_eq!(findings(8, 15, 8), []);
    }

    #[test]
    fn an_entry_of_another_log_with_the_same_secret_is_named() {
        let mut lines = log(12);
        // The log continues from its fifth entry a second time, as after a rollback of the store.
        let chain = chain();
        let before = AuditEntry::parse(&lines[4]).unwrap().head();
        let event = AuditEntry::parse(&lines[0]).unwrap().body.event;
        lines[5] = chain.entry(&before, 7, 1, event).unwrap().to_string();
        assert_eq!(findings(&lines, None), [Finding::Altered(7)], "it does not follow the sixth");
    }

    proptest! {
        #[test]
        fn any_change_of_any_byte_is_found_wherever_the_log_begins(
            first in 0_usize..10, line in 0_usize..10, at in 0_usize..250, byte in 0x20_u8..0x7f,
        ) {
            let mut lines = log(10).split_off(first);
            let line = line % lines.len();
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
