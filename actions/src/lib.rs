//! The application's catalogue: every protected action, its level and its summary.
//!
//! The signing frame and the confirmation window sign only these actions. The server does not start if a server
//! function is neither here nor declared public. To add a protected action, add it here and write the server function
//! with the same path in `app`. The README has a worked example.

use protocol::{
    action::Summary,
    catalogue::{Catalogue, Summaries},
};

// <demo>
pub mod money;
// </demo>
pub mod value;

// <demo>
use money::Amount;
use protocol::user::UserName;
use value::Note;
// </demo>
use value::DisplayName;

/// Every protected action of the application.
pub static CATALOGUE: Catalogue = Catalogue::new(ACTIONS);

/// Their summaries in the confirmation window.
pub static SUMMARIES: Summaries = Summaries::new(ACTION_SUMMARIES);

protocol::actions! {
    /// Reads the account.
    ReadAccount at "account" needs Signed {}
    summary |_read| Summary::plain("Show your account", "Show")

    /// Changes the name that other users see.
    Rename at "display_name" needs Interaction {
        /// The new name.
        name: DisplayName,
    }
    summary |rename| Summary {
        title: "Change your display name",
        lines: vec![("New name", rename.name.to_string())],
        button: "Change name".into(),
    }

    // <demo>
    /// Reads an archived page of the history.
    ReadHistory at "history" needs Signed {
        /// Number of the page, from 0 for the oldest.
        page: u32,
    }
    summary |_read| Summary::plain("Show earlier transactions", "Show")

    /// Sends money to another account.
    Transfer at "transfer" needs Confirmed {
        /// The recipient.
        to: UserName,
        /// The amount to send.
        amount: Amount,
        /// The purpose; may be empty.
        note: Note,
    }
    attested |transfer| { transfer.amount.cents() >= money::ATTESTED_FROM }
    summary |transfer| Summary {
        title: "Send money",
        lines: vec![
            ("Amount", transfer.amount.to_string()),
            ("To", transfer.to.to_string()),
            ("Note", transfer.note.to_string()),
        ],
        button: format!("Send {} to {}", transfer.amount, transfer.to),
    }
    // </demo>
}
