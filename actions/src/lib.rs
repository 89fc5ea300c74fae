//! The application's catalogue: every protected action, its level and its summary.
//!
//! The signing frame and the confirmation window refuse to sign what is not here. The server refuses to serve a server
//! function that is neither here nor declared public. To protect something new: add it here, and write the server function of
//! the same path in `app`. The README has a worked example.

use protocol::{action::Summary, catalogue::Catalogue};

pub mod value;

use protocol::user::UserName;
use value::{Amount, DisplayName, Note};

/// Every protected action of the application.
pub static CATALOGUE: Catalogue = Catalogue::new(ACTIONS);

protocol::actions! {
    /// Balance, history and display name.
    ReadAccount at "account" needs Signed {}
    summary |_read| Summary::plain("Show your account", "Show")

    /// Changes the name that others see.
    Rename at "display_name" needs Interaction {
        /// The new name.
        name: DisplayName,
    }
    summary |rename| Summary {
        title: "Change your display name",
        lines: vec![("New name", rename.name.to_string())],
        button: "Change name".into(),
    }

    /// Sends money to another account.
    Transfer at "transfer" needs Confirmed {
        /// Who gets it.
        to: UserName,
        /// How much.
        amount: Amount,
        /// What for; may be empty.
        note: Note,
    }
    summary |transfer| Summary {
        title: "Send money",
        lines: vec![
            ("Amount", transfer.amount.to_string()),
            ("To", transfer.to.to_string()),
            ("Note", transfer.note.to_string()),
        ],
        button: format!("Send {} to {}", transfer.amount, transfer.to),
    }
}
