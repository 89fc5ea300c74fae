//! Compares the JSON parser with `serde_json`.

use proptest::prelude::*;
use protocol::{
    json,
    message::{FromFrame, FromWindow, ToFrame, ToWindow},
    proof::Proof,
    sign_origin::{Bound, SignIn, Time},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    strategies::{self, Damage},
    test,
    test_actions::{Order, Rename},
};

/// Checks that `serde_json` reads an accepted text as the same value, and that its output is accepted.
fn agrees<T: Serialize + DeserializeOwned>(text: &str) -> Result<(), TestCaseError> {
    if let Ok(value) = json::read::<T>(text.as_bytes()) {
        let other: T = serde_json::from_str(text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(serde_json::to_string(&value).unwrap(), serde_json::to_string(&other).unwrap());
    }
    Ok(())
}

proptest! {
    #[test]
    fn text_round_trips(name in strategies::title()) {
        let rename = Rename { name };
        prop_assert_eq!(json::read(&serde_json::to_vec(&rename).unwrap()), Ok(rename));
    }

    #[test]
    fn proof_round_trips(proof in strategies::proof()) {
        prop_assert_eq!(json::read(&serde_json::to_vec(&proof).unwrap()), Ok(proof));
    }

    #[test]
    fn damaged_text_is_rejected_or_equals_serde_json(proof in strategies::proof(), note in strategies::remark(), damage in strategies::damage()) {
        agrees::<Proof>(&Damage::of(&damage, &serde_json::to_string(&proof).unwrap()))?;
        let order = Order { to: "bob".parse().unwrap(), amount: 1.try_into().unwrap(), note };
        agrees::<Order>(&Damage::of(&damage, &serde_json::to_string(&order).unwrap()))?;
    }

    #[test]
    fn any_text_is_rejected_or_equals_serde_json(text in r#"[\[\]{}:,"\\a-z0-9 .eE+-]{0,40}|\PC*"#) {
        agrees::<Proof>(&text)?;
        agrees::<ToFrame>(&text)?;
        agrees::<FromFrame>(&text)?;
        agrees::<ToWindow>(&text)?;
        agrees::<FromWindow>(&text)?;
        agrees::<Vec<i64>>(&text)?;
        agrees::<Vec<String>>(&text)?;
        agrees::<Option<u32>>(&text)?;
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        let _ = json::read::<ToFrame>(&bytes);
        let _ = json::read::<Bound>(&bytes);
        let _ = json::read::<SignIn>(&bytes);
    }

    #[test]
    fn numbers_round_trip(signed: i64, unsigned: u64, small: u8) {
        prop_assert_eq!(json::read(signed.to_string().as_bytes()), Ok(signed));
        prop_assert_eq!(json::read(unsigned.to_string().as_bytes()), Ok(unsigned));
        prop_assert_eq!(json::read(small.to_string().as_bytes()), Ok(small));
    }
}

#[test]
fn noncanonical_json_is_rejected() {
    assert_eq!(json::read::<Time>(br#"{"now":5}"#).map(|time| time.now), Ok(5));
    for text in [
        "",
        "[5]",
        r#"{"now":5,}"#,
        r#"{,"now":5}"#,
        r#"{"now":5 }"#,
        r#"{"now":05}"#,
        r#"{"now":-5}"#,
        r#"{"now":+5}"#,
        r#"{"now":5.0}"#,
        r#"{"now":5e0}"#,
        r#"{"now":18446744073709551616}"#,
        r#"{"now":5,"now":5}"#,
        r#"{"now":5,"then":6}"#,
        r#"{"now":5}{}"#,
        r#"{"now":5"#,
        r"{now:5}",
        r"{'now':5}",
    ] {
        assert!(json::read::<Time>(text.as_bytes()).is_err(), "{text}");
    }
    for text in [r#""\ud800""#, r#""\u00g0""#, r#""\u+041""#, r#""\x41""#, "\"\n\"", "\"a", "\"\\", "\"\\u00"] {
        assert!(json::read::<String>(text.as_bytes()).is_err(), "{text}");
    }
}
