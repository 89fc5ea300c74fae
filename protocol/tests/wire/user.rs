//! Logins and user names.

use protocol::user::{Login, UserName};

use crate::test;

#[test]
fn confusable_user_name_is_rejected() {
    for text in ["ab", "1ab", "-ab", "Alice", "al ice", "alice\n", "аlice", "ａlice", "alice\u{200b}", &"a".repeat(33)]
    {
        assert!(text.parse::<UserName>().is_err(), "{text:?}");
    }
    for text in ["abc", "a-b_9", &"a".repeat(32)] {
        assert!(text.parse::<UserName>().is_ok(), "{text:?}");
    }
}

#[test]
fn login_has_no_control_characters_and_no_padding() {
    for text in ["", " ada", "ada ", "a\nda", "ada\0", "\u{a0}", &"a".repeat(255)] {
        assert!(text.parse::<Login>().is_err(), "{text:?}");
    }
    for text in ["a", "Ada Lovelace", "ada+x@example.org", "ädä@пример.рф", &"ü".repeat(254)] {
        assert!(text.parse::<Login>().is_ok(), "{text:?}");
    }
}
