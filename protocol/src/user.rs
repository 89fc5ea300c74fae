//! What users type to name themselves, and the user names of PAN's own accounts.

crate::bounded_text! {
    /// What a user types to sign in: a user name, an e-mail address, or another name that the server's accounts accept.
    ///
    /// 1 to 254 characters (the longest e-mail address, RFC 5321 §4.5.3.1.3), no control characters, no white space at
    /// either end.
    Login, "login", 254, |text| !text.is_empty() && text.trim() == text && !text.contains(char::is_control)
}

crate::bounded_text! {
    /// A user name of PAN's own accounts: 3 to 32 of `a`–`z`, `0`–`9`, `-` and `_`, beginning with a letter. ASCII only,
    /// so that no two names look the same in the confirmation window.
    UserName, "user name", 32, |text| text.len() >= 3
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}
