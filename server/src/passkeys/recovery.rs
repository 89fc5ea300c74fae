//! Recovery codes: creates them, and uses one when a user has lost their passkeys (docs/PROTOCOL.md §12).

use axum::{Json, extract::State};
use protocol::{action::Level, built_in::CreateRecoveryCodes, push::PasskeyChange, recovery::RecoveryCode};

use super::{
    TRIES,
    store::{RecoveryCodes, UserPasskeys},
    user_handle_text,
};
use crate::{
    Server,
    audit::{Event, Outcome},
    auth::credentials::PasswordCheck,
    extract::Verified,
    model::UserId,
    rejection::Rejection,
};

/// `POST /api/create_recovery_codes`. The middleware has verified the hashes.
pub(crate) async fn create(
    State(server): State<Server>,
    request: Verified<CreateRecoveryCodes>,
) -> Result<Json<()>, Rejection> {
    let hashes = request.recovery_codes().ok_or(Rejection::Unverified)?.to_vec();
    let codes = RecoveryCodes { created: server.now(), hashes };
    let change = |passkeys: &mut UserPasskeys| {
        if passkeys.passkeys.is_empty() {
            return Err(Rejection::NothingToRecover);
        }
        passkeys.codes = Some(codes.clone());
        Ok(())
    };
    server.change_passkeys(request.user(), request.level() == Level::Attested, change).await?;
    server.publish_passkey(request.user(), Some(*request.session()), PasskeyChange::CodesCreated, "").await;
    Ok(Json(()))
}

impl Server {
    /// Uses a recovery code: removes all of the user's passkeys and codes, if the password is right and the code is the user's.
    /// For a wrong password it does the same work, and changes nothing.
    ///
    /// # Errors
    /// [`Rejection::WrongCredentials`] and [`Rejection::WrongCode`], which the client cannot distinguish.
    pub(crate) async fn use_recovery_code(
        &self,
        check: &PasswordCheck,
        code: &RecoveryCode,
    ) -> Result<UserId, Rejection> {
        let (user, is_right) = match check {
            PasswordCheck::Right(user) => (user.clone(), true),
            PasswordCheck::Wrong(user) => (user.clone(), false),
            // Any ID: what is stored for it is only read.
            PasswordCheck::UnknownLogin => (UserId::parse("unknown").map_err(|_| Rejection::Unverified)?, false),
        };
        for _ in 0..TRIES {
            let read = self.passkeys().read(&user).await;
            let hash = code.hash(&user_handle_text(&user));
            // A store of users may reject the ID of an unknown one.
            if !is_right {
                return Err(Rejection::WrongCredentials);
            }
            let (passkeys, version) = read?;
            let is_found = passkeys.codes.is_some_and(|codes| codes.hashes.contains(&hash));
            if !is_found {
                return Err(Rejection::WrongCode);
            }
            let recovered = UserPasskeys { recovered: self.now(), ..UserPasskeys::default() };
            // Of several requests with the same version one succeeds, so a code works once.
            if self.passkeys().write(&user, version, &recovered).await? {
                self.record(Event {
                    session: None,
                    user: Some(user.clone()),
                    action: "recover".into(),
                    outcome: Outcome::Passed,
                    reason: Some("passkeys_removed".into()),
                });
                return Ok(user);
            }
        }
        Err(Rejection::Conflict)
    }
}
