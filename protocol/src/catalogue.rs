//! Every protected action of the application. The frame refuses to sign what is not here; the server refuses to serve
//! a server function that is neither here nor declared public.
//!
//! To protect something new: add it here, and write the server function of the same path in `app`. The README has a
//! worked example.

use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, ActionEntry, Level, Summary},
    key::{KeyThumbprint, PublicKey},
    push::{ConnectionId, Cursor, KeyId, Rejected},
    token::SessionHandle,
    value::{Amount, DisplayName, Note, UserName},
};

#[cfg(doc)]
use crate::push::SOCKET;

/// Defines each action as a type, implements [`Action`] for it, and lists it in [`CATALOGUE`].
macro_rules! actions {
    (@empty $name:ident) => { Some(|| $name {}) };
    (@empty $name:ident $($field:ident)+) => { None };
    ($(
        $(#[$doc:meta])*
        $name:ident at $path:literal needs $level:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty ),* $(,)? }
        says |$this:ident| $summary:expr
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $( $(#[$field_doc])* pub $field: $type ),* }

            impl Action for $name {
                const NAME: &'static str = $path;
                const PATH: &'static str = concat!("/api/", $path);
                const LEVEL: Level = Level::$level;
                const EMPTY: Option<fn() -> Self> = actions!(@empty $name $($field)*);

                fn summary(&self) -> Summary {
                    let $this = self;
                    $summary
                }
            }
        )+

        /// Every protected action, in the order of this file.
        pub static CATALOGUE: &[ActionEntry] = &[$(ActionEntry::of::<$name>()),+];
    };
}

actions! {
    /// More nonces, when the page has run out. Like [`RestoreBrowser`], it is signed with a nonce that the signer invents.
    Nonces at "nonces" needs Signed {}
    says |_nonces| plain("Keep this session working", "Continue")

    /// Lets the frame of this browser sign again after it has lost its key. The page has no nonce then, so the confirmation
    /// window invents one; the reply brings the next ones.
    RestoreBrowser at "restore_browser" needs Confirmed {
        /// The frame's new key, which waits for this.
        key: KeyThumbprint,
    }
    says |restore| Summary {
        title: "Restore this browser",
        lines: vec![("New key", restore.key.to_string())],
        button: "Restore".into(),
    }

    /// Agrees a key for frames that the server pushes. The frame writes it, and sends it to its own origin.
    PushKeys at "jitterbug/keys" needs Signed {
        /// The frame's public point of the agreement.
        key: PublicKey,
        /// The connection that the key is for.
        conn: ConnectionId,
    }
    says |_keys| plain("Receive news of your account", "Continue")

    /// Opens a connection for pushed frames: an event stream as its own reply, or the WebSocket at [`SOCKET`], whose first
    /// message it then is.
    PushStream at "jitterbug/stream" needs Signed {
        /// The connection.
        conn: ConnectionId,
        /// The key that was agreed for it,
        kid: KeyId,
        /// with this point of the frame's.
        key: PublicKey,
        /// The last place that was told; nothing for what is new only.
        after: Option<Cursor>,
        /// Why the connection before this one was given up, if it was because of a frame.
        rejected: Option<Rejected>,
    }
    says |_stream| plain("Receive news of your account", "Continue")

    /// Ends this session.
    SignOut at "sign_out" needs Signed {}
    says |_sign_out| plain("Sign out", "Sign out")

    /// The sessions of whoever asks.
    ReadSessions at "sessions" needs Signed {}
    says |_read| plain("Show where you are signed in", "Show")

    /// Ends one of one's own sessions.
    Revoke at "revoke" needs Confirmed {
        /// Which.
        session: SessionHandle,
    }
    says |revoke| Summary {
        title: "End a session",
        lines: vec![("Session", revoke.session.to_string())],
        button: "End it".into(),
    }

    /// Ends all of one's sessions but the one that asks.
    RevokeOthers at "revoke_others" needs Confirmed {}
    says |_revoke| plain("End all your other sessions", "End them")

    /// What was done by whoever asks, and with their sessions.
    ReadActivity at "activity" needs Signed {}
    says |_read| plain("Show what happened in your account", "Show")

    /// Balance, history and display name.
    ReadAccount at "account" needs Signed {}
    says |_read| plain("Show your account", "Show")

    /// Changes the name that others see.
    Rename at "display_name" needs Interaction {
        /// The new name.
        name: DisplayName,
    }
    says |rename| Summary {
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
    says |transfer| Summary {
        title: "Send money",
        lines: vec![
            ("Amount", transfer.amount.to_string()),
            ("To", transfer.to.to_string()),
            ("Note", transfer.note.to_string()),
        ],
        button: format!("Send {} to {}", transfer.amount, transfer.to),
    }
}

/// The catalogue's entry for a path.
///
/// ```
/// use protocol::{action::Level, catalogue::at};
/// assert_eq!(at("/api/transfer").map(|entry| entry.level), Some(Level::Confirmed));
/// assert!(at("/api/unheard_of").is_none());
/// ```
pub fn at(path: &str) -> Option<&'static ActionEntry> {
    CATALOGUE.iter().find(|entry| entry.path == path)
}

/// The summary of an action without arguments.
fn plain(title: &'static str, button: &str) -> Summary {
    Summary { title, lines: Vec::new(), button: button.to_owned() }
}
