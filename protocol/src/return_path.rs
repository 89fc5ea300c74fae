//! The path on the app origin to return to after signing in or confirming.

/// The path if the requested one is missing or not accepted.
pub const DEFAULT: &str = "/account";

/// The longest accepted path, in bytes.
pub const MAX_BYTES: usize = 512;

/// Returns the requested path if it cannot leave the app origin, and [`DEFAULT`] otherwise.
///
/// Accepted are printable ASCII texts of at most [`MAX_BYTES`] that begin with `/` and have neither an empty path
/// segment (`//host` is another origin), nor `\` (browsers read it as `/`), nor a fragment. A query may follow.
///
/// ```
/// use protocol::return_path::check;
/// assert_eq!(check("/activity?page=2"), "/activity?page=2");
/// assert_eq!(check("//evil.example"), "/account");
/// assert_eq!(check("https://evil.example"), "/account");
/// ```
pub fn check(requested: &str) -> &str {
    let is_plain = requested.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#'));
    let path = requested.split('?').next().unwrap_or_default();
    let is_accepted = is_plain && requested.len() <= MAX_BYTES && path.starts_with('/') && !path.contains("//");
    if is_accepted { requested } else { DEFAULT }
}
