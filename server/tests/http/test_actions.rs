//! Actions of an imaginary application.

use std::num::NonZeroU32;

use protocol::{action::Summary, catalogue::Catalogue};

pub(crate) static CATALOGUE: Catalogue = Catalogue::new(ACTIONS);

protocol::actions! {
    /// Without arguments.
    ReadNotes at "notes" needs Signed {}
    summary |_read| Summary::plain("Show your notes", "Show")

    /// With a text.
    Rename at "title" needs Interaction {
        /// The new title.
        name: String,
    }
    summary |rename| Summary {
        title: "Change the title",
        lines: vec![("New title", rename.name.clone())],
        button: "Change title".into(),
    }

    /// With several arguments.
    Order at "order" needs Confirmed {
        /// For whom.
        to: String,
        /// How many.
        amount: NonZeroU32,
        /// What for.
        note: String,
    }
    summary |order| Summary {
        title: "Order",
        lines: vec![("Amount", order.amount.to_string()), ("To", order.to.clone()), ("Note", order.note.clone())],
        button: "Order".into(),
    }
}
