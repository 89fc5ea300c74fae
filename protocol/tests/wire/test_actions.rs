//! Actions of an imaginary application. The tests of `signer` and `server` use this file too.

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
    /// An action without arguments.
    ReadNotes at "notes" needs Signed {}
    summary |_read| Summary::plain("Show your notes", "Show")

    /// An action with a text argument.
    Rename at "title" needs Interaction {
        /// The new title.
        name: Title,
    }
    summary |rename| Summary {
        title: "Change the title",
        lines: vec![("New title", rename.name.to_string())],
        button: "Change title".into(),
    }

    /// An action with several arguments.
    Order at "order" needs Confirmed {
        /// The recipient.
        to: UserName,
        /// The number of items.
        amount: NonZeroU32,
        /// The purpose.
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

    /// An action that needs a passkey from an amount on.
    Pay at "pay" needs Confirmed {
        /// The amount.
        amount: NonZeroU32,
    }
    attested |pay| { pay.amount.get() >= 500 }
    summary |pay| Summary { title: "Pay", lines: vec![("Amount", pay.amount.to_string())], button: "Pay".into() }

    /// An action that always needs a passkey.
    Erase at "erase" needs Attested {}
    summary |_erase| Summary::plain("Erase everything", "Erase")
}
