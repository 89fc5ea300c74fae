//! Settings of the memory store, which is used without a Redis.

use std::path::PathBuf;

use super::macros::group;

group! {
    /// Settings of the memory store.
    #[derive(Debug)]
    pub struct StoreSettings in "store" {
        /// Allows production without a Redis, on one instance only.
        allow_memory: bool = false;
        /// The file that keeps sessions, accounts and records across restarts. Ignored with a Redis.
        snapshot: Option<PathBuf> = None;
    }
}
