//! Who a session belongs to.

crate::bounded_text! {
    /// What a person signs in with: 3 to 32 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with a letter. ASCII, so that no
    /// two names look the same in the confirmation window.
    UserName, "user name", 32, |text| text.len() >= 3
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}
