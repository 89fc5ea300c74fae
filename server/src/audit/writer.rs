//! Writes events to the store's audit log, in order, in a background task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    aggregate::{Aggregate, Counted},
    chain::Chain,
    entry::{AuditEntry, AuditLog, Event, Head, Outcome, Retention},
};
use crate::{
    clock::Clock,
    settings::AuditSettings,
    store::{Appended, AuditStore, StoreError},
};

/// Maximum number of queued events. More are dropped, and the log records their number.
const QUEUE_SIZE: usize = 16_384;

/// Maximum number of events per batch.
const BATCH_SIZE: usize = 512;

/// How long equal events are counted before they are written.
const MINUTE: Duration = Duration::from_secs(60);

/// Back-off after a failed write.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Maximum number of append attempts while other servers append as well, before backing off.
const TRIES: usize = 8;

/// After how many entries the head goes to the server's own log, where an attacker with the store cannot change it.
const HEAD_LOG_INTERVAL: u64 = 1000;

enum Command {
    Event(AuditLog, u64, Event),
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
    pub(crate) fn start(store: &Arc<dyn AuditStore>, settings: &AuditSettings, clock: &Clock) -> Self {
        let (commands, waiting) = mpsc::channel(QUEUE_SIZE);
        let lost = Arc::new(AtomicU64::new(0));
        let logs = AuditLog::ALL.map(|log| ChainWriter {
            log,
            store: store.clone(),
            chain: Chain::new(&settings.secret, log),
            keep: settings.keep(log),
            life: settings.life(log),
            clock: clock.clone(),
            head: Head::default(),
        });
        let task = Task { logs, aggregate: Aggregate::default(), lost: lost.clone() };
        tokio::spawn(task.run(waiting));
        Self { commands, lost }
    }

    /// Queues an event that happened at `at` (Unix ms), without waiting. `false` if the queue is full.
    pub(crate) fn try_record(&self, log: AuditLog, at: u64, event: Event) -> bool {
        let is_queued = self.commands.try_send(Command::Event(log, at, event)).is_ok();
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

/// The background task.
struct Task {
    logs: [ChainWriter; 2],
    aggregate: Aggregate,
    lost: Arc<AtomicU64>,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(BATCH_SIZE);
        let mut minute_ends = Instant::now() + MINUTE;
        loop {
            let received = timeout_at(minute_ends, waiting.recv_many(&mut commands, BATCH_SIZE)).await;
            let is_over = received == Ok(0);
            let mut events = Vec::new();
            let mut flushed = Vec::new();
            for command in commands.drain(..) {
                match command {
                    Command::Event(log, at, event) => events.extend(self.aggregate.add(log, at, event)),
                    Command::Flush(sender) => flushed.push(sender),
                }
            }
            if Instant::now() >= minute_ends || is_over || !flushed.is_empty() {
                events.extend(self.aggregate.drain());
                minute_ends = Instant::now() + MINUTE;
            }
            self.add_lost(&mut events);
            if !self.write(&events, &waiting).await || is_over {
                return;
            }
            for sender in flushed {
                for log in &self.logs {
                    tracing::info!(log = %log.log, head = %log.head, "audit log");
                }
                // The receiver may have been dropped.
                let _ = sender.send(());
            }
        }
    }

    /// Writes events until the store has them. `false` if the server stops meanwhile.
    async fn write(&mut self, events: &[Counted], waiting: &mpsc::Receiver<Command>) -> bool {
        for log in &mut self.logs {
            let events: Vec<&Counted> = events.iter().filter(|counted| counted.log == log.log).collect();
            while let Err(error) = log.append(&events).await {
                tracing::error!(%error, waiting = events.len(), "audit log cannot be written");
                if waiting.is_closed() {
                    return false;
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
        true
    }

    /// Adds an event that counts the events lost since the last batch.
    fn add_lost(&self, events: &mut Vec<Counted>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(lost, "events were not written to the audit log");
            let reason = Some("lost".into());
            let event = Event { session: None, user: None, action: "audit".into(), outcome: Outcome::Noticed, reason };
            let at = self.logs[0].clock.now();
            events.push(Counted { log: AuditLog::Security, at, event, times: lost });
        }
    }
}

/// Appends to one of the logs.
struct ChainWriter {
    log: AuditLog,
    store: Arc<dyn AuditStore>,
    chain: Chain,
    keep: usize,
    /// How long entries are kept: ms. `None` for no limit.
    life: Option<u64>,
    clock: Clock,
    /// The last known entry.
    head: Head,
}

impl ChainWriter {
    async fn append(&mut self, events: &[&Counted]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let since = self.life.map_or(0, |life| self.clock.now().saturating_sub(life));
        let retention = Retention { keep: self.keep, since };
        for _ in 0..TRIES {
            let entries = self.entries(events).map_err(|error| StoreError(Box::new(error)))?;
            match self.store.append(self.log, &self.head, &entries, retention).await? {
                Appended::Done => {
                    let before = self.head.n;
                    self.head = entries.last().map_or(self.head, AuditEntry::head);
                    if self.head.n / HEAD_LOG_INTERVAL > before / HEAD_LOG_INTERVAL {
                        tracing::info!(log = %self.log, head = %self.head, "audit log");
                    }
                    return Ok(());
                }
                Appended::Moved(head) => self.head = head,
            }
        }
        Err(StoreError("too many servers append to one audit log".into()))
    }

    fn entries(&self, events: &[&Counted]) -> Result<Vec<AuditEntry>, serde_json::Error> {
        let mut head = self.head;
        let mut entries = Vec::with_capacity(events.len());
        for Counted { at, event, times, .. } in events {
            let entry = self.chain.entry(&head, *at, *times, event.clone())?;
            head = entry.head();
            entries.push(entry);
        }
        Ok(entries)
    }
}
