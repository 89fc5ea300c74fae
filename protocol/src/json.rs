//! A parser for canonical JSON, as `serde_json` and `JSON.stringify` write it.
//!
//! The frame uses it instead of `serde_json` to keep the download small: `serde_json`'s support for floats, white space
//! and error messages would be a third of the frame. Client and server both parse actions with it, so that the window
//! shows exactly what is executed. It supports what the types of this crate need: objects, arrays, strings, integers,
//! `true`, `false`, `null`. The types bound the nesting depth, and errors carry no details.

use core::fmt;

use serde::de::{self, DeserializeOwned};

use crate::Malformed;

mod deserializer;
mod reader;

use reader::Reader;

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
