//! The application's catalogue.

use actions::{CATALOGUE, Rename, SUMMARIES, value::DisplayName};
use proptest::{collection::vec, prelude::*};
use protocol::action::{Level, parse};

use crate::test;

#[test]
fn levels_match_the_risk_of_the_actions() {
    let level = |path| CATALOGUE.at(path).map(|entry| entry.level);
    assert_eq!(level("/api/account"), Some(Level::Signed));
    assert_eq!(level("/api/display_name"), Some(Level::Interaction));
    assert_eq!(level("/api/restore_browser"), Some(Level::Confirmed));
    // <demo>
    assert_eq!(level("/api/transfer"), Some(Level::Confirmed));
    // </demo>
}

#[test]
fn summary_of_a_rename_shows_the_new_name() {
    let path = "/api/display_name";
    let rename = CATALOGUE.at(path).unwrap().parse(br#"{"name":"Ada"}"#).unwrap();
    let summary = SUMMARIES.of(path, &*rename).unwrap();
    assert_eq!(summary.lines, [("New name", "Ada".to_owned())]);
}

fn display_name() -> impl Strategy<Value = DisplayName> {
    vec(any::<char>(), 1..=64).prop_map(String::from_iter).prop_filter_map("only white space", |text| text.parse().ok())
}

proptest! {
    #[test]
    fn renames_round_trip(name in display_name()) {
        let rename = Rename { name };
        prop_assert_eq!(parse(&serde_json::to_vec(&rename).unwrap()), Ok(rename));
    }
}
