//! The values that actions carry.

use actions::value::{DisplayName, Note};

use crate::test;

#[test]
fn display_name_is_counted_in_characters() {
    assert!("ü".repeat(64).parse::<DisplayName>().is_ok());
    assert!("ü".repeat(65).parse::<DisplayName>().is_err());
    for blank in ["", " ", "\t\n", "\u{3000}"] {
        assert!(blank.parse::<DisplayName>().is_err(), "{blank:?}");
    }
}

#[test]
fn note_is_counted_in_characters() {
    assert!("ü".repeat(140).parse::<Note>().is_ok());
    assert!("ü".repeat(141).parse::<Note>().is_err());
    assert!("".parse::<Note>().is_ok());
}
