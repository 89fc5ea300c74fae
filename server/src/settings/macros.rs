//! The [`group!`] macro, which declares a group of settings: names, types, defaults and environment variables.

/// Declares the struct of a settings group and its `read`.
///
/// A setting is `name: Type = default;`. Its variable is `PAN_<GROUP>_<NAME>`, unless brackets after the default name
/// another one.
macro_rules! group {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident in $group:literal {
            $($(#[$doc:meta])* $setting:ident: $type:ty = $default:expr $(, [$variable:ident])?;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone)]
        $vis struct $name {
            $($(#[$doc])* $vis $setting: $type,)+
        }

        impl $name {
            /// Reads these settings from the sources.
            pub(super) fn read(from: &mut $crate::settings::sources::Sources) -> Self {
                Self {
                    $($setting: from.take(
                        concat!($group, ".", stringify!($setting)),
                        None $(.or(Some(stringify!($variable))))?,
                        $default,
                    ),)+
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::read(&mut $crate::settings::sources::Sources::default())
            }
        }
    };
}

pub(super) use group;
