//! The store in Redis 7 or later, for as many servers as share it.
//!
//! | key | value | life |
//! |---|---|---|
//! | `session:{handle}` | hash: user, `confirmation_key`, created, seen, expires, ip, agent, `sign_secret`, `frame_key`, `pending_frame_key`, theft; until it is entered `enter_by`; the session's limits as `limit:<counter>`; `fingerprints` and `running` of its interactions; `forgotten`, until when spent nonces are; after its end only `ended` | as the session |
//! | `challenge:<challenge>` | when it expires | 60 s |
//! | `nonces:{handle}` | sorted set: nonce → when it was issued | as the session, at most 32 |
//! | `spent:{handle}` | sorted set: nonce → when it was spent | as the session |
//! | `sessions:{user}` | sorted set: handle → when it was created | as its last session |
//! | `ratelimit:<counter>` | a count and the end of its window | the window |
//! | `record:{all}:<name>` | a version and a value | for ever |
//! | `push:{news}` | stream: events to push | for ever, at most `push.keep` |
//! | `audit:{log}` | stream: the audit log | for ever, at most `audit.keep` |
//! | `audit:{log}:head` | its last entry's number and hash | for ever |
//! | `audit:{log}:of:<user>` | list: the user's newest entries | 30 days |
//!
//! A user's list is in another slot than the sessions it lists, so the two are not written in one step. A session is
//! opened first and listed then, which decides who must go: so the list never holds more than the cap, and no session
//! lives without being listed for longer than it takes to enter it.
//!
//! The braces are literal: they make a cluster keep what belongs together in one slot. A nonce is a member of its
//! session's set instead of a key of its own (`nonce:{handle}:<nonce>`), because only so "at most 32 alive" is exact
//! and ending a session surely ends its nonces; `ZREM` spends as atomically as `GETDEL` does. The session's limits are
//! fields of its hash, so that they cannot outlive it either.
//!
//! # Why scripts
//!
//! [`Store::authorize_request`] is one command, `EVALSHA`. A pipeline would be one round trip as well, but its commands do not
//! depend on each other: the count, the next nonce and `seen` would be written whether or not the nonce was good.
//! Whoever stole a cookie could then use up the owner's limit and push out the owner's nonces, and a request in flight
//! could write `seen` into a session that has just been ended, and so bring back half of it. A script decides first
//! and writes then, and nothing comes between. The other verbs of several steps are scripts for the same reason.
//! `#!lua` on the first line makes Redis refuse a script as a whole when its memory is full.
//!
//! Expiry is judged by the time that the caller brings. `PEXPIRE` only gives memory back, a minute later.
//!
//! What happens when Redis is away is told in `connection`, what when it forgets in `node`.

use std::time::Duration;

use async_trait::async_trait;
use protocol::{
    problem::Ended,
    push::Cursor,
    token::{Challenge, SessionHandle},
    user::UserName,
};
use redis::{FromRedisValue, cmd};
use tokio::time::{Instant, sleep};

mod cluster;
mod connection;
mod decode;
mod node;
mod script;

use connection::Connection;
use decode::{
    head_text, parse, parse_ended, parse_head, parse_quota, parse_record, parse_running, parse_session, parse_theft,
};
use script::{Call, LOG, LOG_HEAD, NEWS, challenge_key, log_key, ms, record_key, session_keys, sessions_key};

use super::{
    AtCap, Authorization, AuthorizeRequest, Authorized, Bind, Binding, Cap, Counted, IssueNonces, Limit, NewSession,
    NonceIssue, Opening, Record, RecordKey, Result, Session, Since, Store, StoreError, Theft, UserEvent, Write,
};
use crate::{
    audit::{Appended, AuditEntry, Head, MAX_OF_USER},
    risk::{History, Sample},
    settings::RedisSettings,
};

/// How long a user's own list of audit entries is kept after the last one.
const LIST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often is looked for new events: what this adds to the time that an event takes from one server to another.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The store in Redis.
pub struct RedisStore {
    connection: Connection,
}

