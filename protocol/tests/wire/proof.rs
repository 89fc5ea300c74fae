//! The rules of interaction proofs.

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::{
    action::Level,
    proof::{self, Kind, MAX_HEADER, MAX_PATH, Proof, Recorder},
};

use crate::test;

fn page_proof() -> Proof {
    Proof {
        v: 1,
        by: Recorder::App,
        action: "display_name".to_owned(),
        kind: Kind::Pointer,
        at: 1_750_000_000_000,
        hold: 90,
        path: vec![[10, 20, 0], [3, -4, 16]],
        target: [5, 10, 100, 30],
        hit: [13, 16],
        dwell: None,
    }
}

fn window_proof() -> Proof {
    Proof { by: Recorder::Signer, kind: Kind::Confirm, dwell: Some(800), ..page_proof() }
}

/// The header of any JSON text.
fn encoded(json: &str) -> String {
    Base64UrlUnpadded::encode_string(json.as_bytes())
}

#[test]
fn proof_has_the_level_of_its_recorder() {
    assert_eq!(page_proof().level(), Level::Interaction);
    assert_eq!(window_proof().level(), Level::Confirmed);
    assert!(Level::Signed < Level::Interaction && Level::Interaction < Level::Confirmed);
}

#[test]
fn every_kind_of_input_passes() {
    for kind in [Kind::Pointer, Kind::Touch, Kind::Pen, Kind::Keyboard] {
        assert_eq!(Proof { kind, ..page_proof() }.check(), Ok(()), "{kind:?}");
        assert_eq!(Proof { kind, path: Vec::new(), ..page_proof() }.check(), Ok(()), "{kind:?} without a path");
    }
}

#[test]
fn impossible_proof_is_rejected() {
    let page = page_proof;
    let window = window_proof;
    let wrong = [
        ("another version", Proof { v: 2, ..page() }),
        ("the page says that its click was a confirmation", Proof { kind: Kind::Confirm, ..page() }),
        ("the page says how long it was seen", Proof { dwell: Some(800), ..page() }),
        ("the window confirms by a page's click", Proof { kind: Kind::Pointer, ..window() }),
        ("the window does not say how long it was seen", Proof { dwell: None, ..window() }),
        ("time runs backwards", Proof { path: vec![[0, 0, 0], [1, 1, -1]], ..page() }),
        ("the control has a negative width", Proof { target: [0, 0, -1, 1], ..page() }),
        ("the control has a negative height", Proof { target: [0, 0, 1, -1], ..page() }),
        ("the path is too long", Proof { path: vec![[0, 0, 0]; MAX_PATH + 1], ..page() }),
        ("the action's name is too long", Proof { action: "a".repeat(65), ..page() }),
    ];
    for (why, proof) in wrong {
        assert!(proof.check().is_err(), "{why}");
        assert!(proof.to_header().is_err(), "{why}");
        assert!(proof::from_header(&encoded(&serde_json::to_string(&proof).unwrap())).is_err(), "{why}");
    }
    assert_eq!(page().check(), Ok(()));
    assert_eq!(window().check(), Ok(()));
    assert_eq!(Proof { path: vec![[0, 0, 0]; MAX_PATH], ..page() }.check(), Ok(()));
}

#[test]
fn noncanonical_proof_is_rejected() {
    let json = serde_json::to_string(&page_proof()).unwrap();
    assert_eq!(proof::from_header(&encoded(&json)), Ok(Some(page_proof())));
    let array = r#"[1,"app","display_name","pointer",1750000000000,90,[],[5,10,100,30],[13,16]]"#;
    for other in [
        json.replacen(':', ": ", 1),
        format!("{json} "),
        format!("{json}{json}"),
        json.replacen("\"v\":1", "\"v\":1.0", 1),
        json.replacen("\"v\":1", "\"v\":1,\"v\":1", 1),
        json.replacen('}', ",\"dwell\":null}", 1),
        json.replacen('}', ",\"mood\":\"good\"}", 1),
        json.replacen('}', ",\"visible\":true}", 1),
        json.replacen("\"hold\":90,", "", 1),
        json.replacen("display_name", "display\\u005fname", 1),
        array.to_owned(),
    ] {
        assert!(proof::from_header(&encoded(&other)).is_err(), "{other}");
    }
    for other in ["", "None", "none ", "null", &format!("{}=", encoded(&json))] {
        assert!(proof::from_header(other).is_err(), "{other}");
    }
}

#[test]
fn header_over_limit_is_not_written_or_parsed() {
    let long = Proof { path: vec![[i32::MIN, i32::MIN, i32::MAX]; MAX_PATH], ..page_proof() };
    assert_eq!(long.check(), Ok(()), "each point by itself is fine");
    assert!(encoded(&serde_json::to_string(&long).unwrap()).len() > MAX_HEADER);
    assert!(long.to_header().is_err());
    assert!(proof::from_header(&"A".repeat(MAX_HEADER + 1)).is_err());
}
