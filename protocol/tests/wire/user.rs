//! User names.

use protocol::user::UserName;

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
