//! Where a user returns on the app origin after signing in or confirming.

/// Where users return when no acceptable path is asked for.
pub const DEFAULT: &str = "/account";

/// The longest accepted path, in bytes.
pub const MAX_BYTES: usize = 512;

/// The path that was asked for, if it can only lead to the app origin; otherwise [`DEFAULT`].
///
/// Accepted are printable ASCII texts of at most [`MAX_BYTES`] that begin with `/` and have neither an empty path segment
/// (`//host` is another origin), nor `\` (browsers read it as `/`), nor a fragment. A query may follow.
///
/// ```
/// use protocol::return_path::check;
/// assert_eq!(check("/activity?page=2"), "/activity?page=2");
/// assert_eq!(check("//evil.example"), "/account");
/// assert_eq!(check("https://evil.example"), "/account");
/// ```
pub fn check(asked: &str) -> &str {
    let is_plain = asked.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#'));
    let path = asked.split('?').next().unwrap_or_default();
    let is_accepted = is_plain && asked.len() <= MAX_BYTES && path.starts_with('/') && !path.contains("//");
    if is_accepted { asked } else { DEFAULT }
}
