//! The audit logs in Redis: for each a stream and its head; for each user a list and a hash of counters.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;

use super::{
    RedisStore,
    decode::parse,
    script::{Call, ms},
};
use crate::{
    audit::entry::{AuditEntry, AuditLog, EntryBody, Event, Head, MAX_OF_USER, Outcome, Repeated, Retention},
    model::UserId,
    store::{
        audit_log::{Appended, AuditStore},
        error::{Result, StoreError},
    },
};

/// How long a user's list and counters are kept after the last entry.
const USER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Separates the parts of a counter's field.
const SEPARATOR: char = '\t';

/// The stream of a log.
fn stream_key(log: AuditLog) -> &'static str {
    match log {
        AuditLog::Security => "audit:{log}",
        AuditLog::Traffic => "audit:{log}:traffic",
    }
}

/// The last entry's number and hash.
fn head_key(log: AuditLog) -> String {
    format!("{}:head", stream_key(log))
}

fn user_list_key(user: &UserId) -> String {
    format!("audit:{{log}}:of:{user}")
}

fn user_counters_key(user: &UserId) -> String {
    format!("audit:{{log}}:repeated:{user}")
}

/// The field of a counter.
fn counter_field(event: &Event) -> String {
    let outcome = match event.outcome {
        Outcome::Passed => "passed",
        Outcome::Refused => "refused",
        Outcome::Noticed => "noticed",
    };
    [&*event.action, outcome, event.reason.as_deref().unwrap_or_default()].join(&SEPARATOR.to_string())
}

fn parse_counter(field: &str, value: &str) -> Option<Repeated> {
    let mut parts = field.split(SEPARATOR);
    let (action, outcome, reason) = (parts.next()?.to_owned(), parts.next()?, parts.next()?);
    let outcome = match outcome {
        "passed" => Outcome::Passed,
        "refused" => Outcome::Refused,
        _ => Outcome::Noticed,
    };
    let mut numbers = value.split(' ').map(str::parse);
    let mut number = || numbers.next()?.ok();
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Some(Repeated { action, outcome, reason, times: number()?, first: number()?, last: number()? })
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
    async fn append(
        &self,
        log: AuditLog,
        head: &Head,
        entries: &[AuditEntry],
        retention: Retention,
    ) -> Result<Appended> {
        let mut keys = vec![stream_key(log).to_owned(), head_key(log)];
        let mut arguments = Vec::with_capacity(6 * entries.len());
        for entry in entries {
            let EntryBody { n, at, times, event } = &entry.body;
            let (key, field) = match &event.user {
                Some(user) if event.is_by_anyone() => (Some(user_counters_key(user)), counter_field(event)),
                Some(user) if log == AuditLog::Security => (Some(user_list_key(user)), String::new()),
                _ => (None, String::new()),
            };
            let key = key.map(|key| {
                keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                    keys.push(key);
                    keys.len() - 1
                })
            });
            // Lua counts from 1.
            let key = key.map_or(0, |at| at + 1).to_string();
            arguments.extend([n.to_string(), entry.to_string(), key, field, times.to_string(), at.to_string()]);
        }
        let last = entries.last().map_or(*head, AuditEntry::head);
        let call = Call::new(keys, "append", 0)
            .arg(head_text(head))
            .arg(head_text(&last))
            .arg(retention.keep)
            .arg(retention.since)
            .arg(MAX_OF_USER)
            .arg(ms(USER_LIFE))
            .args(&arguments);
        let moved: Option<String> = self.run(call).await?;
        moved.map_or(Ok(Appended::Done), |head| parse_head(&head).map(Appended::Moved))
    }

    async fn head(&self, log: AuditLog) -> Result<Head> {
        let key = head_key(log);
        let head: Option<String> = self.send(&key, cmd("GET").arg(&key)).await?;
        parse_head(&head.unwrap_or_default())
    }

    async fn lines_after(&self, log: AuditLog, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        let mut range = cmd("XRANGE");
        range.arg(stream_key(log)).arg(after.saturating_add(1)).arg("+").arg("COUNT").arg(count);
        let found: Vec<(String, (String, String))> = self.send(stream_key(log), &range).await?;
        let number = |id: &str| parse(id.split_once('-').map_or(id, |(number, _)| number));
        found.into_iter().map(|(id, (_field, line))| Ok((number(&id)?, line))).collect()
    }

    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>> {
        let (key, mut range) = (user_list_key(user), cmd("LRANGE"));
        range.arg(&key).arg(0).arg(-1);
        let lines: Vec<String> = self.send(&key, &range).await?;
        lines.iter().map(|line| AuditEntry::parse(line).map_err(StoreError::new)).collect()
    }

    async fn repeated_of_user(&self, user: &UserId) -> Result<Vec<Repeated>> {
        let (key, mut all) = (user_counters_key(user), cmd("HGETALL"));
        all.arg(&key);
        let found: Vec<(String, String)> = self.send(&key, &all).await?;
        let counter = |(field, value): &(String, String)| parse_counter(field, value);
        found.iter().map(|found| counter(found).ok_or_else(|| StoreError::new("a counter is malformed"))).collect()
    }
}
