//! How far the user has read the notifications of a session. All tabs of the browser share it, and it outlives them, so
//! that what happened while none was open counts as unread later.
//!
//! It is a cursor of the server's event log and the session's public handle, nothing else.

use leptos::prelude::window;
use protocol::{push::Cursor, token::SessionHandle};

/// The name in the browser's storage. The value: `<session> <cursor>`.
pub const KEY: &str = "pan-read";

/// How far this session's notifications were read, if at all.
pub fn of(session: SessionHandle) -> Option<Cursor> {
    let text = window().local_storage().ok()??.get_item(KEY).ok()??;
    parse(&text).filter(|(of, _)| *of == session).map(|(_, cursor)| cursor)
}

/// Stores how far the notifications were read. The cursor never moves back.
pub fn advance(session: SessionHandle, cursor: Cursor) {
    if of(session).is_some_and(|stored| stored >= cursor) {
        return;
    }
    if let Ok(Some(storage)) = window().local_storage() {
        // Full or forbidden storage: then what was read counts as unread on the next page.
        let _ = storage.set_item(KEY, &format!("{session} {cursor}"));
    }
}

fn parse(text: &str) -> Option<(SessionHandle, Cursor)> {
    let (session, cursor) = text.split_once(' ')?;
    Some((session.parse().ok()?, cursor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_text_than_its_own_is_ignored() {
        let session = "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a handle");
        let cursor = Cursor { ms: 17, n: 2 };
        assert_eq!(parse(&format!("{session} {cursor}")), Some((session, cursor)));
        for text in
            ["", "17-2", "x 17-2", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA 17", "AAAAAAAAAAAAAAAAAAAAAA  1-1"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
