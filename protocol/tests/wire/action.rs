//! The catalogue, and that a body is exactly one action or none.

use std::collections::HashSet;

use proptest::prelude::*;
use protocol::{
    action::{Level, parse},
    catalogue::{CATALOGUE, Rename, Transfer, at},
    value::Amount,
};

use crate::{
    strategies::{self, Damage},
    test,
};

const TRANSFER: &str = r#"{"to":"bob","amount":1250,"note":"rent"}"#;

#[test]
fn every_action_has_its_own_name_and_path() {
    let names: HashSet<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), CATALOGUE.len());
    for entry in CATALOGUE {
        assert_eq!(entry.path.strip_prefix("/api/"), Some(entry.name));
        assert!(entry.name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'/')), "{}", entry.name);
        assert!(entry.name.len() <= 64, "a proof could not name {}", entry.name);
        assert_eq!(at(entry.path).map(|found| found.name), Some(entry.name));
    }
}

#[test]
fn a_path_that_is_nearly_an_action_is_none() {
    for path in ["", "/", "/api/", "/api/transfer/", "/api//transfer", "/API/transfer", "/api/transfer?", "transfer"] {
        assert!(at(path).is_none(), "{path}");
    }
}

#[test]
fn levels_are_what_the_actions_deserve() {
    let level = |path| at(path).map(|entry| entry.level);
    assert_eq!(level("/api/account"), Some(Level::Signed));
    assert_eq!(level("/api/display_name"), Some(Level::Interaction));
    assert_eq!(level("/api/transfer"), Some(Level::Confirmed));
    assert_eq!(level("/api/restore_browser"), Some(Level::Confirmed));
}

#[test]
fn a_summary_says_every_argument() {
    let summary = at("/api/transfer").unwrap().summarize(TRANSFER.as_bytes()).unwrap();
    assert_eq!(summary.title, "Send money");
    assert_eq!(summary.button, "Send 12.50 EUR to bob");
    let lines: Vec<_> = summary.lines.iter().map(|(label, value)| (*label, value.as_str())).collect();
    assert_eq!(lines, [("Amount", "12.50 EUR"), ("To", "bob"), ("Note", "rent")]);
}

#[test]
fn a_body_that_is_not_exactly_the_action_is_refused() {
    let entry = at("/api/transfer").unwrap();
    assert!(entry.summarize(TRANSFER.as_bytes()).is_ok());
    for (why, body) in [
        ("nothing", String::new()),
        ("another type", "null".to_owned()),
        ("a list of the values", r#"["bob",1250,"rent"]"#.to_owned()),
        ("an unknown member", TRANSFER.replacen('}', r#","fee":1}"#, 1)),
        ("a missing member", TRANSFER.replacen(r#","note":"rent""#, "", 1)),
        ("a member twice", TRANSFER.replacen('}', r#","to":"eve"}"#, 1)),
        ("something after it", format!("{TRANSFER}{TRANSFER}")),
        ("a line break after it", format!("{TRANSFER}\n")),
        ("white space in it", TRANSFER.replacen(':', ": ", 1)),
        ("another order", r#"{"amount":1250,"to":"bob","note":"rent"}"#.to_owned()),
        ("another spelling of a character", TRANSFER.replacen("bob", "b\\u006fb", 1)),
        ("an amount with a fraction", TRANSFER.replacen("1250", "1250.0", 1)),
        ("an amount as text", TRANSFER.replacen("1250", "\"1250\"", 1)),
        ("an amount out of range", TRANSFER.replacen("1250", "0", 1)),
        ("a byte order mark", format!("\u{feff}{TRANSFER}")),
    ] {
        assert!(entry.summarize(body.as_bytes()).is_err(), "{why}: {body}");
    }
    assert!(entry.summarize(b"{\"to\":\"bob\",\"amount\":1250,\"note\":\"\xff\"}").is_err(), "not UTF-8");
    assert!(entry.summarize("[".repeat(100_000).as_bytes()).is_err(), "very deep");
}

#[test]
fn an_action_without_arguments_takes_an_empty_object_and_nothing_else() {
    for path in ["/api/nonces", "/api/account", "/api/sessions", "/api/revoke_others", "/api/activity", "/api/sign_out"]
    {
        let entry = at(path).unwrap();
        assert!(entry.summarize(b"{}").is_ok(), "{}", entry.name);
        for body in ["", "[]", "null", "{ }", r#"{"a":1}"#, "{}{}"] {
            assert!(entry.summarize(body.as_bytes()).is_err(), "{} {body}", entry.name);
        }
    }
}

fn transfer() -> impl Strategy<Value = Transfer> {
    (strategies::user_name(), 1..=Amount::MAX_CENTS, strategies::note()).prop_map(|(to, cents, note)| Transfer {
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
    fn renames_round_trip(name in strategies::display_name()) {
        let rename = Rename { name };
        prop_assert_eq!(parse(&serde_json::to_vec(&rename).unwrap()), Ok(rename));
    }

    #[test]
    fn no_body_panics(body: Vec<u8>) {
        for entry in CATALOGUE {
            let _ = entry.summarize(&body);
        }
    }

    #[test]
    fn a_damaged_body_is_refused_or_is_another_action(transfer in transfer(), damage in strategies::damage()) {
        let body = serde_json::to_string(&transfer).unwrap();
        let damaged = Damage::of(&damage, &body);
        if let Ok(other) = parse::<Transfer>(damaged.as_bytes()) {
            prop_assert_eq!(other == transfer, damaged == body);
        }
    }
}
