//! Decodes answers of the script.

use std::time::Duration;

use protocol::problem::Ended;

use crate::{
    model::{DeviceBinding, Limit, Quota, Session, Theft},
    risk::{FEATURES, Running},
    store::error::{Result, StoreError},
};

/// The error for an answer that the script does not give.
pub(super) fn unexpected_answer() -> StoreError {
    StoreError::new("the script gave an unexpected answer")
}

pub(super) fn parse<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().map_err(StoreError::new)
}

/// Reads a session from its fields, in the order of the script's `FIELDS`.
pub(super) fn parse_session(fields: &[String]) -> Result<Session> {
    let [
        user,
        confirmation_key,
        created,
        seen,
        expires,
        ip,
        agent,
        sign_secret,
        frame_key,
        pending_frame_key,
        theft,
        device,
    ] = fields
    else {
        return Err(StoreError::new("a session in Redis has other fields"));
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
        device: device.split_once(' ').map(|(since, jwk)| parse_device(since, jwk)).transpose()?,
    })
}

fn parse_device(since: &str, jwk: &str) -> Result<DeviceBinding> {
    let since = if since == "-" { None } else { Some(parse(since)?) };
    Ok(DeviceBinding { jwk: jwk.to_owned(), since })
}

pub(super) fn parse_theft(times: &str, last: &str) -> Result<Theft> {
    Ok(Theft { times: parse(times)?, last: parse(last)? })
}

pub(super) fn parse_quota(limit: Limit, left: &str, reset: &str) -> Result<Quota> {
    Ok(Quota { limit, left: parse(left)?, reset: Duration::from_millis(parse(reset)?) })
}

/// Reads the count, means and sums of squares that the script's `learn` writes.
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

/// Reads why a session was ended.
pub(super) fn parse_ended(text: &str) -> Option<Ended> {
    Ended::ALL.iter().copied().find(|ended| ended.as_str() == text)
}
