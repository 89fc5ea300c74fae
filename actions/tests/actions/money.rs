//! The values of transfers.

use actions::money::{Amount, money};
use proptest::prelude::*;

use crate::test;

proptest! {
    #[test]
    fn amount_is_parsed_from_its_typed_form(cents in 1..=Amount::MAX_CENTS) {
        let amount = Amount::try_from(cents).unwrap();
        let (whole, rest) = (cents / 100, cents % 100);
        prop_assert_eq!(Amount::from_input(&format!("{whole}.{rest:02}")), Ok(amount));
        prop_assert_eq!(Amount::from_input(&format!(" {whole},{rest:02} ")), Ok(amount));
        prop_assert_eq!(amount.to_string().replace(',', ""), format!("{whole}.{rest:02} EUR"));
        prop_assert_eq!(serde_json::to_string(&amount).unwrap(), cents.to_string());
        prop_assert_eq!(serde_json::from_str::<Amount>(&cents.to_string()).unwrap(), amount);
    }

    #[test]
    fn no_typed_amount_panics(text: String, near in "[0-9]{0,13}[.,]?[0-9]{0,4}") {
        for text in [text, near] {
            if let Ok(amount) = Amount::from_input(&text) {
                prop_assert!((1..=Amount::MAX_CENTS).contains(&amount.cents()));
            }
        }
    }
}

#[test]
fn amount_out_of_range_is_rejected() {
    for text in
        ["0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1.005", "1,000.00", "1 000", "0x10", "NaN", "inf", "", "١"]
    {
        assert!(Amount::from_input(text).is_err(), "{text}");
    }
    assert!(Amount::from_input("10000000000.00").is_ok());
    assert!(Amount::from_input("10000000000.01").is_err());
    for json in ["0", "-1", "1.0", "1.5", "1e2", "\"1\"", "null", "true", "1000000000001", "18446744073709551616"] {
        assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
    }
}

#[test]
fn money_is_formatted_with_grouping() {
    for (cents, text) in [
        (0, "0.00 EUR"),
        (5, "0.05 EUR"),
        (99_999, "999.99 EUR"),
        (100_000, "1,000.00 EUR"),
        (Amount::MAX_CENTS, "10,000,000,000.00 EUR"),
        (u64::MAX, "184,467,440,737,095,516.15 EUR"),
    ] {
        assert_eq!(money(cents), text);
    }
}
