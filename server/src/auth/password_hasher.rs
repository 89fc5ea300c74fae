//! Password hashing with Argon2id (RFC 9106) on separate threads, with bounded concurrency.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, available_parallelism},
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

/// 19 MiB, 2 passes, 1 lane: a configuration of OWASP's Password Storage Cheat Sheet. A hash contains its parameters,
/// so existing accounts remain valid if these are raised.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Maximum queued jobs per core. At about 20 ms per hash, the last job waits a third of a second. A longer queue would
/// let a flood of guesses use more memory and time.
pub(super) const WAITING_PER_CORE: usize = 16;

/// An error of password hashing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// The queue is full.
    #[error("the password hashing queue is full")]
    Busy,
    /// The stored hash is malformed, or memory or randomness is not available.
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
}

type Job = Box<dyn FnOnce() + Send>;

/// A bounded pool that hashes passwords, with one thread per core.
///
/// `spawn_blocking` would use many threads. The allocator keeps 19 MiB for each thread that has hashed, so their memory
/// would exceed a gigabyte.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    jobs: mpsc::Sender<Job>,
    /// Permits for queued and running jobs.
    slots: Arc<Semaphore>,
    /// Permits for running jobs.
    cores: Arc<Semaphore>,
}

impl Hasher {
    /// A hasher with one thread per core of this machine.
    pub(crate) fn new() -> Self {
        Self::with_cores(available_parallelism().map_or(1, usize::from))
    }

    pub(crate) fn with_cores(cores: usize) -> Self {
        let (jobs, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..cores {
            let waiting = waiting.clone();
            thread::spawn(move || run_jobs(&waiting));
        }
        Self {
            jobs,
            slots: Arc::new(Semaphore::new(cores * (1 + WAITING_PER_CORE))),
            cores: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Hashes a password with a random salt. Returns a PHC string.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, HashError> {
        self.run(password, |argon2, password| Ok(argon2.hash_password(password)?.to_string())).await
    }

    /// Whether the password matches the PHC string. Without one it does the same work and returns `false`, so that the
    /// time does not reveal whether an account exists.
    pub(crate) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, HashError> {
        let Some(hash) = hash else {
            return self.hash(password).await.map(|_| false);
        };
        let matches = move |argon2: Argon2, password: &[u8]| match argon2.verify_password(password, hash.as_str()) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        };
        self.run(password, matches).await
    }

    async fn run<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(Argon2, &[u8]) -> password_hash::Result<T> + Send + 'static,
    ) -> Result<T, HashError> {
        let password = Zeroizing::new(password.to_owned());
        let result = self.queue(move || {
            let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(password_hash::Error::from);
            let argon2 = params.map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params));
            argon2.and_then(|argon2| work(argon2, password.as_bytes()))
        });
        result.await?.map_err(|error| HashError::Failed(Box::new(error)))
    }

    /// Runs CPU-bound work of some milliseconds, such as hashing a password or estimating its strength.
    pub(crate) async fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| HashError::Busy)?;
        let core = self.cores.clone().acquire_owned().await.map_err(|_| HashError::Busy)?;
        let (done, finished) = oneshot::channel();
        let job = move || {
            let result = work();
            // The job owns the permits: a caller that is cancelled does not stop the work.
            drop((slot, core));
            let _ = done.send(result);
        };
        self.jobs.send(Box::new(job)).map_err(|_| HashError::Busy)?;
        finished.await.map_err(|error| HashError::Failed(Box::new(error)))
    }
}

/// Runs jobs until the sender is dropped.
fn run_jobs(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // On a panic the result is never sent, so the caller gets an error. The thread continues.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_says_its_algorithm_and_parameters_and_has_its_own_salt() -> Result<(), HashError> {
        let hasher = Hasher::new();
        let (one, other) = (hasher.hash("correct horse").await?, hasher.hash("correct horse").await?);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(hasher.verify("correct horse", Some(one.clone())).await?);
        assert!(!hasher.verify("correct house", Some(one)).await?);
        Ok(())
    }

    #[tokio::test]
    async fn a_broken_hash_is_an_error_and_not_a_wrong_password() {
        let verified = Hasher::new().verify("correct horse", Some("not a PHC string".to_owned())).await;
        assert!(matches!(verified, Err(HashError::Failed(_))), "{verified:?}");
    }

    #[tokio::test]
    async fn without_a_hash_the_same_work_is_done_on_a_core() -> Result<(), HashError> {
        let hasher = Hasher::with_cores(1);
        let stored = hasher.hash("correct horse").await?;
        for hash in [Some(stored), None] {
            let core = hasher.cores.clone().acquire_owned().await;
            let verified = tokio::spawn({
                let hasher = hasher.clone();
                async move { hasher.verify("wrong horse", hash).await }
            });
            while hasher.slots.available_permits() > WAITING_PER_CORE {
                tokio::task::yield_now().await;
            }
            assert!(!verified.is_finished(), "it waits for a core");
            drop(core);
            assert!(matches!(verified.await, Ok(Ok(false))));
            assert_eq!(hasher.slots.available_permits(), 1 + WAITING_PER_CORE);
        }
        Ok(())
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_at_once() -> Result<(), HashError> {
        let hasher = Hasher::with_cores(1);
        let core = hasher.cores.clone().acquire_owned().await;
        let mut waiting = Vec::new();
        for _ in 0..=WAITING_PER_CORE {
            let hasher = hasher.clone();
            waiting.push(tokio::spawn(async move { hasher.hash("correct horse").await }));
        }
        while hasher.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.hash("correct horse").await, Err(HashError::Busy)));
        // A cancelled caller frees its slot.
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        while hasher.slots.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        drop(core);
        hasher.hash("correct horse").await.map(drop)
    }
}
