//! The values that a person reads on the sheet: what is read is what is signed.

use core::fmt::Write as _;

use proptest::{collection::vec, prelude::*};
use protocol::value::{Amount, DisplayName, Note, UserName, money, visible};
use regex::Regex;

use crate::{strategies, test};

/// Undoes [`visible`]: that this is possible shows that no two texts look the same.
fn meant(shown: &str) -> String {
    let mark = Regex::new("⟨U\\+([0-9A-F]{4,6})⟩").unwrap();
    let unmarked = mark.replace_all(shown, |found: &regex::Captures<'_>| {
        char::from_u32(u32::from_str_radix(&found[1], 16).unwrap()).unwrap().to_string()
    });
    unmarked.into_owned()
}

/// What the Unicode database says cannot be seen: the crate under test has a table of its own.
fn unseen() -> Regex {
    Regex::new(r"[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}--\x20]").unwrap()
}

proptest! {
    #[test]
    fn a_shown_text_has_one_meaning(text in vec(any_mean_char(), 0..40).prop_map(String::from_iter)) {
        prop_assert_eq!(meant(&visible(&text)), text);
    }

    #[test]
    fn nothing_in_a_shown_text_is_unseen(text in vec(any_mean_char(), 0..40).prop_map(String::from_iter)) {
        let shown = visible(&text);
        prop_assert!(!unseen().is_match(&shown), "{:?}", shown);
        prop_assert!(!shown.starts_with(' ') && !shown.ends_with(' ') && !shown.contains("  "), "{:?}", shown);
    }

    #[test]
    fn a_text_that_was_shown_once_only_gains_marks_for_its_marks(text in strategies::note()) {
        let shown = visible(text.as_str());
        let plain = shown.replace(['⟨', '⟩'], "");
        prop_assert_eq!(visible(&plain), plain);
    }

    #[test]
    fn every_amount_is_read_back_from_what_a_person_types(cents in 1..=Amount::MAX_CENTS) {
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

/// Mostly what an attacker would choose.
fn any_mean_char() -> impl Strategy<Value = char> {
    let mean = " ⟨⟩U+0AF\u{202e}\u{2066}\u{200b}\u{200d}\u{a0}\u{7f}\n\u{feff}\u{3164}\u{e0041}é字";
    prop_oneof![2 => proptest::sample::select(mean.chars().collect::<Vec<_>>()), 1 => any::<char>()]
}

#[test]
fn everything_that_unicode_calls_unseen_is_marked() {
    let unseen = unseen();
    let mut missed = String::new();
    for c in (0..=0x0010_FFFF).filter_map(char::from_u32) {
        let text = c.to_string();
        if unseen.is_match(&text) && visible(&text) == text {
            write!(missed, "U+{:04X} ", u32::from(c)).unwrap();
        }
    }
    assert_eq!(missed, "");
}

#[test]
fn ordinary_text_of_many_scripts_is_unchanged() {
    for text in [
        "",
        "Rent for May, flat 3 (50 %)",
        "Žluťoučký kůň – naïve façade",
        "Γειά σου Κόσμε",
        "Привет, мир",
        "שלום עולם",
        "مرحبا بالعالم",
        "नमस्ते दुनिया",
        "สวัสดีชาวโลก",
        "你好，世界",
        "こんにちは世界",
        "안녕하세요 세계",
        "გამარჯობა",
        "🎉🌍",
    ] {
        assert_eq!(visible(text), text);
    }
}

#[test]
fn tricks_are_written_out() {
    for (text, shown) in [
        ("12\u{202e}00", "12⟨U+202E⟩00"),
        ("pay\u{200b}pal", "pay⟨U+200B⟩pal"),
        ("a\nb", "a⟨U+000A⟩b"),
        ("a\u{0}", "a⟨U+0000⟩"),
        (" a", "⟨U+0020⟩a"),
        ("a ", "a⟨U+0020⟩"),
        ("a   b", "a ⟨U+0020⟩⟨U+0020⟩b"),
        ("⟨U+202E⟩", "⟨U+27E8⟩U+202E⟨U+27E9⟩"),
        ("\u{e0041}", "⟨U+E0041⟩"),
        (" ", "⟨U+0020⟩"),
    ] {
        assert_eq!(visible(text), shown);
    }
}

#[test]
fn an_amount_is_a_whole_number_of_cents_in_range() {
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
fn money_has_one_form() {
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

#[test]
fn a_user_name_looks_like_no_other() {
    for text in ["ab", "1ab", "-ab", "Alice", "al ice", "alice\n", "аlice", "ａlice", "alice\u{200b}", &"a".repeat(33)]
    {
        assert!(text.parse::<UserName>().is_err(), "{text:?}");
    }
    for text in ["abc", "a-b_9", &"a".repeat(32)] {
        assert!(text.parse::<UserName>().is_ok(), "{text:?}");
    }
}

#[test]
fn texts_are_counted_in_characters() {
    assert!("ü".repeat(64).parse::<DisplayName>().is_ok());
    assert!("ü".repeat(65).parse::<DisplayName>().is_err());
    assert!("ü".repeat(140).parse::<Note>().is_ok());
    assert!("ü".repeat(141).parse::<Note>().is_err());
    assert!("".parse::<Note>().is_ok());
    for blank in ["", " ", "\t\n", "\u{3000}"] {
        assert!(blank.parse::<DisplayName>().is_err(), "{blank:?}");
    }
}
