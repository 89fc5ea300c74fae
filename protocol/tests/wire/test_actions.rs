//! Actions of an imaginary application.

use core::num::NonZeroU32;

use protocol::{action::Summary, catalogue::Catalogue, user::UserName};

protocol::bounded_text! {
    /// Not blank.
    Title, "title", 64, |text| !text.trim().is_empty()
}

protocol::bounded_text! {
    /// Any text.
    Remark, "remark", 140, |_text| true
}

pub(crate) static CATALOGUE: Catalogue = Catalogue::new(ACTIONS);

protocol::actions! {
    /// Without arguments.
    ReadNotes at "notes" needs Signed {}
    summary |_read| Summary::plain("Show your notes", "Show")

    /// With a text.
    Rename at "title" needs Interaction {
        /// The new title.
        name: Title,
    }
    summary |rename| Summary {
        title: "Change the title",
        lines: vec![("New title", rename.name.to_string())],
        button: "Change title".into(),
    }

    /// With several arguments.
    Order at "order" needs Confirmed {
        /// For whom.
        to: UserName,
        /// How many.
        amount: NonZeroU32,
        /// What for.
        note: Remark,
    }
    summary |order| Summary {
        title: "Order",
        lines: vec![
            ("Amount", order.amount.to_string()),
            ("To", order.to.to_string()),
            ("Note", order.note.to_string()),
        ],
        button: format!("Order {} for {}", order.amount, order.to),
    }
}
