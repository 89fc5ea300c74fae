//! Records: values that accounts and the application keep, with optimistic locking.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::Result;

/// The name of a [`Record`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RecordKey(pub String);

/// A value and its version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// 1 after the first write; each later write adds one.
    pub version: u64,
    /// Text of the application's choice, usually JSON.
    pub value: String,
}

/// One write of [`RecordStore::write`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// The record to write.
    pub key: RecordKey,
    /// The version that the writer has read; 0 if there was no record.
    pub seen: u64,
    /// The new value.
    pub value: String,
}

/// Keeps records.
#[async_trait]
pub trait RecordStore: Send + Sync + 'static {
    /// Reads records, in the order of `keys`.
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>>;

    /// Writes all records or none. Returns `false`, and writes nothing, when any record is no longer at the version
    /// that its writer has read.
    async fn write(&self, writes: &[Write]) -> Result<bool>;
}
