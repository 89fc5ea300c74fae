//! Bounds how many passwords are checked at the same time.

use std::{sync::Arc, thread::available_parallelism};

use tokio::sync::Semaphore;

use super::{credentials::CredentialError, known_devices::KnownDevice, password_hasher::WAITING_PER_CORE};
use crate::{rejection::Rejection, store::StoreError};

/// The places for password checks and registrations of unknown devices: three quarters of the hashing queue. The others
/// are for known devices, so a flood of attempts, from however many addresses, does not lock their users out.
pub(crate) struct PasswordAttempts(Arc<Semaphore>);

impl PasswordAttempts {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores * WAITING_PER_CORE * 3 / 4)))
    }

    /// Runs an attempt. It takes its place until it ends, even if the client disconnects.
    ///
    /// # Errors
    /// [`Rejection::Busy`] without a free place; otherwise those of the attempt.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        device: Option<&KnownDevice>,
        attempt: impl Future<Output = Result<T, CredentialError>> + Send + 'static,
    ) -> Result<T, Rejection> {
        let place = match device {
            Some(_) => None,
            None => Some(self.0.clone().try_acquire_owned().map_err(|_| Rejection::Busy)?),
        };
        let attempt = tokio::spawn(async move {
            let _place = place;
            attempt.await
        });
        Ok(attempt.await.map_err(StoreError::new)??)
    }
}
