//! How far the person has read the news of their session. All tabs of the browser share it, and it outlives them, so that
//! what happened while none was open is news when one is.
//!
//! It is a place in the server's log and the session's public handle, nothing else.

use leptos::prelude::window;
use protocol::{push::Cursor, token::SessionHandle};

/// The name in the browser's storage. The value: `<session> <cursor>`.
pub const KEY: &str = "pan-read";

/// How far this session's news were read; `None` for a session that has read none.
pub fn of(session: SessionHandle) -> Option<Cursor> {
    let text = window().local_storage().ok()??.get_item(KEY).ok()??;
    parse(&text).filter(|(of, _)| *of == session).map(|(_, cursor)| cursor)
}

/// Keeps how far it has read. It never goes back.
pub fn keep(session: SessionHandle, cursor: Cursor) {
    if of(session).is_some_and(|kept| kept >= cursor) {
        return;
    }
    if let Ok(Some(storage)) = window().local_storage() {
        // Full or forbidden storage: then old news are shown as new ones the next time.
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
    fn only_what_it_writes_is_read() {
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
