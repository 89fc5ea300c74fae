//! Sessions in Redis.
//!
//! A user's lists of sessions are in other slots than the sessions that they list, so both cannot be written in one step.
//! There is a list of the entered sessions and one of the unentered ones. A session is listed as entered first and entered
//! afterwards, and listing decides which sessions end. So the list never holds more than the cap, and no entered session is
//! unlisted.

use std::time::Duration;

use async_trait::async_trait;
use protocol::{
    action::Tier,
    key::PublicKey,
    problem::Ended,
    token::{Nonce, SessionHandle},
};
use redis::cmd;

use super::{
    RedisStore,
    decode::{parse, parse_ended, parse_quota, parse_running, parse_session, parse_theft, unexpected_answer},
    script::{Call, ms},
};
use crate::{
    model::{AtCap, Session, Theft, UserId},
    risk::{History, Sample},
    store::{
        error::Result,
        sessions::{
            Authorization, AuthorizeRequest, Authorized, BindFrameKey, DeviceProof, EnterSession, Enterable, Entering,
            FrameKeyBinding, IssueNonces, NewSession, NonceIssue, SessionStore, Settled,
        },
    },
};

fn session_keys(handle: &SessionHandle) -> [String; 3] {
    ["session", "nonces", "spent"].map(|kind| format!("{kind}:{{{handle}}}"))
}

/// Has the hash tag of the session's keys.
fn outcome_key(handle: &SessionHandle, nonce: &Nonce) -> String {
    format!("outcome:{{{handle}}}:{nonce}")
}

/// The list of a user's entered sessions.
fn list_key(user: &UserId) -> String {
    format!("sessions:{{{user}}}")
}

/// The list of a user's unentered sessions.
fn unentered_key(user: &UserId) -> String {
    format!("unentered:{{{user}}}")
}

fn word_of(proof: DeviceProof) -> &'static str {
    match proof {
        DeviceProof::Valid => "valid",
        DeviceProof::Missing => "missing",
        DeviceProof::NotNeeded => "not needed",
    }
}

/// A call of a function that works on one session.
fn call(handle: &SessionHandle, function: &str, now: u64) -> Call {
    Call::new(session_keys(handle), function, now)
}

/// The lists of a user's sessions.
impl RedisStore {
    /// The handles of a list, oldest first.
    async fn listed(&self, key: &str) -> Result<Vec<SessionHandle>> {
        let mut range = cmd("ZRANGE");
        range.arg(key).arg(0).arg(-1);
        let handles: Vec<String> = self.send(key, &range).await?;
        handles.iter().map(|handle| parse(handle)).collect()
    }

    async fn unlist(&self, key: &str, handle: &SessionHandle) -> Result<()> {
        let mut remove = cmd("ZREM");
        remove.arg(key).arg(handle.to_string());
        self.send(key, &remove).await
    }

