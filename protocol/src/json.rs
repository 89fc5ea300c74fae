//! A parser for canonical JSON, as `serde_json` and `JSON.stringify` write it.
//!
//! The frame uses it instead of `serde_json` to keep the download small: `serde_json`'s support for floats, white space
//! and error messages would be a third of the frame. Client and server both parse actions with it, so that the window
//! shows exactly what is executed. It supports what the types of this crate need: objects, arrays, strings, integers,
//! `true`, `false`, `null`. The types bound the nesting depth, and errors carry no details.

use core::fmt;

use serde::{
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

use crate::Malformed;

/// Parses a value. Rejects white space, fractions, exponents, unknown members (even if the type allows them) and any
/// text after the value.
///
/// ```
/// use protocol::sign_origin::Time;
/// assert_eq!(protocol::json::read::<Time>(br#"{"now":5}"#).map(|time| time.now), Ok(5));
/// assert!(protocol::json::read::<Time>(br#"{"now": 5}"#).is_err());
/// ```
///
/// # Errors
/// [`Malformed`] when the text is not such a value.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Malformed> {
    let malformed = Malformed("JSON text");
    let mut reader = Reader { rest: str::from_utf8(text).map_err(|_| malformed)? };
    let value = T::deserialize(&mut reader).map_err(|ParseError| malformed)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(malformed) }
}

/// A parse error without details.
#[derive(Debug)]
struct ParseError;

type Outcome<T> = Result<T, ParseError>;

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed")
    }
}

impl core::error::Error for ParseError {}

/// The provided methods format a message, which would pull in the formatting of floats. So all are replaced.
impl de::Error for ParseError {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
    fn invalid_type(_found: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self
    }
    fn invalid_value(_found: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        Self
    }
    fn invalid_length(_found: usize, _expected: &dyn de::Expected) -> Self {
        Self
    }
    fn unknown_variant(_found: &str, _expected: &'static [&'static str]) -> Self {
        Self
    }
    fn unknown_field(_found: &str, _expected: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_name: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_name: &'static str) -> Self {
        Self
    }
}

struct Reader<'de> {
    rest: &'de str,
}

