//! The components that receive push messages.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use protocol::{
    push::{Cursor, Payload},
    token::SessionHandle,
};

use crate::read_cursor;

/// A component's handler of push messages.
pub(crate) type Handler = Rc<dyn Fn(&Payload)>;

/// The components that receive push messages, and how far this page has received.
#[derive(Default)]
pub(crate) struct Subscribers {
    handlers: RefCell<Vec<(u32, Handler)>>,
    last_id: Cell<u32>,
    /// The last cursor that this page received, and for which session.
    received: Cell<Option<(SessionHandle, Cursor)>>,
}

impl Subscribers {
    /// Adds a handler. Returns its id.
    pub(crate) fn add(&self, handler: Handler) -> u32 {
        let id = self.last_id.get().wrapping_add(1);
        self.last_id.set(id);
        self.handlers.borrow_mut().push((id, handler));
        id
    }

    /// Removes the handler of that id.
    pub(crate) fn remove(&self, id: u32) {
        self.handlers.borrow_mut().retain(|(other, _)| *other != id);
    }

    /// Calls every handler.
    pub(crate) fn deliver(&self, session: SessionHandle, payload: &Payload) {
        self.received.set(Some((session, payload.id)));
        // A copy of the list: a handler may add or remove handlers.
        let handlers: Vec<Handler> = self.handlers.borrow().iter().map(|(_, handler)| Rc::clone(handler)).collect();
        for handler in handlers {
            handler(payload);
        }
    }

    /// Where the next connection resumes: after what this page has received, otherwise after what the user has read.
    pub(crate) fn resume_after(&self, session: SessionHandle) -> Option<Cursor> {
        let received = self.received.get().filter(|(of, _)| *of == session).map(|(_, cursor)| cursor);
        received.or_else(|| read_cursor::of(session))
    }
}
