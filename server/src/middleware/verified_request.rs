//! A request that passed verification.

use std::{any::Any, sync::Arc};

use protocol::{
    action::{Action, ActionEntry, AnyAction, Level, Tier},
    recovery::CodeHash,
    token::SessionHandle,
};

use crate::{
    model::{Session, UserId},
    passkeys::webauthn::NewCredential,
};

/// A request whose token, signature, nonce and proof are valid. Only the verification middleware makes one; it puts it
/// into the request's extensions. Handlers take it as [`Verified`](crate::Verified).
#[derive(Clone)]
pub struct VerifiedRequest {
    pub(super) handle: SessionHandle,
    pub(super) session: Arc<Session>,
    pub(super) entry: &'static ActionEntry,
    pub(super) level: Level,
    pub(super) action: Arc<dyn AnyAction>,
    pub(super) new_passkey: Option<NewCredential>,
    pub(super) recovery_codes: Option<Vec<CodeHash>>,
}

impl VerifiedRequest {
    /// The session of the request.
    pub fn session(&self) -> &SessionHandle {
        &self.handle
    }

    /// The session as the store has it.
    pub(crate) fn session_state(&self) -> &Arc<Session> {
        &self.session
    }

    /// The user who signed in.
    pub fn user(&self) -> &UserId {
        &self.session.user
    }

    /// What a thief must copy to make this request elsewhere.
    pub fn tier(&self) -> Tier {
        self.session.tier()
    }

    /// The name of the verified action: [`Action::NAME`].
    pub fn action_name(&self) -> &'static str {
        self.entry.name
    }

    /// The level that the request reached; at least the action's.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The passkey that the request adds.
    pub(crate) fn new_passkey(&self) -> Option<&NewCredential> {
        self.new_passkey.as_ref()
    }

    /// The hashes of the recovery codes that the request creates.
    pub(crate) fn recovery_codes(&self) -> Option<&[CodeHash]> {
        self.recovery_codes.as_deref()
    }

    /// The verified action with its arguments, if it is an `A`.
    pub fn action<A: Action>(&self) -> Option<Arc<A>> {
        let action: Arc<dyn Any + Send + Sync> = self.action.clone();
        action.downcast().ok()
    }
}

impl std::fmt::Debug for VerifiedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedRequest")
            .field("session", &self.handle)
            .field("user", self.user())
            .field("action", &self.entry.name)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}
