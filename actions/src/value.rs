//! The values that the application's actions carry.

use protocol::bounded_text;

bounded_text! {
    /// The name that other users see: 1 to 64 characters, not only white space.
    DisplayName, "display name", 64, |text| !text.trim().is_empty()
}

bounded_text! {
    /// A note: up to 140 characters, may be empty.
    Note, "note", 140, |_text| true
}
