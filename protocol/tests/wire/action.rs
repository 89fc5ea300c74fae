//! The catalogue, and the parsing of a body as exactly one action.

use std::collections::HashSet;

use proptest::prelude::*;
use protocol::{
    action::{Level, parse},
    catalogue::Summaries,
};

use crate::{
    strategies::{self, Damage},
    test,
    test_actions::{ACTION_SUMMARIES, CATALOGUE, Order, Rename},
};

const ORDER: &str = r#"{"to":"bob","amount":1250,"note":"rent"}"#;

#[test]
fn action_names_and_paths_are_unique() {
    let names: HashSet<_> = CATALOGUE.entries().map(|entry| entry.name).collect();
    assert_eq!(names.len(), CATALOGUE.entries().count());
    for entry in CATALOGUE.entries() {
        assert_eq!(entry.path.strip_prefix("/api/"), Some(entry.name));
        assert!(entry.name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'/')), "{}", entry.name);
        assert!(entry.name.len() <= 64, "a proof could not name {}", entry.name);
        assert_eq!(CATALOGUE.at(entry.path).map(|found| found.name), Some(entry.name));
    }
}

#[test]
fn similar_path_is_not_an_action() {
    for path in ["", "/", "/api/", "/api/order/", "/api//order", "/API/order", "/api/order?", "order"] {
        assert!(CATALOGUE.at(path).is_none(), "{path}");
    }
}

#[test]
fn levels_match_the_risk_of_the_actions() {
    let level = |path| CATALOGUE.at(path).map(|entry| entry.level);
    assert_eq!(level("/api/notes"), Some(Level::Signed));
    assert_eq!(level("/api/title"), Some(Level::Interaction));
    assert_eq!(level("/api/order"), Some(Level::Confirmed));
    assert_eq!(level("/api/restore_browser"), Some(Level::Confirmed));
}

#[test]
fn summary_shows_every_argument() {
    let order = CATALOGUE.at("/api/order").unwrap().parse(ORDER.as_bytes()).unwrap();
    let summary = Summaries::new(ACTION_SUMMARIES).of("/api/order", &*order).unwrap();
    assert_eq!(summary.title, "Order");
    assert_eq!(summary.button, "Order 1250 for bob");
    let lines: Vec<_> = summary.lines.iter().map(|(label, value)| (*label, value.as_str())).collect();
    assert_eq!(lines, [("Amount", "1250"), ("To", "bob"), ("Note", "rent")]);
}

#[test]
fn noncanonical_action_body_is_rejected() {
    let entry = CATALOGUE.at("/api/order").unwrap();
    assert!(entry.parse(ORDER.as_bytes()).is_ok());
    for (why, body) in [
        ("nothing", String::new()),
        ("another type", "null".to_owned()),
        ("a list of the values", r#"["bob",1250,"rent"]"#.to_owned()),
        ("an unknown member", ORDER.replacen('}', r#","fee":1}"#, 1)),
        ("a missing member", ORDER.replacen(r#","note":"rent""#, "", 1)),
        ("a member twice", ORDER.replacen('}', r#","to":"eve"}"#, 1)),
        ("something after it", format!("{ORDER}{ORDER}")),
        ("a line break after it", format!("{ORDER}\n")),
        ("white space in it", ORDER.replacen(':', ": ", 1)),
        ("another order", r#"{"amount":1250,"to":"bob","note":"rent"}"#.to_owned()),
        ("another spelling of a character", ORDER.replacen("bob", "b\\u006fb", 1)),
        ("an amount with a fraction", ORDER.replacen("1250", "1250.0", 1)),
        ("an amount as text", ORDER.replacen("1250", "\"1250\"", 1)),
        ("an amount out of range", ORDER.replacen("1250", "0", 1)),
        ("a byte order mark", format!("\u{feff}{ORDER}")),
    ] {
        assert!(entry.parse(body.as_bytes()).is_err(), "{why}: {body}");
    }
    assert!(entry.parse(b"{\"to\":\"bob\",\"amount\":1250,\"note\":\"\xff\"}").is_err(), "not UTF-8");
    assert!(entry.parse("[".repeat(100_000).as_bytes()).is_err(), "very deep");
}

#[test]
fn action_without_arguments_takes_empty_object_only() {
    for path in ["/api/nonces", "/api/notes", "/api/sessions", "/api/revoke_others", "/api/activity", "/api/sign_out"] {
        let entry = CATALOGUE.at(path).unwrap();
        assert!(entry.parse(b"{}").is_ok(), "{}", entry.name);
        for body in ["", "[]", "null", "{ }", r#"{"a":1}"#, "{}{}"] {
            assert!(entry.parse(body.as_bytes()).is_err(), "{} {body}", entry.name);
        }
    }
}

fn order() -> impl Strategy<Value = Order> {
    (strategies::user_name(), 1..=u32::MAX, strategies::remark()).prop_map(|(to, amount, note)| Order {
        to,
        amount: amount.try_into().unwrap(),
        note,
    })
}

proptest! {
    #[test]
    fn orders_round_trip(order in order()) {
        prop_assert_eq!(parse(&serde_json::to_vec(&order).unwrap()), Ok(order));
    }

    #[test]
    fn renames_round_trip(name in strategies::title()) {
        let rename = Rename { name };
        prop_assert_eq!(parse(&serde_json::to_vec(&rename).unwrap()), Ok(rename));
    }

    #[test]
    fn no_body_panics(body: Vec<u8>) {
        for entry in CATALOGUE.entries() {
            let _ = entry.parse(&body);
        }
    }

    #[test]
    fn damaged_body_is_rejected_or_another_action(order in order(), damage in strategies::damage()) {
        let body = serde_json::to_string(&order).unwrap();
        let damaged = Damage::of(&damage, &body);
        if let Ok(other) = parse::<Order>(damaged.as_bytes()) {
            prop_assert_eq!(other == order, damaged == body);
        }
    }
}
