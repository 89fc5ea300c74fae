//! The event log in Redis: a stream, whose IDs are the cursors.

use std::time::Duration;

use async_trait::async_trait;
use protocol::push::Cursor;
use redis::cmd;
use tokio::time::{Instant, sleep};

use super::{
    RedisStore,
    decode::{parse, unexpected_answer},
    script::Call,
};
use crate::store::{
    error::{Result, StoreError},
    event_log::{EventStore, Since, UserEvent},
};

/// The stream.
const EVENTS: &str = "push:{news}";

/// Time between two reads for new events: the delay that this adds between two servers.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[async_trait]
impl EventStore for RedisStore {
    async fn publish(&self, event: &UserEvent, keep: usize, _now: u64) -> Result<Cursor> {
        let text = serde_json::to_string(event).map_err(StoreError::new)?;
        let mut add = cmd("XADD");
        add.arg(EVENTS).arg("MAXLEN").arg("~").arg(keep).arg("*").arg("news").arg(text);
        let id: String = self.send(EVENTS, &add).await?;
        parse(&id)
    }

    async fn head(&self) -> Result<Cursor> {
        let mut range = cmd("XREVRANGE");
        range.arg(EVENTS).arg("+").arg("-").arg("COUNT").arg(1);
        let found: Vec<(String, (String, String))> = self.send(EVENTS, &range).await?;
        found.first().map_or(Ok(Cursor::default()), |(id, _)| parse(id))
    }

    async fn since(&self, after: Cursor, count: usize) -> Result<Since> {
        let answer: Vec<String> = self.run(Call::new([EVENTS.to_owned()], "since", 0).arg(count).arg(after)).await?;
        let (word, events) = answer.split_first().ok_or_else(unexpected_answer)?;
        if word == "gone" {
            return Ok(Since::Gone);
        }
        let events = events.chunks_exact(2).map(|pair| {
            let event =
                serde_json::from_str(&pair[1]).inspect_err(|error| tracing::warn!(%error, "an event is skipped"));
            Ok((parse(&pair[0])?, event.ok()))
        });
        events.collect::<Result<_>>().map(Since::Events)
    }

    async fn wait_since(&self, after: Cursor, count: usize, timeout: Duration) -> Result<Since> {
        // Polls instead of one read with BLOCK, which would block all other commands of the connection.
        let until = Instant::now() + timeout;
        loop {
            let since = self.since(after, count).await?;
            if since != Since::Events(Vec::new()) || Instant::now() >= until {
                return Ok(since);
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}
