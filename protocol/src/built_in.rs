//! The actions that every application has.

pub use self::{
    nonces::{Nonces, RestoreBrowser},
    outcomes::ReadOutcome,
    passkeys::{AddPasskey, CreateRecoveryCodes, ReadPasskeys, RemovePasskey},
    push::{PushKeys, PushStream},
    sessions::{ReadActivity, ReadSessions, Revoke, RevokeOthers, SignOut},
};

/// Actions that issue nonces. Served by `server`. The client generates the nonce of the request.
pub mod nonces {
    use crate::{action::Summary, actions, key::KeyThumbprint};

    actions! {
        /// Issues nonces to a page that has none.
        Nonces at "nonces" needs Signed {}
        summary |_nonces| Summary::plain("Keep this session working", "Continue")

        /// Replaces a frame key that the browser has lost. The page then has no nonce, so the confirmation window
        /// generates one.
        RestoreBrowser at "restore_browser" needs Confirmed {
            /// The frame's new key, which is pending.
            key: KeyThumbprint,
        }
        summary |restore| Summary {
            title: "Restore this browser",
            lines: vec![("New key", restore.key.to_string())],
            button: "Restore".into(),
        }
    }
}

/// The action that asks about another request. Served by `server`.
pub mod outcomes {
    use crate::{action::Summary, actions, token::Nonce};

    actions! {
        /// Asks for the outcome of a change whose response was lost. If the server has not accepted the change, it never
        /// will.
        ReadOutcome at "outcome" needs Signed {
            /// The nonce of the change.
            nonce: Nonce,
        }
        summary |_read| Summary::plain("Check a change", "Check")
    }
}

/// Actions of push connections. Served by `server`. The signing frame writes these requests without user interaction.
pub mod push {
    #[cfg(doc)]
    use crate::push::SOCKET;
    use crate::{
        action::Summary,
        actions,
        key::PublicKey,
        push::{ConnectionId, Cursor, KeyId, PushRejection},
    };

    actions! {
        /// Agrees a push key (ECDH). The frame writes this request and sends it to the sign origin.
        PushKeys at "jitterbug/keys" needs Signed on Sign {
            /// The frame's ephemeral public key.
            key: PublicKey,
            /// The connection that the key is for.
            conn: ConnectionId,
        }
        summary |_keys| Summary::plain("Receive notifications", "Continue")

        /// Opens a push connection: the response is an event stream. On the WebSocket at [`SOCKET`] this request is the
        /// first message.
        PushStream at "jitterbug/stream" needs Signed {
            /// The connection.
            conn: ConnectionId,
            /// The key that was agreed for it.
            kid: KeyId,
            /// The frame's ephemeral public key of that agreement.
            key: PublicKey,
            /// The last event that the page has received; `None` for new events only.
            after: Option<Cursor>,
            /// Why the frame rejected a message of the previous connection, if it did.
            rejected: Option<PushRejection>,
        }
        summary |_stream| Summary::plain("Receive notifications", "Continue")
    }
}

/// Actions on sessions. Served by server functions of the application.
pub mod sessions {
    use crate::{action::Summary, actions, token::SessionHandle};

    actions! {
        /// Ends this session.
        SignOut at "sign_out" needs Signed {}
        summary |_sign_out| Summary::plain("Sign out", "Sign out")

        /// Lists the user's sessions.
        ReadSessions at "sessions" needs Signed {}
        summary |_read| Summary::plain("Show where you are signed in", "Show")

        /// Ends one of the user's sessions.
        Revoke at "revoke" needs Confirmed {
            /// The session to end.
            session: SessionHandle,
        }
        summary |revoke| Summary {
            title: "End a session",
            lines: vec![("Session", revoke.session.to_string())],
            button: "End it".into(),
        }

        /// Ends all of the user's other sessions.
        RevokeOthers at "revoke_others" needs Confirmed {}
        summary |_revoke| Summary::plain("End all your other sessions", "End them")

        /// Lists recent events of the user's account.
        ReadActivity at "activity" needs Signed {}
        summary |_read| Summary::plain("Show what happened in your account", "Show")
    }
}

/// Actions on passkeys. Served by `server`.
pub mod passkeys {
    use crate::{
        action::Summary,
        actions,
        passkey::{PasskeyId, PasskeyName},
    };

    actions! {
        /// Lists the user's passkeys.
        ReadPasskeys at "passkeys" needs Signed {}
        summary |_read| Summary::plain("Show your passkeys", "Show")

        /// Adds a passkey. The confirmation window creates it.
        AddPasskey at "add_passkey" needs Confirmed {
            /// The user's name for it.
            name: PasskeyName,
        }
        // Otherwise malware could add a key of its own and use that.
        attested |_add| { true }
        summary |add| Summary {
            title: "Add a passkey",
            lines: vec![("Name", add.name.to_string())],
            button: "Add passkey".into(),
        }

        /// Removes a passkey.
        RemovePasskey at "remove_passkey" needs Confirmed {
            /// The passkey.
            passkey: PasskeyId,
            /// Its name, as the page has shown it.
            name: PasskeyName,
        }
        attested |_remove| { true }
        summary |remove| Summary {
            title: "Remove a passkey",
            lines: vec![("Name", remove.name.to_string()), ("ID", remove.passkey.to_string())],
            button: "Remove passkey".into(),
        }

        /// Replaces the user's recovery codes. The confirmation window makes them.
        CreateRecoveryCodes at "create_recovery_codes" needs Confirmed {}
        // Otherwise malware could make codes of its own and remove the passkeys with one.
        attested |_create| { true }
        summary |_create| Summary::plain("Create recovery codes", "Activate these codes")
    }
}
