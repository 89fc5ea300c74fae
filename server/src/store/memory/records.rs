//! Records in memory.

use std::collections::HashMap;

use crate::store::records::{Record, RecordKey, Write};

#[derive(Default)]
pub(super) struct Records(HashMap<RecordKey, Record>);

impl Records {
    /// The records of a snapshot.
    pub(super) fn restore(records: HashMap<RecordKey, Record>) -> Self {
        Self(records)
    }

    pub(super) fn all(&self) -> HashMap<RecordKey, Record> {
        self.0.clone()
    }

    pub(super) fn read(&self, keys: &[RecordKey]) -> Vec<Option<Record>> {
        keys.iter().map(|key| self.0.get(key).cloned()).collect()
    }

    pub(super) fn write(&mut self, writes: &[Write]) -> bool {
        let mut next = HashMap::new();
        for Write { key, seen, value } in writes {
            let version = self.0.get(key).map_or(0, |record| record.version);
            let record = Record { version: version + 1, value: value.clone() };
            if version != *seen || next.insert(key.clone(), record).is_some() {
                return false;
            }
        }
        self.0.extend(next);
        true
    }
}
