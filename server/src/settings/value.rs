//! The types of settings: how they are written, parsed and shown.

use std::{net::SocketAddr, path::PathBuf};

use super::{DevicePolicy, Environment, OnTheft};
use crate::{model::AtCap, origin::Origin};

/// The TOML type of a value. Environment variables are always text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TomlType {
    /// `"in quotes"`
    Text,
    /// `60`
    Number,
    /// `true`
    Truth,
    /// An empty `[group]`.
    Table,
    /// Any other type. No setting accepts it.
    Other,
}

/// The type of a setting.
pub(super) trait Value: Sized {
    /// The TOML type.
    const TOML_TYPE: TomlType;
    /// Completes the error message "… takes …".
    const EXPECTED: &'static str;

    /// Parses a text. `None` if it is not a valid value.
    fn parse(text: &str) -> Option<Self>;

    /// The value for error messages; `None` for a secret.
    fn show(&self) -> Option<String>;

    /// Whether the value is the public development secret.
    fn is_development_secret(&self) -> bool {
        false
    }
}

macro_rules! values {
    ($toml_type:ident, $expected:literal: $($type:ty)+) => {$(
        impl Value for $type {
            const TOML_TYPE: TomlType = TomlType::$toml_type;
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}

values!(Number, "a whole number in range": u16 u32 u64 usize);
values!(Truth, "true or false": bool);
values!(Text, "text": String);
values!(Text, "an IP address and a port": SocketAddr);
values!(Text, "development or production": Environment);
values!(Text, "end_oldest or refuse_new": AtCap);
values!(Text, "report or end": OnTheft);
values!(Text, "off, offer or require": DevicePolicy);

impl Value for PathBuf {
    const TOML_TYPE: TomlType = TomlType::Text;
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn show(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl Value for Origin {
    const TOML_TYPE: TomlType = TomlType::Text;
    const EXPECTED: &'static str = "http:// or https://, a lower-case host, no default port and no path";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// An optional setting.
impl<T: Value> Value for Option<T> {
    const TOML_TYPE: TomlType = T::TOML_TYPE;
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map_or_else(|| Some("nothing".to_owned()), T::show)
    }

    fn is_development_secret(&self) -> bool {
        self.as_ref().is_some_and(T::is_development_secret)
    }
}
