//! The action of the demo.

use actions::{CATALOGUE, SUMMARIES, Transfer, money::Amount, value::Note};
use proptest::{collection::vec, prelude::*};
use protocol::{action::parse, user::UserName};

use crate::test;

const TRANSFER: &str = r#"{"to":"bob","amount":1250,"note":"rent"}"#;

#[test]
fn summary_shows_every_argument() {
    let transfer = CATALOGUE.at("/api/transfer").unwrap().parse(TRANSFER.as_bytes()).unwrap();
    let summary = SUMMARIES.of("/api/transfer", &*transfer).unwrap();
    assert_eq!(SUMMARIES.of("/api/display_name", &*transfer), None);
    assert_eq!(summary.title, "Send money");
    assert_eq!(summary.button, "Send 12.50 EUR to bob");
    let lines: Vec<_> = summary.lines.iter().map(|(label, value)| (*label, value.as_str())).collect();
    assert_eq!(lines, [("Amount", "12.50 EUR"), ("To", "bob"), ("Note", "rent")]);
}

fn user_name() -> impl Strategy<Value = UserName> {
    "[a-z][a-z0-9_-]{2,31}".prop_map(|text| text.parse().unwrap())
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
}
