//! What the script and Redis answer, as our types.

use std::time::Duration;

use protocol::problem::Ended;

use super::failed;
use crate::{
    audit::Head,
    risk::{FEATURES, Running},
    store::{Limit, Quota, Record, Result, Session, Theft},
};

pub(super) fn parse<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().map_err(failed)
}

/// Reads the fields in the order of the script's `FIELDS`.
pub(super) fn parse_session(fields: &[String]) -> Result<Session> {
    let [user, confirmation_key, created, seen, expires, ip, agent, sign_secret, frame_key, pending_frame_key, theft] =
        fields
    else {
        return Err(failed("a session in Redis has other fields"));
    };
    let key_if_any = |text: &String| if text.is_empty() { Ok(None) } else { parse(text).map(Some) };
    Ok(Session {
        user: parse(user)?,
        confirmation_key: parse(confirmation_key)?,
        frame_key: key_if_any(frame_key)?,
        pending_frame_key: key_if_any(pending_frame_key)?,
        created: parse(created)?,
        seen: parse(seen)?,
        expires: parse(expires)?,
        ip: ip.clone(),
        agent: agent.clone(),
        sign_secret: sign_secret.clone(),
        theft: theft.split_once(' ').map(|(times, last)| parse_theft(times, last)).transpose()?,
    })
}

pub(super) fn parse_theft(times: &str, last: &str) -> Result<Theft> {
    Ok(Theft { times: parse(times)?, last: parse(last)? })
}

pub(super) fn parse_quota(limit: Limit, left: &str, reset: &str) -> Result<Quota> {
    Ok(Quota { limit, left: parse(left)?, reset: Duration::from_millis(parse(reset)?) })
}

/// Reads count, means and sums of squares, as the script's `learn` writes them.
pub(super) fn parse_running(text: &str) -> Result<Running> {
    let mut running = Running::default();
    let mut numbers = text.split_ascii_whitespace();
    if let Some(count) = numbers.next() {
        running.count = parse(count)?;
        for at in 0..FEATURES {
            running.mean[at] = numbers.next().map(parse).transpose()?.unwrap_or_default();
        }
        for at in 0..FEATURES {
            running.m2[at] = numbers.next().map(parse).transpose()?.unwrap_or_default();
        }
    }
    Ok(running)
}

/// An empty log has no last entry.
pub(super) fn head_text(head: &Head) -> String {
    if *head == Head::default() { String::new() } else { head.to_string() }
}

pub(super) fn parse_head(text: &str) -> Result<Head> {
    if text.is_empty() { Ok(Head::default()) } else { parse(text) }
}

pub(super) fn parse_record(text: &str) -> Result<Record> {
    let (version, value) = text.split_once(':').ok_or_else(|| failed("a record in Redis has no version"))?;
    Ok(Record { version: parse(version)?, value: value.to_owned() })
}

/// Reads what is left of an ended session.
pub(super) fn parse_ended(text: &str) -> Option<Ended> {
    Ended::ALL.iter().copied().find(|ended| ended.as_str() == text)
}