impl Reader<'_> {
    /// Consumes this text if it comes next. Returns whether it did.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Outcome<()> {
        if self.take(text) { Ok(()) } else { Err(ParseError) }
    }

    /// Parses an integer without its sign: no leading zero, no fraction, no exponent.
    fn digits(&mut self) -> Outcome<u64> {
        let end = self.rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).ok_or(ParseError)?;
        self.rest = rest;
        if digits.len() > 1 && digits.starts_with('0') {
            Err(ParseError)
        } else {
            digits.parse().map_err(|_| ParseError)
        }
    }

    fn string(&mut self) -> Outcome<String> {
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

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = ParseError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Outcome<V::Value> {
        Err(ParseError)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let is_true = self.take("true");
        if !is_true {
            self.expect("false")?;
        }
        visitor.visit_bool(is_true)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_u64(self.digits()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let is_negative = self.take("-");
        let magnitude = i64::try_from(self.digits()?).map_err(|_| ParseError)?;
        match (is_negative, magnitude) {
            (true, 0) => Err(ParseError),
            (true, _) => visitor.visit_i64(-magnitude),
            (false, _) => visitor.visit_i64(magnitude),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        if self.take("null") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Outcome<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.expect("[")?;
        let mut items = Items { reader: self, end: "]", first: true };
        let value = visitor.visit_seq(&mut items)?;
        items.finish()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Outcome<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.expect("{")?;
        let mut items = Items { reader: self, end: "}", first: true };
        let value = visitor.visit_map(&mut items)?;
        items.finish()?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        if !self.take("{") {
            return visitor.visit_enum(self.string()?.into_deserializer());
        }
        let value = visitor.visit_enum(Variant { reader: self })?;
        self.expect("}")?;
        Ok(value)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple_struct ignored_any
    }
}

/// The items of an array, or the members of an object.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    end: &'static str,
    first: bool,
}

impl Items<'_, '_> {
    /// Whether there is another item. Consumes the comma but not the end.
    fn more(&mut self) -> Outcome<bool> {
        if self.reader.rest.starts_with(self.end) {
            return Ok(false);
        }
        if !core::mem::take(&mut self.first) {
            self.reader.expect(",")?;
        }
        Ok(true)
    }

    fn finish(self) -> Outcome<()> {
        self.reader.expect(self.end)
    }
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = ParseError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = ParseError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Outcome<Option<K::Value>> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Outcome<V::Value> {
        self.reader.expect(":")?;
        seed.deserialize(&mut *self.reader)
    }
}

/// A variant with content: `"name":content`, between braces.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ParseError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Outcome<(V::Value, Self)> {
        let name = seed.deserialize(&mut *self.reader)?;
        self.reader.expect(":")?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ParseError;

    /// A variant without content is encoded as a string.
    fn unit_variant(self) -> Outcome<()> {
        Err(ParseError)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Outcome<T::Value> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Outcome<V::Value> {
        de::Deserializer::deserialize_seq(self.reader, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Outcome<V::Value> {
        de::Deserializer::deserialize_map(self.reader, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Level,
        message::{FrameRequest, SignRequest, ToFrame},
        proof::{Kind, Proof, Recorder},
        sign_origin::Time,
        token::{Nonce, SessionHandle},
    };

    fn to_frame(body: &str) -> ToFrame {
        let proof = Proof {
            v: 1,
            by: Recorder::App,
            action: "title".to_owned(),
            kind: Kind::Touch,
            at: u64::MAX,
            hold: 0,
            path: vec![[-3, 0, 7], [i32::MIN, i32::MAX, 1]],
            target: [-1, 2, 3, 4],
            hit: [0, 0],
            dwell: None,
        };
        let session = SessionHandle::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("22 characters");
        let to_sign = SignRequest {
            session,
            path: "/api/title".to_owned(),
            body: body.to_owned(),
            level: Level::Interaction,
            nonce: Some(Nonce::new([7; 16])),
            proof: Some(proof),
        };
        ToFrame { id: 7, request: FrameRequest::Sign(Box::new(to_sign)) }
    }

    #[test]
    fn output_of_serde_json_is_accepted() {
        for body in ["", "\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}", "grüße 😀 \u{202e}\u{2028}", r#"{"name":"\u0041"}"#]
        {
            let text = serde_json::to_vec(&to_frame(body)).expect("has a text");
            assert_eq!(read::<ToFrame>(&text), Ok(to_frame(body)), "{body}");
        }
        let session = SessionHandle::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("22 characters");
        let without = ToFrame { id: 0, request: FrameRequest::Forget { session } };
        assert_eq!(read::<ToFrame>(br#"{"id":0,"ask":{"forget":{"session":"AAAAAAAAAAAAAAAAAAAAAA"}}}"#), Ok(without));
        assert_eq!(read::<Vec<[i32; 1]>>(b"[]"), Ok(Vec::new()));
    }

    #[test]
    fn other_encodings_are_rejected() {
        for text in [
            "",
            " ",
            "5",
            "{}",
            "[5]",
            r#"{"now":5}x"#,
            r#"{"now":5,}"#,
            r#"{,"now":5}"#,
            r#"{"now":5"#,
            r#"{ "now":5}"#,
            r#"{"now":05}"#,
            r#"{"now":-5}"#,
            r#"{"now":+5}"#,
            r#"{"now":5.0}"#,
            r#"{"now":5e0}"#,
            r#"{"now":"5"}"#,
            r#"{"now":18446744073709551616}"#,
            r#"{"now":5,"now":5}"#,
            r#"{"now":5,"then":5}"#,
            r#"{"now":null}"#,
        ] {
            assert!(read::<Time>(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["\"\n\"", r#""\x""#, r#""\u+041""#, r#""\u00""#, r#""\ud800""#, r#""\uDC00""#, r#"""#, r#""\"#] {
            assert!(read::<String>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read::<String>(b"\"\xff\"").is_err(), "not UTF-8");
        assert!(read::<i32>(b"-0").is_err());
        assert!(read::<Vec<i32>>(b"[1,]").is_err());
        assert!(read::<Vec<i32>>(b"[,1]").is_err());
        assert!(read::<Level>(br#"{"signed":null}"#).is_err());
    }
}
