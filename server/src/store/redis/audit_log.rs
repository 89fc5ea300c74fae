//! The audit log in Redis: a stream, its head, and a list per user.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;

use super::{
    RedisStore,
    decode::parse,
    script::{Call, ms},
};
use crate::{
    audit::entry::{AuditEntry, Head, MAX_OF_USER},
    model::UserId,
    store::{
        audit_log::{Appended, AuditStore},
        error::{Result, StoreError},
    },
};

/// The stream.
const LOG: &str = "audit:{log}";

/// The last entry's number and hash.
const LOG_HEAD: &str = "audit:{log}:head";

/// How long a user's list is kept after its last entry.
const LIST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

fn user_list_key(user: &UserId) -> String {
    format!("{LOG}:of:{user}")
}

/// Text of a head; empty for that of an empty log.
fn head_text(head: &Head) -> String {
    if *head == Head::default() { String::new() } else { head.to_string() }
}

fn parse_head(text: &str) -> Result<Head> {
    if text.is_empty() { Ok(Head::default()) } else { parse(text) }
}

#[async_trait]
impl AuditStore for RedisStore {
    async fn append(&self, head: &Head, entries: &[AuditEntry], keep: usize) -> Result<Appended> {
        let mut keys = vec![LOG.to_owned(), LOG_HEAD.to_owned()];
        let mut lines = Vec::with_capacity(3 * entries.len());
        for entry in entries {
            let list = entry.body.event.user.as_ref().map(user_list_key).map(|key| {
                keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                    keys.push(key);
                    keys.len() - 1
                })
            });
            // Lua counts from 1.
            lines.extend([entry.body.n.to_string(), entry.to_string(), list.map_or(0, |at| at + 1).to_string()]);
        }
        let last = entries.last().map_or(*head, AuditEntry::head);
        let call = Call::new(keys, "append", 0)
            .arg(head_text(head))
            .arg(head_text(&last))
            .arg(keep)
            .arg(MAX_OF_USER)
            .arg(ms(LIST_LIFE))
            .args(&lines);
        let moved: Option<String> = self.run(call).await?;
        moved.map_or(Ok(Appended::Done), |head| parse_head(&head).map(Appended::Moved))
    }

    async fn head(&self) -> Result<Head> {
        let head: Option<String> = self.send(LOG_HEAD, cmd("GET").arg(LOG_HEAD)).await?;
        parse_head(&head.unwrap_or_default())
    }

    async fn lines_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        let mut range = cmd("XRANGE");
        range.arg(LOG).arg(after.saturating_add(1)).arg("+").arg("COUNT").arg(count);
        let found: Vec<(String, (String, String))> = self.send(LOG, &range).await?;
        let number = |id: &str| parse(id.split_once('-').map_or(id, |(number, _)| number));
        found.into_iter().map(|(id, (_field, line))| Ok((number(&id)?, line))).collect()
    }

    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>> {
        let (key, mut range) = (user_list_key(user), cmd("LRANGE"));
        range.arg(&key).arg(0).arg(-1);
        let lines: Vec<String> = self.send(&key, &range).await?;
        lines.iter().map(|line| AuditEntry::parse(line).map_err(StoreError::new)).collect()
    }
}
