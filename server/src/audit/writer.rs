//! Writes events to the store's audit log, in order, from a task of its own.

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

/// How many events may wait. More are counted and forgotten: the log then says how many.
const WAITING: usize = 16_384;

/// How many events become entries at once.
const AT_ONCE: usize = 512;

/// How long to wait for a store that cannot be written to.
const PAUSE: Duration = Duration::from_secs(1);

/// How many times a log is appended to that other servers append to as well, before making room for them.
const TRIES: usize = 8;

/// After how many entries the last one is told to the server's own log, beyond the reach of whoever changes the store.
const TOLD_EVERY: u64 = 1000;

enum Command {
    Event(u64, Event),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// Where events are left to be written.
pub(crate) struct Writer {
    commands: mpsc::Sender<Command>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the task, which ends when the writer is dropped and everything is written.
    pub(crate) fn start(store: Arc<dyn AuditStore>, chain: Chain, keep: usize) -> Self {
        let (commands, waiting) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Log { store, chain, keep, head: Head::default(), lost: lost.clone() };
        tokio::spawn(log.write(waiting));
        Self { commands, lost }
    }

    /// Leaves an event that happened at `at` (Unix ms). It never waits: `false` when there is no room.
    pub(crate) fn try_record(&self, at: u64, event: Event) -> bool {
        let left = self.commands.try_send(Command::Event(at, event)).is_ok();
        self.lost.fetch_add(u64::from(!left), Ordering::Relaxed);
        left
    }

    /// Waits until everything that was left before is written.
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
    /// The last entry, as far as is known here.
    head: Head,
    lost: Arc<AtomicU64>,
}

/// An event, when it happened first, and how often.
type Counted = (u64, Event, u64);

impl Log {
    async fn write(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(AT_ONCE);
        while waiting.recv_many(&mut commands, AT_ONCE).await > 0 {
            let mut flushed = Vec::new();
            let mut events = Vec::new();
            for command in commands.drain(..) {
                match command {
                    Command::Event(at, event) => events.push((at, event, 1)),
                    Command::Flush(sender) => flushed.push(sender),
                }
            }
            self.note_lost(&mut events);
            let events = merge(events);
            while let Err(error) = self.append(&events).await {
                tracing::error!(%error, waiting = events.len(), "the audit log cannot be written");
                if waiting.is_closed() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
            for sender in flushed {
                tracing::info!(head = %self.head, "audit log");
                // Whoever asked may have gone.
                let _ = sender.send(());
            }
        }
    }

    fn note_lost(&self, events: &mut Vec<Counted>) {
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
                    if self.head.n / TOLD_EVERY > before / TOLD_EVERY {
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

/// Makes one of equal events.
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
