//! A group of settings as a list: each line says a setting's name, type, default and environment variable, once.

/// Makes a group's structure and its `read`.
///
/// A setting is `name: Type = default;`. Its variable is `PAN_<GROUP>_<NAME>`, unless another stands in brackets behind
/// the default.
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
            /// Takes what the sources say of these settings.
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
