//! Push messages from the server. Each was signed for this very connection, and verified by the frame, before a component
//! receives it (docs/PROTOCOL.md §9).
//!
//! A component subscribes in one line, and receives messages for as long as it lives:
//!
//! ```no_run
//! # fn component() {
//! client::push::subscribe(|message| leptos::logging::log!("{:?}", message.push));
//! # }
//! ```
//!
//! | module | does |
//! |---|---|
//! | `reconnect` | keeps a connection open while the user is signed in and the page is visible |
//! | `connection` | one connection, by event stream or WebSocket |
//! | `sse` | parses an event stream |
//! | `backoff` | how long to wait before a reconnect |

use std::rc::Rc;

use leptos::prelude::on_cleanup;
use protocol::push::Payload;

use crate::{subscribers::Handler, tab::Tab};

mod backoff;
mod connection;
mod reconnect;
mod sse;

pub(crate) use reconnect::run;

/// Calls `handler` with every push message, for as long as the calling component lives.
///
/// [`Push::Reset`](protocol::push::Push::Reset) means that messages were missed: reload the data that is shown.
pub fn subscribe(handler: impl Fn(&Payload) + 'static) {
    add(Rc::new(handler));
}

/// [`subscribe`] without its type parameter, so that it is compiled once.
#[inline(never)]
fn add(handler: Handler) {
    // There is no tab on the server, which only renders pages.
    let Ok(tab) = Tab::current() else { return };
    let id = tab.subscribers.add(handler);
    on_cleanup(move || {
        if let Ok(tab) = Tab::current() {
            tab.subscribers.remove(id);
        }
    });
}
