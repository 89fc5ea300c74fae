//! JSON objects in which every member name is unique.
//!
//! JSON parsers differ in which of two equal members they use. A proof that two parsers read differently is rejected
//! (RFC 7515 section 4 lets implementations do so).

use std::{collections::BTreeMap, fmt};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON object by member name.
pub(crate) type Object = BTreeMap<String, Value>;

/// A JSON value, as far as proofs need it.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Object(Object),
    /// A number, a Boolean, null or an array. Its objects were checked for unique names too.
    Other,
}

/// Parses a JSON object, or returns `None`.
pub(crate) fn parse(bytes: &[u8]) -> Option<Object> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// A member that is a string.
pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    match object.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON with unique member names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((name, value)) = members.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a member name occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<Value>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_name() {
        let object = parse(br#"{"a":"x","b":{"c":"y"},"d":[1,{"e":null}],"f":1.5,"g":-1,"h":true}"#).expect("valid");
        assert_eq!(text(&object, "a"), Some("x"));
        assert!(matches!(object.get("b"), Some(Value::Object(inner)) if text(inner, "c") == Some("y")));
        assert_eq!(text(&object, "d"), None);
        assert_eq!(object.get("d"), Some(&Value::Other));
    }

    #[test]
    fn duplicate_names_are_rejected_at_every_depth() {
        for json in
            [r#"{"a":"1","a":"1"}"#, r#"{"a":{"b":1,"b":1}}"#, r#"{"a":[{"b":1,"b":1}]}"#, r#"{"a":"1","\u0061":"2"}"#]
        {
            assert_eq!(parse(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn other_json_is_rejected() {
        for json in ["", "[]", "\"a\"", "null", "{", "{} {}", "{\"a\":1,}", "\u{feff}{}"] {
            assert_eq!(parse(json.as_bytes()), None, "{json}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), None);
    }
}
