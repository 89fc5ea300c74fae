//! Reads the tokens of a JSON text.

use super::{Outcome, ParseError};

/// The part of a JSON text that is not parsed yet.
pub(super) struct Reader<'de> {
    pub(super) rest: &'de str,
}

impl Reader<'_> {
    /// Consumes this text if it comes next. Returns whether it did.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Consumes this text.
    ///
    /// # Errors
    /// [`ParseError`] when another text comes next.
    pub(super) fn expect(&mut self, text: &str) -> Outcome<()> {
        if self.take(text) { Ok(()) } else { Err(ParseError) }
    }

    /// Parses an integer without its sign: no leading zero, no fraction, no exponent.
    pub(super) fn digits(&mut self) -> Outcome<u64> {
        let end = self.rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).ok_or(ParseError)?;
        self.rest = rest;
        if digits.len() > 1 && digits.starts_with('0') {
            Err(ParseError)
        } else {
            digits.parse().map_err(|_| ParseError)
        }
    }

    /// Parses a string with its quotation marks and escapes.
    pub(super) fn string(&mut self) -> Outcome<String> {
        self.expect("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or(ParseError)? {
                '"' => break,
                '\\' => text.push(match chars.next().ok_or(ParseError)? {
                    c @ ('"' | '\\') => c,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let (code, rest) = chars.as_str().split_at_checked(4).ok_or(ParseError)?;
                        chars = rest.chars();
                        // `from_str_radix` would accept a sign. A surrogate is not a character.
                        let is_hex = code.bytes().all(|b| b.is_ascii_hexdigit());
                        let code = u32::from_str_radix(code, 16).ok().filter(|_| is_hex);
                        code.and_then(char::from_u32).ok_or(ParseError)?
                    }
                    _ => return Err(ParseError),
                }),
                c if c < ' ' => return Err(ParseError),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}
