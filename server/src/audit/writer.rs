//! Writes events to the store's audit log, in order, in a background task.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    chain::Chain,
    entry::{AuditEntry, Event, Head, Outcome},
};
use crate::store::{Appended, AuditStore, StoreError};

/// Maximum number of queued events. More are dropped, and the log records their number.
const QUEUE_SIZE: usize = 16_384;

/// Maximum number of events per batch.
const BATCH_SIZE: usize = 512;

/// Back-off after a failed write.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Maximum number of append attempts while other servers append as well, before backing off.
const TRIES: usize = 8;

/// After how many entries the head goes to the server's own log, where an attacker with the store cannot change it.
const HEAD_LOG_INTERVAL: u64 = 1000;

enum Command {
    Event(u64, Event),
    /// Asks for a reply when every earlier event is written.
    Flush(oneshot::Sender<()>),
}

/// The queue of events for the audit log.
pub(crate) struct Writer {
    commands: mpsc::Sender<Command>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the background task. It ends when the writer is dropped and every event is written.
    pub(crate) fn start(store: Arc<dyn AuditStore>, chain: Chain, keep: usize) -> Self {
        let (commands, waiting) = mpsc::channel(QUEUE_SIZE);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Log { store, chain, keep, head: Head::default(), lost: lost.clone() };
        tokio::spawn(log.write(waiting));
        Self { commands, lost }
    }

    /// Queues an event that happened at `at` (Unix ms), without waiting. `false` if the queue is full.
    pub(crate) fn try_record(&self, at: u64, event: Event) -> bool {
        let is_queued = self.commands.try_send(Command::Event(at, event)).is_ok();
        self.lost.fetch_add(u64::from(!is_queued), Ordering::Relaxed);
        is_queued
    }

    /// Waits until every event queued before is written.
    pub(crate) async fn flush(&self) {
        let (sender, written) = oneshot::channel();
        if self.commands.send(Command::Flush(sender)).await.is_ok() {
            let _ = written.await;
        }
    }
}

struct Log {
    store: Arc<dyn AuditStore>,
    chain: Chain,
    keep: usize,
    /// The last known entry.
    head: Head,
    lost: Arc<AtomicU64>,
}

/// When an event first happened (Unix ms), the event, and how often it happened.
type Counted = (u64, Event, u64);

impl Log {
    async fn write(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(BATCH_SIZE);
        while waiting.recv_many(&mut commands, BATCH_SIZE).await > 0 {
            let mut flushed = Vec::new();
            let mut events = Vec::new();
            for command in commands.drain(..) {
                match command {
                    Command::Event(at, event) => events.push((at, event, 1)),
                    Command::Flush(sender) => flushed.push(sender),
                }
            }
            self.add_lost(&mut events);
            let events = merge(events);
            while let Err(error) = self.append(&events).await {
                tracing::error!(%error, waiting = events.len(), "audit log cannot be written");
                if waiting.is_closed() {
                    return;
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
            for sender in flushed {
                tracing::info!(head = %self.head, "audit log");
                // The receiver may have been dropped.
                let _ = sender.send(());
            }
        }
    }

    /// Adds an event that counts the events lost since the last batch.
    fn add_lost(&self, events: &mut Vec<Counted>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if let (1.., Some(&(at, ..))) = (lost, events.last()) {
            tracing::error!(lost, "events were not written to the audit log");
            let reason = Some("lost".into());
            let event = Event { session: None, user: None, action: "audit".into(), outcome: Outcome::Noticed, reason };
            events.push((at, event, lost));
        }
    }

    async fn append(&mut self, events: &[Counted]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        for _ in 0..TRIES {
            let entries = self.entries(events).map_err(|error| StoreError(Box::new(error)))?;
            match self.store.append(&self.head, &entries, self.keep).await? {
                Appended::Done => {
                    let before = self.head.n;
                    self.head = entries.last().map_or(self.head, AuditEntry::head);
                    if self.head.n / HEAD_LOG_INTERVAL > before / HEAD_LOG_INTERVAL {
                        tracing::info!(head = %self.head, "audit log");
                    }
                    return Ok(());
                }
                Appended::Moved(head) => self.head = head,
            }
        }
        Err(StoreError("too many servers append to one audit log".into()))
    }

    fn entries(&self, events: &[Counted]) -> Result<Vec<AuditEntry>, serde_json::Error> {
        let mut head = self.head;
        let mut entries = Vec::with_capacity(events.len());
        for (at, event, times) in events {
            let entry = self.chain.entry(&head, *at, *times, event.clone())?;
            head = entry.head();
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Merges equal events.
fn merge(events: Vec<Counted>) -> Vec<Counted> {
    let mut places = HashMap::new();
    let mut merged: Vec<Counted> = Vec::with_capacity(events.len());
    for (at, event, times) in events {
        let place = *places.entry(event.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some((.., count)) => *count += times,
            None => merged.push((at, event, times)),
        }
    }
    merged
}
