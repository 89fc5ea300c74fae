//! How sessions are kept in memory, when there is no Redis.

use std::path::PathBuf;

use super::macros::group;

group! {
    /// How sessions are kept in memory.
    #[derive(Debug)]
    pub struct StoreSettings in "store" {
        /// Lets production run without a Redis, on one instance only.
        allow_memory: bool = false;
        /// Development only, ignored otherwise and with a Redis: the file that keeps the memory store over restarts.
        snapshot: Option<PathBuf> = None;
    }
}
