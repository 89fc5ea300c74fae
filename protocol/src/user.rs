//! User names.

crate::bounded_text! {
    /// A user name: 3 to 32 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with a letter. ASCII only, so that no two names
    /// look the same in the confirmation window.
    UserName, "user name", 32, |text| text.len() >= 3
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}