    /// Whether the session is live or can still be entered.
    async fn is_alive(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<bool> {
        self.run(call(handle, "is_alive", now).arg(ms(idle))).await
    }

    async fn unlist_dead(&self, user: &UserId, idle: Duration, now: u64) -> Result<()> {
        let key = list_key(user);
        for handle in self.listed(&key).await? {
            if !self.is_alive(&handle, idle, now).await? {
                self.unlist(&key, &handle).await?;
            }
        }
        Ok(())
    }

    /// Calls a function that returns a session's fields, or none.
    async fn run_for_session(&self, call: Call) -> Result<Option<Session>> {
        let fields: Vec<String> = self.run(call).await?;
        if fields.is_empty() { Ok(None) } else { parse_session(&fields).map(Some) }
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn create(&self, session: NewSession) -> Result<()> {
        let NewSession { handle, user, confirmation_key, created, enter_by, expires, ip, agent, sign_secret, replaces } =
            session;
        let mut create = call(&handle, "create", created)
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
        if let Some(replaces) = replaces {
            create = create.field("replaces", replaces);
        }
        self.run::<()>(create).await?;
        let list = Call::new([unentered_key(&user)], "add_unentered", created).arg(handle).arg(created).arg(enter_by);
        self.run(list).await
    }

    async fn find_enterable(&self, handle: &SessionHandle, now: u64) -> Result<Option<Enterable>> {
        let answer: Vec<String> = self.run(call(handle, "find_enterable", now)).await?;
        let Some((replaces, fields)) = answer.split_first() else { return Ok(None) };
        let replaces = if replaces.is_empty() { None } else { Some(parse(replaces)?) };
        Ok(Some(Enterable { session: parse_session(fields)?, replaces }))
    }

    async fn enter(&self, enter: EnterSession) -> Result<Entering> {
        let EnterSession { handle, user, cap, idle, now } = enter;
        let Some(Enterable { session, .. }) = self.find_enterable(&handle, now).await? else {
            return Ok(Entering::NoSession);
        };
        self.unlist_dead(&user, idle, now).await?;
        let add_to_list = Call::new([list_key(&user)], "add_to_list", now)
            .arg(handle)
            .arg(session.created)
            .arg(session.expires)
            .arg(cap.max)
            .arg(u8::from(cap.at_cap == AtCap::RejectNew));
        let answer: Vec<String> = self.run(add_to_list).await?;
        if answer.first().is_some_and(|word| word == "full") {
            return Ok(Entering::AtCap);
        }
        let displaced = answer.iter().skip(1).map(|handle| parse(handle)).collect::<Result<Vec<_>>>()?;
        for handle in &displaced {
            self.end(handle, &user, Ended::Replaced, now).await?;
        }
        let answer: Vec<String> = self.run(call(&handle, "enter", now)).await?;
        self.unlist(&unentered_key(&user), &handle).await?;
        let (word, fields) = answer.split_first().ok_or_else(unexpected_answer)?;
        let session = || parse_session(fields).map(Box::new);
        match word.as_str() {
            "entered" => Ok(Entering::Entered(session()?, displaced)),
            "again" => session().map(Entering::Again),
            "no session" => Ok(Entering::NoSession),
            _ => Err(unexpected_answer()),
        }
    }

    async fn bind_frame_key(&self, bind: BindFrameKey) -> Result<FrameKeyBinding> {
        let BindFrameKey { handle, sign_secret, key, nonces, idle, now } = bind;
        let call = call(&handle, "bind_frame_key", now).arg(ms(idle)).arg(sign_secret).arg(key).args(&nonces);
        let answer: Vec<String> = self.run(call).await?;
        let (word, fields) = answer.split_first().ok_or_else(unexpected_answer)?;
        let session = || parse_session(fields).map(Box::new);
        match word.as_str() {
            "bound" => session().map(FrameKeyBinding::Bound),
            "again" => session().map(FrameKeyBinding::Again),
            "pending" => session().map(FrameKeyBinding::Pending),
            "confirmation key" => Ok(FrameKeyBinding::ConfirmationKey),
            "no session" => Ok(FrameKeyBinding::NoSession),
            _ => Err(unexpected_answer()),
        }
    }

    async fn authorize_request(&self, request: AuthorizeRequest) -> Result<Authorization> {
        let AuthorizeRequest {
            handle,
            nonce,
            next,
            now,
            idle,
            nonce_life,
            counter,
            limit,
            touch,
            sample,
            device,
            tier,
        } = request;
        let mut call = call(&handle, "authorize_request", now)
            .arg(ms(idle))
            .arg(ms(nonce_life))
            .arg(counter)
            .arg(limit.max)
            .arg(ms(limit.window))
            .arg(nonce)
            .arg(next)
            .arg(u8::from(touch))
            .arg(word_of(device))
            .arg(u8::from(tier == Tier::Device));
        if let Some(Sample { fingerprint, features }) = sample {
            call = call.arg(fingerprint.map_or_else(|| "-".to_owned(), |it| it.to_string())).args(&features);
        }
        let answer: Vec<String> = self.run(call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["no session", reason] => Ok(Authorization::NoSession(parse_ended(reason))),
            ["no device proof", ..] => Ok(Authorization::NoDeviceProof(Box::new(parse_session(&answer[1..])?))),
            ["tier too low", ..] => Ok(Authorization::TierTooLow(Box::new(parse_session(&answer[1..])?))),
            ["bad nonce", ..] => Ok(Authorization::BadNonce(Box::new(parse_session(&answer[1..])?))),
            ["replayed", ..] => Ok(Authorization::Replayed(Box::new(parse_session(&answer[1..])?))),
            ["limited", reset] => Ok(Authorization::Limited(parse_quota(limit, "0", reset)?)),
            ["authorized", left, reset, repeated, running, ..] => {
                let quota = parse_quota(limit, left, reset)?;
                let history = History { repeated: repeated == "1", running: parse_running(running)? };
                let session = parse_session(&answer[5..])?;
                Ok(Authorization::Authorized(Box::new(Authorized { session, quota, history })))
            }
            _ => Err(unexpected_answer()),
        }
    }

    async fn offer_device(&self, handle: &SessionHandle, jwk: &str, idle: Duration, now: u64) -> Result<bool> {
        self.run(call(handle, "offer_device", now).arg(ms(idle)).arg(jwk)).await
    }

    async fn find(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        self.run_for_session(call(handle, "find", now).arg(ms(idle))).await
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        let [key, ..] = session_keys(handle);
        let reason: Option<String> = self.send(&key, cmd("HGET").arg(&key).arg("ended")).await?;
        Ok(reason.and_then(|reason| parse_ended(&reason)))
    }

    async fn list(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        let mut sessions = Vec::new();
        for handle in self.listed(&list_key(user)).await?.into_iter().rev() {
            let session = self.find(&handle, idle, now).await?;
            sessions.extend(session.map(|session| (handle, session)));
        }
        Ok(sessions)
    }

    async fn handles(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        let mut handles = Vec::new();
        for key in [list_key(user), unentered_key(user)] {
            for handle in self.listed(&key).await? {
                if self.is_alive(&handle, idle, now).await? {
                    handles.push(handle);
                }
            }
        }
        Ok(handles)
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        let answer: Vec<String> = self.run(call(handle, "record_theft", now).arg(ms(idle))).await?;
        match answer.as_slice() {
            [times, last] => parse_theft(times, last).map(Some),
            _ => Ok(None),
        }
    }

    async fn record_outcome(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        outcome: &str,
        life: Duration,
        _now: u64,
    ) -> Result<()> {
        let key = outcome_key(handle, nonce);
        self.send(&key, cmd("SET").arg(&key).arg(outcome).arg("PX").arg(ms(life))).await
    }

    async fn settle(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        idle: Duration,
        nonce_life: Duration,
        now: u64,
    ) -> Result<Settled> {
        let [session, nonces, spent] = session_keys(handle);
        let call = Call::new([session, nonces, spent, outcome_key(handle, nonce)], "settle", now)
            .arg(ms(idle))
            .arg(ms(nonce_life))
            .arg(nonce);
        let answer: Vec<String> = self.run(call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["recorded", outcome] => Ok(Settled::Recorded(outcome.to_owned())),
            ["spent"] => Ok(Settled::Spent),
            ["void"] => Ok(Settled::Void),
            ["unknown"] => Ok(Settled::Unknown),
            _ => Err(unexpected_answer()),
        }
    }

    async fn restore_frame_key(
        &self,
        handle: &SessionHandle,
        key: &PublicKey,
        idle: Duration,
        now: u64,
    ) -> Result<bool> {
        self.run(call(handle, "restore_frame_key", now).arg(ms(idle)).arg(key)).await
    }

    async fn issue_nonces(&self, request: IssueNonces) -> Result<NonceIssue> {
        let IssueNonces { handle, spent, created, nonces, idle, nonce_life, now } = request;
        let call =
            call(&handle, "issue_nonces", now).arg(ms(idle)).arg(ms(nonce_life)).arg(created).arg(spent).args(&nonces);
        match self.run::<String>(call).await?.as_str() {
            "issued" => Ok(NonceIssue::Issued),
            "replayed" => Ok(NonceIssue::Replayed),
            "too old" => Ok(NonceIssue::TooOld),
            "no session" => Ok(NonceIssue::NoSession),
            _ => Err(unexpected_answer()),
        }
    }

    async fn end(&self, handle: &SessionHandle, user: &UserId, reason: Ended, now: u64) -> Result<bool> {
        let is_ended = if let Ok(is_ended) = self.run(call(handle, "end_session", now).arg(reason.as_str())).await {
            is_ended
        } else {
            // Redis has no memory for the reason, or runs no scripts. Deleting the session still works.
            let keys = session_keys(handle);
            self.send(&keys[0], cmd("DEL").arg(&keys)).await?
        };
        for key in [list_key(user), unentered_key(user)] {
            self.unlist(&key, handle).await?;
        }
        Ok(is_ended)
    }
}
