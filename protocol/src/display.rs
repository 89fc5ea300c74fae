//! Text as it is shown to the user: exactly, where it is signed, and legibly elsewhere.

use core::fmt::Write as _;

/// Makes hidden characters of a text visible, for the confirmation window.
///
/// Characters that are invisible or change the display of others are written as `⟨U+202E⟩`, so that the user reads
/// exactly what is signed.
///
/// ```
/// assert_eq!(protocol::display::visible("rent\u{202e}"), "rent⟨U+202E⟩");
/// ```
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        // A space is visible only between two other characters.
        let is_repeated_space = c == ' ' && before == ' ';
        if is_hidden(c) || is_repeated_space {
            // Writing to a String cannot fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            shown.push(c);
        }
        before = c;
    }
    if let Some(rest) = shown.strip_suffix(' ') {
        shown = format!("{rest}⟨U+0020⟩");
    }
    shown
}

/// Makes only those hidden characters visible that change how other text is displayed, for the application's pages.
///
/// Names in Persian, Hindi and Japanese, and many emoji, are misspelled without their joiners, variation selectors and wide
/// spaces. An application's page proves nothing, so unlike the confirmation window it need not show which ones there are.
///
/// ```
/// assert_eq!(protocol::display::legible("علی\u{200c}رضا"), "علی\u{200c}رضا");
/// assert_eq!(protocol::display::legible("rent\u{202e}"), "rent⟨U+202E⟩");
/// ```
pub fn legible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && !belongs_to_words(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Spaces, joiners, variation selectors, and signs that have a glyph although their category is Cf.
fn belongs_to_words(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{2000}'..='\u{200a}' | '\u{200c}'..='\u{200d}' | '\u{202f}' | '\u{205f}'
        | '\u{3000}' | '\u{fe00}'..='\u{fe0f}' | '\u{110bd}' | '\u{110cd}' | '\u{e0100}'..='\u{e01ef}')
}

/// Control, format, bidirectional, private, surrogate-free blank and default-ignorable characters (Unicode 16: general
/// categories Cc, Cf, Co, Zl, Zp, Zs but U+0020, and the property `Default_Ignorable_Code_Point`), and the brackets
/// that mark them.
fn is_hidden(c: char) -> bool {
    const HIDDEN: &[core::ops::RangeInclusive<u32>] = &[
        0x00A0..=0x00A0,     // no-break space
        0x00AD..=0x00AD,     // soft hyphen
        0x034F..=0x034F,     // combining grapheme joiner
        0x0600..=0x0605,     // Arabic number signs
        0x061C..=0x061C,     // Arabic letter mark
        0x06DD..=0x06DD,     // Arabic end of ayah
        0x070F..=0x070F,     // Syriac abbreviation mark
        0x0890..=0x0891,     // Arabic pound marks
        0x08E2..=0x08E2,     // Arabic disputed end of ayah
        0x115F..=0x1160,     // Hangul fillers
        0x1680..=0x1680,     // Ogham space
        0x17B4..=0x17B5,     // Khmer inherent vowels
        0x180B..=0x180F,     // Mongolian selectors
        0x2000..=0x200F,     // spaces, zero-width, directional marks
        0x2028..=0x202F,     // separators, bidirectional embeddings and overrides
        0x205F..=0x206F,     // mathematical space, invisible operators, isolates
        0x27E8..=0x27E9,     // ⟨ ⟩, which mark what is hidden
        0x2800..=0x2800,     // blank Braille
        0x3000..=0x3000,     // ideographic space
        0x3164..=0x3164,     // Hangul filler
        0xE000..=0xF8FF,     // private use
        0xFE00..=0xFE0F,     // variation selectors
        0xFEFF..=0xFEFF,     // byte order mark
        0xFFA0..=0xFFA0,     // half-width Hangul filler
        0xFFF0..=0xFFFC,     // specials
        0x110BD..=0x110BD,   // Kaithi number sign
        0x110CD..=0x110CD,   // Kaithi number sign above
        0x13430..=0x13442,   // Egyptian format controls and blanks
        0x16FE4..=0x16FE4,   // Khitan filler
        0x1BCA0..=0x1BCA3,   // shorthand format controls
        0x1D159..=0x1D159,   // musical null note head
        0x1D173..=0x1D17A,   // musical format controls
        0xE0000..=0xE0FFF,   // tags, variation selectors
        0xF0000..=0x10_FFFF, // private use
    ];
    c.is_control() || HIDDEN.iter().any(|range| range.contains(&u32::from(c)))
}
