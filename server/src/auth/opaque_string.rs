//! The `OpaqueString` profile of PRECIS (RFC 8265 §4.2): one form for passwords that keyboards send as different code
//! points.
//!
//! The rules are applied in the order of RFC 8264 §7, so the code points are checked after normalization. Decomposed
//! Hangul is therefore accepted, which the class forbids before it is composed. The Unicode tables are those of ICU4X.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        CanonicalCombiningClass, DefaultIgnorableCodePoint, EnumeratedProperty, GeneralCategory, HangulSyllableType,
        JoiningType, NoncharacterCodePoint, Script,
    },
};
use zeroize::Zeroizing;

/// A code point that the profile does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Disallowed {
    #[error("there is no character")]
    Empty,
    #[error("control character U+{:04X}", u32::from(*.0))]
    Control(char),
    #[error("unassigned code point U+{:04X}", u32::from(*.0))]
    Unassigned(char),
    /// Invisible, for private use, or not allowed next to its neighbors.
    #[error("disallowed code point U+{:04X}", u32::from(*.0))]
    Other(char),
}

/// Replaces every space by U+0020, composes (NFC), and checks every code point. Printable ASCII stays as it is.
///
/// The caller limits the length. Composing can make UTF-8 at most three times as long (UAX #15, §9).
///
/// # Errors
/// The first code point that the class does not allow.
pub(crate) fn enforce(text: &str) -> Result<Zeroizing<String>, Disallowed> {
    if text.is_empty() {
        return Err(Disallowed::Empty);
    }
    let mapped: String =
        text.chars().map(|c| if category(c) == GeneralCategory::SpaceSeparator { ' ' } else { c }).collect();
    let mapped = Zeroizing::new(mapped);
    let composed = Zeroizing::new(ComposingNormalizerBorrowed::new_nfc().normalize(&mapped).into_owned());
    let chars: Zeroizing<Vec<char>> = Zeroizing::new(composed.chars().collect());
    for at in 0..chars.len() {
        check(&chars, at)?;
    }
    Ok(composed)
}

fn property<P: EnumeratedProperty>(c: char) -> P {
    CodePointMapData::<P>::new().get(c)
}

fn category(c: char) -> GeneralCategory {
    property(c)
}

/// `FreeformClass` (RFC 8264 §§4.3, 8 and 9). The category `HasCompat` adds nothing: all its code points are letters,
/// digits, spaces, symbols or punctuation.
fn check(text: &[char], at: usize) -> Result<(), Disallowed> {
    use GeneralCategory as Gc;
    let c = text[at];
    let is_allowed = match c {
        // Exceptions (F).
        '\u{df}' | '\u{3c2}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' | '\u{3007}' => true,
        '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}' => false,
        '\u{200c}'..='\u{200d}'
        | '\u{b7}'
        | '\u{375}'
        | '\u{5f3}'..='\u{5f4}'
        | '\u{30fb}'
        | '\u{660}'..='\u{669}'
        | '\u{6f0}'..='\u{6f9}' => in_context(text, at),
        _ if CodePointSetData::new::<NoncharacterCodePoint>().contains(c) => false,
        _ => match category(c) {
            Gc::Unassigned => return Err(Disallowed::Unassigned(c)),
            Gc::Control => return Err(Disallowed::Control(c)),
            Gc::Format | Gc::LineSeparator | Gc::ParagraphSeparator | Gc::PrivateUse | Gc::Surrogate => false,
            _ => {
                let is_old_hangul = matches!(
                    property(c),
                    HangulSyllableType::LeadingJamo | HangulSyllableType::VowelJamo | HangulSyllableType::TrailingJamo
                );
                !is_old_hangul && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
            }
        },
    };
    is_allowed.then_some(()).ok_or(Disallowed::Other(c))
}

/// The contextual rules (RFC 5892, appendix A).
fn in_context(text: &[char], at: usize) -> bool {
    let before = || at.checked_sub(1).map(|at| text[at]);
    let after = || text.get(at + 1).copied();
    let has = |range: std::ops::RangeInclusive<char>| text.iter().any(|c| range.contains(c));
    let follows_virama =
        || before().is_some_and(|c| property::<CanonicalCombiningClass>(c) == CanonicalCombiningClass::Virama);
    match text[at] {
        '\u{200c}' => follows_virama() || joins(text, at),
        '\u{200d}' => follows_virama(),
        '\u{b7}' => before() == Some('l') && after() == Some('l'),
        '\u{375}' => after().is_some_and(|c| property::<Script>(c) == Script::Greek),
        '\u{5f3}' | '\u{5f4}' => before().is_some_and(|c| property::<Script>(c) == Script::Hebrew),
        '\u{30fb}' => text.iter().any(|&c| matches!(property(c), Script::Hiragana | Script::Katakana | Script::Han)),
        '\u{660}'..='\u{669}' => !has('\u{6f0}'..='\u{6f9}'),
        _ => !has('\u{660}'..='\u{669}'),
    }
}

