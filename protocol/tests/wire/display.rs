//! The text that the confirmation window shows is the text that is signed.

use core::fmt::Write as _;

use proptest::{collection::vec, prelude::*};
use protocol::display::{legible, visible};
use regex::Regex;

use crate::{strategies, test};

/// The inverse of [`visible`], which shows that no two texts look the same.
fn meant(shown: &str) -> String {
    let mark = Regex::new("⟨U\\+([0-9A-F]{4,6})⟩").unwrap();
    let unmarked = mark.replace_all(shown, |found: &regex::Captures<'_>| {
        char::from_u32(u32::from_str_radix(&found[1], 16).unwrap()).unwrap().to_string()
    });
    unmarked.into_owned()
}

/// The invisible characters according to the Unicode database. The crate under test has a separate table.
fn unseen() -> Regex {
    Regex::new(r"[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}--\x20]").unwrap()
}

proptest! {
    #[test]
    fn visible_text_is_unambiguous(text in vec(hostile_char(), 0..40).prop_map(String::from_iter)) {
        prop_assert_eq!(meant(&visible(&text)), text);
    }

    #[test]
    fn visible_text_has_no_hidden_character(text in vec(hostile_char(), 0..40).prop_map(String::from_iter)) {
        let shown = visible(&text);
        prop_assert!(!unseen().is_match(&shown), "{:?}", shown);
        prop_assert!(!shown.starts_with(' ') && !shown.ends_with(' ') && !shown.contains("  "), "{:?}", shown);
    }

    #[test]
    fn visible_text_only_escapes_its_brackets_again(text in strategies::remark()) {
        let shown = visible(text.as_str());
        let plain = shown.replace(['⟨', '⟩'], "");
        prop_assert_eq!(visible(&plain), plain);
    }
}

/// Mostly characters that an attacker would choose.
fn hostile_char() -> impl Strategy<Value = char> {
    let mean = " ⟨⟩U+0AF\u{202e}\u{2066}\u{200b}\u{200d}\u{a0}\u{7f}\n\u{feff}\u{3164}\u{e0041}é字";
    prop_oneof![2 => proptest::sample::select(mean.chars().collect::<Vec<_>>()), 1 => any::<char>()]
}

#[test]
fn every_hidden_unicode_character_is_escaped() {
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
fn deceptive_characters_are_escaped() {
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
fn names_of_all_scripts_are_legible() {
    for name in [
        "علی\u{200c}رضا",
        "क्\u{200d}ष",
        "田中\u{3000}太郎",
        "葛\u{e0100}城",
        "Zoë ❤\u{fe0f}",
        "👩\u{200d}👧",
        "Ἀθηνᾶ",
        "ö",
    ] {
        assert_eq!(legible(name), name);
    }
}

#[test]
fn legible_text_cannot_change_other_text() {
    // Bidirectional controls (Unicode 16, UAX #9 §2), line breaks, and characters that can hide text.
    let mut controls: Vec<char> = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').collect();
    controls.extend([
        '\u{61c}',
        '\u{200e}',
        '\u{200f}',
        '\n',
        '\0',
        '\u{2028}',
        '\u{200b}',
        '\u{e0041}',
        '\u{feff}',
        '⟨',
    ]);
    for c in controls {
        assert_eq!(legible(&format!("a{c}b")), format!("a⟨U+{:04X}⟩b", u32::from(c)));
    }
}
