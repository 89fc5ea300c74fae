//! Records in Redis, all in one slot so that several can be written together.

use async_trait::async_trait;
use redis::cmd;

use super::{RedisStore, decode::parse, script::Call};
use crate::store::{
    error::{Result, StoreError},
    records::{Record, RecordKey, RecordStore, Write},
};

fn record_key(RecordKey(name): &RecordKey) -> String {
    format!("record:{{all}}:{name}")
}

fn parse_record(text: &str) -> Result<Record> {
    let (version, value) = text.split_once(':').ok_or_else(|| StoreError::new("a record in Redis has no version"))?;
    Ok(Record { version: parse(version)?, value: value.to_owned() })
}

#[async_trait]
impl RecordStore for RedisStore {
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = keys.iter().map(record_key).collect();
        let found: Vec<Option<String>> = self.send(&keys[0], cmd("MGET").arg(&keys)).await?;
        found.iter().map(|text| text.as_deref().map(parse_record).transpose()).collect()
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        let keys: Vec<String> = writes.iter().map(|write| record_key(&write.key)).collect();
        let call = Call::new(keys, "write", 0);
        self.run(writes.iter().fold(call, |call, write| call.arg(write.seen).arg(&write.value))).await
    }
}