/// Whether a zero width non-joiner breaks a cursive connection, which is what it is for.
fn joins(text: &[char], at: usize) -> bool {
    let joining = |c: &char| property::<JoiningType>(*c);
    let is_not_transparent = |joining: &JoiningType| *joining != JoiningType::Transparent;
    let left = text[..at].iter().rev().map(joining).find(is_not_transparent);
    let right = text[at + 1..].iter().map(joining).find(is_not_transparent);
    matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

#[cfg(test)]
mod tests {
    use icu_normalizer::DecomposingNormalizerBorrowed;
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 8265 §4.3.
    #[test]
    fn rfc_8265_examples_hold() {
        for text in ["correct horse battery staple", "Correct Horse Battery Staple", "πß\u{e5}", "Jack of ♦s"] {
            assert_eq!(enforce(text).as_deref().map(String::as_str), Ok(text));
        }
        assert_eq!(enforce("foo\u{1680}bar").as_deref().map(String::as_str), Ok("foo bar"));
        assert_eq!(enforce(""), Err(Disallowed::Empty));
        assert_eq!(enforce("my cat is a \u{9}by"), Err(Disallowed::Control('\t')));
    }

    #[test]
    fn disallowed_code_points_are_named() {
        for (text, disallowed) in [
            ("a\0", Disallowed::Control('\0')),
            ("a\u{7f}", Disallowed::Control('\u{7f}')),
            ("a\u{85}", Disallowed::Control('\u{85}')),
            ("a\u{378}", Disallowed::Unassigned('\u{378}')),
            ("a\u{fdd0}", Disallowed::Other('\u{fdd0}')),
            ("a\u{e000}", Disallowed::Other('\u{e000}')),
            ("a\u{ad}", Disallowed::Other('\u{ad}')),
            ("❤\u{fe0f}", Disallowed::Other('\u{fe0f}')),
            ("a\u{202e}", Disallowed::Other('\u{202e}')),
            ("a\u{2028}", Disallowed::Other('\u{2028}')),
            ("\u{1100}a", Disallowed::Other('\u{1100}')),
            ("a·b", Disallowed::Other('·')),
            ("👨\u{200d}👩", Disallowed::Other('\u{200d}')),
            ("\u{661}\u{6f1}", Disallowed::Other('\u{661}')),
        ] {
            assert_eq!(enforce(text), Err(disallowed), "{text:?}");
        }
    }

    #[test]
    fn contextual_code_points_pass_in_context() {
        let cursive = "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}";
        let sanskrit = "\u{915}\u{94d}\u{200d}\u{937}";
        for text in ["cel·la", "カ・カ", "\u{375}α", "א\u{5f3}", "\u{661}\u{662}", "\u{6f1}", cursive, sanskrit] {
            assert!(enforce(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn emoji_of_recent_unicode_versions_pass() {
        for text in ["🤖", "🫠", "🫩", "₿"] {
            assert_eq!(enforce(text).as_deref().map(String::as_str), Ok(text));
        }
    }

    #[test]
    fn composed_and_decomposed_become_one() {
        for text in ["pässwörter-1", "Ångström", "한국어 비밀번호", "Tiếng Việt", "ガギグゲゴ"] {
            let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
            assert_ne!(text, decomposed);
            assert_eq!(enforce(&decomposed), enforce(text));
            assert_eq!(enforce(text).as_deref().map(String::as_str), Ok(text));
        }
    }

    proptest! {
        #[test]
        fn printable_ascii_is_unchanged(text in "[ -~]{1,64}") {
            prop_assert_eq!(enforce(&text), Ok(Zeroizing::new(text)));
        }

        #[test]
        fn any_text_is_enforced_once_and_in_any_form(text in any::<String>()) {
            let once = enforce(&text);
            let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
            prop_assert_eq!(enforce(&decomposed), once.clone());
            if let Ok(once) = once {
                prop_assert!(once.len() <= 3 * text.len());
                prop_assert_eq!(enforce(&once), Ok(once.clone()));
            }
        }
    }
}
