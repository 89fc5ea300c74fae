//! Open redirects through the return path (attack 25).

use proptest::prelude::*;
use protocol::return_path::{DEFAULT, MAX_BYTES, check};

use crate::test;

#[test]
fn app_path_is_accepted() {
    let longest = format!("/{}", "a".repeat(MAX_BYTES - 1));
    for path in ["/", "/account", "/activity?page=2", "/a/b/", "/%2F%2Fevil", "/?next=https://x.example", &longest] {
        assert_eq!(check(path), path);
    }
}

#[test]
fn other_path_becomes_the_default() {
    let too_long = format!("/{}", "a".repeat(MAX_BYTES));
    for path in [
        "",
        "account",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/a\\b",
        "/.//evil.example",
        "/a/..//evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        " /account",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nset-cookie: a=b",
        "/a\0",
        "/account#pan=forged",
        "/é",
        "/\u{202e}",
        &too_long,
    ] {
        assert_eq!(check(path), DEFAULT, "{path:?}");
    }
}

proptest! {
    /// Resolved against any origin, as RFC 3986 §5.2 and the URL standard do it, it stays on that origin.
    #[test]
    fn checked_path_never_leaves_the_origin(text in r"[/\\.:?#@%a-z0-9\t\n ]{0,20}|\PC*") {
        let path = check(&text);
        prop_assert!(path.starts_with('/') && path.len() <= MAX_BYTES);
        prop_assert!(!path.starts_with("//") && !path.contains(['\\', '#']));
        prop_assert!(path.bytes().all(|b| b.is_ascii_graphic()));
        prop_assert_eq!(check(path), path);
    }
}