impl RedisStore {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError`] when no Redis 7 answers within two seconds.
    pub async fn connect(settings: &RedisSettings) -> Result<Self> {
        Ok(Self { connection: Connection::open(settings).await? })
    }

    /// Runs a verb of the script.
    async fn run<T: FromRedisValue>(&self, call: Call) -> Result<T> {
        self.connection.run(&call).await
    }

    /// Runs a verb that answers with a session's fields, or none.
    async fn run_for_session(&self, call: Call) -> Result<Option<Session>> {
        let fields: Vec<String> = self.run(call).await?;
        if fields.is_empty() { Ok(None) } else { parse_session(&fields).map(Some) }
    }
}

/// The list of a user's sessions.
impl RedisStore {
    /// Oldest first.
    async fn listed(&self, user: &UserName) -> Result<Vec<SessionHandle>> {
        let (key, mut range) = (sessions_key(user), cmd("ZRANGE"));
        range.arg(&key).arg(0).arg(-1);
        let handles: Vec<String> = self.connection.send(&key, &range).await?;
        handles.iter().map(|handle| parse(handle)).collect()
    }

    async fn unlist(&self, user: &UserName, handle: &SessionHandle) -> Result<()> {
        let (key, mut remove) = (sessions_key(user), cmd("ZREM"));
        remove.arg(&key).arg(handle.to_string());
        self.connection.send(&key, &remove).await
    }

    /// Whether it lives or can still be entered.
    async fn is_alive(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<bool> {
        self.run(Call::of(handle, "alive", now).arg(ms(idle))).await
    }

    async fn unlist_dead(&self, user: &UserName, idle: Duration, now: u64) -> Result<()> {
        for handle in self.listed(user).await? {
            if !self.is_alive(&handle, idle, now).await? {
                self.unlist(user, &handle).await?;
            }
        }
        Ok(())
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError(error.into())
}

#[async_trait]
impl Store for RedisStore {
    async fn add_challenge(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        let (key, life) = (challenge_key(challenge), expires.saturating_sub(now).max(1));
        self.connection.send(&key, cmd("SET").arg(&key).arg(expires).arg("PX").arg(life)).await
    }

    async fn take_challenge(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        let key = challenge_key(challenge);
        let expires: Option<u64> = self.connection.send(&key, cmd("GETDEL").arg(&key)).await?;
        Ok(expires.is_some_and(|expires| now < expires))
    }

    async fn open(&self, session: NewSession, cap: Cap, idle: Duration) -> Result<Opening> {
        let now = session.created;
        self.unlist_dead(&session.user, idle, now).await?;
        let NewSession { handle, user, confirmation_key, created, enter_by, expires, ip, agent, sign_secret } = session;
        let call = Call::of(&handle, "open", now)
            .arg(enter_by)
            .field("user", &user)
            .field("confirmation_key", confirmation_key)
            .field("created", created)
            .field("seen", created)
            .field("expires", expires)
            .field("ip", ip)
            .field("agent", agent)
            .field("enter_by", enter_by)
            .field("sign_secret", sign_secret);
        self.run::<()>(call).await?;
        let enlist = Call::new([sessions_key(&user)], "enlist", now)
            .arg(handle)
            .arg(created)
            .arg(expires)
            .arg(cap.max)
            .arg(u8::from(cap.at_cap == AtCap::RefuseNew));
        let answer: Vec<String> = self.run(enlist).await?;
        if answer.first().is_some_and(|word| word == "full") {
            let keys = session_keys(&handle);
            self.connection.send::<()>(&keys[0], cmd("DEL").arg(&keys)).await?;
            return Ok(Opening::Full);
        }
        let displaced = answer.iter().skip(1).map(|handle| parse(handle)).collect::<Result<Vec<_>>>()?;
        for handle in &displaced {
            self.end(handle, &user, Ended::Replaced, now).await?;
        }
        Ok(Opening::Opened(displaced))
    }

    async fn unentered(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        self.run_for_session(Call::of(handle, "unentered", now)).await
    }

    async fn enter(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        self.run_for_session(Call::of(handle, "enter", now)).await
    }

    async fn bind(&self, bind: Bind) -> Result<Binding> {
        let Bind { handle, sign_secret, key, nonces, idle, now } = bind;
        let call = Call::of(&handle, "bind", now).arg(ms(idle)).arg(sign_secret).arg(key).args(&nonces);
        let answer: Vec<String> = self.run(call).await?;
        let Some((word, fields)) = answer.split_first() else { return Err(failed("the script gave another answer")) };
        let session = || parse_session(fields).map(Box::new);
        match word.as_str() {
            "bound" => session().map(Binding::Bound),
            "again" => session().map(Binding::Again),
            "pending" => session().map(Binding::Pending),
            "confirmation key" => Ok(Binding::ConfirmationKey),
            "no session" => Ok(Binding::NoSession),
            _ => Err(failed("the script gave another answer")),
        }
    }

    async fn authorize_request(&self, authorize_request: AuthorizeRequest) -> Result<Authorization> {
        let AuthorizeRequest { handle, nonce, next, now, idle, nonce_life, counter, limit, touch, sample } =
            authorize_request;
        let mut call = Call::of(&handle, "admit", now)
            .arg(ms(idle))
            .arg(ms(nonce_life))
            .arg(counter)
            .arg(limit.max)
            .arg(ms(limit.window))
            .arg(nonce)
            .arg(next)
            .arg(u8::from(touch));
        if let Some(Sample { fingerprint, features }) = sample {
            call = call.arg(fingerprint.map_or_else(|| "-".to_owned(), |it| it.to_string())).args(&features);
        }
        let answer: Vec<String> = self.run(call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["no session", why] => Ok(Authorization::NoSession(parse_ended(why))),
            ["bad nonce", ..] => Ok(Authorization::BadNonce(Box::new(parse_session(&answer[1..])?))),
            ["replayed", ..] => Ok(Authorization::Replayed(Box::new(parse_session(&answer[1..])?))),
            ["limited", reset] => Ok(Authorization::Limited(parse_quota(limit, "0", reset)?)),
            ["admitted", left, reset, repeated, running, ..] => {
                let quota = parse_quota(limit, left, reset)?;
                let history = History { repeated: repeated == "1", running: parse_running(running)? };
                let session = parse_session(&answer[5..])?;
                Ok(Authorization::Authorized(Box::new(Authorized { session, quota, history })))
            }
            _ => Err(failed("the script gave another answer")),
        }
    }

    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        self.run_for_session(Call::of(handle, "session", now).arg(ms(idle))).await
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        let [key, ..] = session_keys(handle);
        let why: Option<String> = self.connection.send(&key, cmd("HGET").arg(&key).arg("ended")).await?;
        Ok(why.and_then(|why| parse_ended(&why)))
    }

    async fn sessions(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        let mut sessions = Vec::new();
        for handle in self.listed(user).await?.into_iter().rev() {
            let session = self.session(&handle, idle, now).await?;
            sessions.extend(session.map(|session| (handle, session)));
        }
        Ok(sessions)
    }

    async fn handles(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        let mut handles = Vec::new();
        for handle in self.listed(user).await? {
            if self.is_alive(&handle, idle, now).await? {
                handles.push(handle);
            }
        }
        Ok(handles)
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        let answer: Vec<String> = self.run(Call::of(handle, "accuse", now).arg(ms(idle))).await?;
        match answer.as_slice() {
            [times, last] => parse_theft(times, last).map(Some),
            _ => Ok(None),
        }
    }

    async fn issue_nonces(&self, issue_nonces: IssueNonces) -> Result<NonceIssue> {
        let IssueNonces { handle, spent, restore, created, nonces, idle, nonce_life, now } = issue_nonces;
        let call = Call::of(&handle, "refill", now)
            .arg(ms(idle))
            .arg(ms(nonce_life))
            .arg(created)
            .arg(spent)
            .arg(restore.map_or_else(String::new, |key| key.to_string()))
            .args(&nonces);
        match self.run::<String>(call).await?.as_str() {
            "done" => Ok(NonceIssue::Done),
            "replayed" => Ok(NonceIssue::Replayed),
            "not pending" => Ok(NonceIssue::NotPending),
            "too old" => Ok(NonceIssue::TooOld),
            "no session" => Ok(NonceIssue::NoSession),
            _ => Err(failed("the script gave another answer")),
        }
    }

    async fn end(&self, handle: &SessionHandle, user: &UserName, why: Ended, now: u64) -> Result<bool> {
        let there = if let Ok(there) = self.run(Call::of(handle, "finish", now).arg(why.as_str())).await {
            there
        } else {
            // Redis has no memory left for the reason, or runs no scripts: what must go can go all the same.
            let keys = session_keys(handle);
            self.connection.send(&keys[0], cmd("DEL").arg(&keys)).await?
        };
        self.unlist(user, handle).await?;
        Ok(there)
    }

    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted> {
        let call = Call::new([format!("ratelimit:{counter}")], "count", now).arg(limit.max).arg(ms(limit.window));
        let (within, left, reset): (bool, String, String) = self.run(call).await?;
        let quota = parse_quota(limit, &left, &reset)?;
        Ok(if within { Counted::Within(quota) } else { Counted::Over(quota) })
    }

    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = keys.iter().map(record_key).collect();
        let found: Vec<Option<String>> = self.connection.send(&keys[0], cmd("MGET").arg(&keys)).await?;
        found.iter().map(|text| text.as_deref().map(parse_record).transpose()).collect()
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        let keys: Vec<String> = writes.iter().map(|write| record_key(&write.key)).collect();
        let call = Call::new(keys, "write", 0);
        self.run(writes.iter().fold(call, |call, write| call.arg(write.seen).arg(&write.value))).await
    }

    async fn append(&self, head: &Head, entries: &[AuditEntry], keep: usize) -> Result<Appended> {
        let mut keys = vec![LOG.to_owned(), LOG_HEAD.to_owned()];
        let mut lines = Vec::with_capacity(3 * entries.len());
        for entry in entries {
            let list = entry.body.event.user.as_ref().map(log_key).map(|key| {
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

    async fn audit_head(&self) -> Result<Head> {
        let head: Option<String> = self.connection.send(LOG_HEAD, cmd("GET").arg(LOG_HEAD)).await?;
        parse_head(&head.unwrap_or_default())
    }

    async fn audit_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        let mut range = cmd("XRANGE");
        range.arg(LOG).arg(after.saturating_add(1)).arg("+").arg("COUNT").arg(count);
        let found: Vec<(String, (String, String))> = self.connection.send(LOG, &range).await?;
        let number = |id: &str| parse(id.split_once('-').map_or(id, |(number, _)| number));
        found.into_iter().map(|(id, (_field, line))| Ok((number(&id)?, line))).collect()
    }

    async fn publish(&self, news: &UserEvent, keep: usize, _now: u64) -> Result<Cursor> {
        let text = serde_json::to_string(news).map_err(failed)?;
        let mut add = cmd("XADD");
        add.arg(NEWS).arg("MAXLEN").arg("~").arg(keep).arg("*").arg("news").arg(text);
        let id: String = self.connection.send(NEWS, &add).await?;
        parse(&id)
    }

    async fn event_head(&self) -> Result<Cursor> {
        let mut range = cmd("XREVRANGE");
        range.arg(NEWS).arg("+").arg("-").arg("COUNT").arg(1);
        let found: Vec<(String, (String, String))> = self.connection.send(NEWS, &range).await?;
        found.first().map_or(Ok(Cursor::default()), |(id, _)| parse(id))
    }

    async fn events_since(&self, after: Cursor, count: usize) -> Result<Since> {
        let answer: Vec<String> = self.run(Call::new([NEWS.to_owned()], "since", 0).arg(count).arg(after)).await?;
        let Some((word, news)) = answer.split_first() else { return Err(failed("the script gave another answer")) };
        if word == "gone" {
            return Ok(Since::Gone);
        }
        let news = news.chunks_exact(2).map(|pair| {
            let event =
                serde_json::from_str(&pair[1]).inspect_err(|error| tracing::warn!(%error, "an event is passed over"));
            Ok((parse(&pair[0])?, event.ok()))
        });
        news.collect::<Result<_>>().map(Since::UserEvent)
    }

    async fn wait_for_events(&self, after: Cursor, count: usize, patience: Duration) -> Result<Since> {
        // Asked again and again instead of once with BLOCK: that would hold up every other command of the connection.
        let until = Instant::now() + patience;
        loop {
            let since = self.events_since(after, count).await?;
            if since != Since::UserEvent(Vec::new()) || Instant::now() >= until {
                return Ok(since);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn audit_of(&self, user: &UserName) -> Result<Vec<AuditEntry>> {
        let (key, mut range) = (log_key(user), cmd("LRANGE"));
        range.arg(&key).arg(0).arg(-1);
        let lines: Vec<String> = self.connection.send(&key, &range).await?;
        lines.iter().map(|line| AuditEntry::parse(line).map_err(failed)).collect()
    }
}
