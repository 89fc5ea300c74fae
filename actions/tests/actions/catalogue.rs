//! The application's catalogue.

use actions::{
    CATALOGUE, Rename, SUMMARIES, Transfer,
    value::{Amount, DisplayName, Note},
};
use proptest::{collection::vec, prelude::*};
use protocol::{
    action::{Level, parse},
    user::UserName,
};

use crate::test;

const TRANSFER: &str = r#"{"to":"bob","amount":1250,"note":"rent"}"#;

#[test]
fn levels_match_the_risk_of_the_actions() {
    let level = |path| CATALOGUE.at(path).map(|entry| entry.level);
    assert_eq!(level("/api/account"), Some(Level::Signed));
    assert_eq!(level("/api/display_name"), Some(Level::Interaction));
    assert_eq!(level("/api/transfer"), Some(Level::Confirmed));
    assert_eq!(level("/api/restore_browser"), Some(Level::Confirmed));
}

#[test]
fn summary_shows_every_argument() {
    let summary = SUMMARIES.of("/api/transfer", TRANSFER.as_bytes()).unwrap();
    assert_eq!(summary.title, "Send money");
    assert_eq!(summary.button, "Send 12.50 EUR to bob");
    let lines: Vec<_> = summary.lines.iter().map(|(label, value)| (*label, value.as_str())).collect();
    assert_eq!(lines, [("Amount", "12.50 EUR"), ("To", "bob"), ("Note", "rent")]);
}

fn user_name() -> impl Strategy<Value = UserName> {
    "[a-z][a-z0-9_-]{2,31}".prop_map(|text| text.parse().unwrap())
}

fn display_name() -> impl Strategy<Value = DisplayName> {
    vec(any::<char>(), 1..=64).prop_map(String::from_iter).prop_filter_map("only white space", |text| text.parse().ok())
}

fn note() -> impl Strategy<Value = Note> {
    vec(any::<char>(), 0..=140).prop_map(|chars| String::from_iter(chars).parse().unwrap())
}

fn transfer() -> impl Strategy<Value = Transfer> {
    (user_name(), 1..=Amount::MAX_CENTS, note()).prop_map(|(to, cents, note)| Transfer {
        to,
        amount: cents.try_into().unwrap(),
        note,
    })
}

proptest! {
    #[test]
    fn transfers_round_trip(transfer in transfer()) {
        prop_assert_eq!(parse(&serde_json::to_vec(&transfer).unwrap()), Ok(transfer));
    }

    #[test]
    fn renames_round_trip(name in display_name()) {
        let rename = Rename { name };
        prop_assert_eq!(parse(&serde_json::to_vec(&rename).unwrap()), Ok(rename));
    }
}
