//! The error of every store operation.

use std::error::Error;

/// The store cannot answer. The request must be rejected with 503; it must not be let through.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot answer")]
pub struct StoreError(#[source] pub Box<dyn Error + Send + Sync>);

impl StoreError {
    /// An error with this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The result of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;
