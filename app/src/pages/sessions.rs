//! The sessions page: where the user is signed in, and how to end a session.

use leptos::prelude::*;
use leptos_router::components::A;
use protocol::{action::Tier, built_in::Revoke, key::KeyThumbprint, push::Push};

use super::{
    changes::{Change, ChangeButton, Changes},
    form::Alert,
    private::{PrivateData, PrivatePage, Time},
};
use crate::session_api::{self, OwnSession};

fn end_others() -> Change {
    Box::pin(async {
        Ok(match session_api::revoke_others().await? {
            1 => "One other session has ended.".to_owned(),
            many => format!("{many} other sessions have ended."),
        })
    })
}

/// The page.
#[component]
pub fn Sessions() -> impl IntoView {
    let data =
        PrivateData::load(|| Box::pin(session_api::sessions())).reload_on(|push| matches!(push, Push::Security(_)));
    let changes = Changes::of(data);
    let sessions = move || data.select(Clone::clone).unwrap_or_default();
    let has_others = move || data.select(|sessions| sessions.len() > 1).unwrap_or_default();
    view! {
        <PrivatePage title="Your sessions" data>
            <p class="muted">
                "Each session is a browser in which you signed in, with its own keys. When you end one, compare its code in the confirmation window."
            </p>
            <p><A href="/passkeys">"Your passkeys"</A> " sign you in without a password."</p>
            <Alert sentence=move || changes.error()/>
            <ul class="sessions" aria-label="Sessions">
                {move || sessions().into_iter().map(|session| view! { <SessionCard session changes/> }).collect_view()}
            </ul>
            <Show when=has_others>
                <ChangeButton changes label="End all other sessions" class="primary" change=Box::new(end_others)/>
            </Show>
        </PrivatePage>
    }
}

#[component]
fn SessionCard(session: OwnSession, changes: Changes) -> impl IntoView {
    let OwnSession { handle, is_this, device, network, created, seen, confirmation_key, frame_key, tier, theft } =
        session;
    let frame_key = frame_key.map_or_else(|| "none yet".to_owned(), abbreviate);
    let from = (!network.is_empty()).then(|| format!(" from {network}"));
    let end_button = (!is_this).then(|| {
        let end = move || -> Change {
            Box::pin(async move {
                session_api::revoke(Revoke { session: handle }).await?;
                Ok("The session has ended.".to_owned())
            })
        };
        view! { <ChangeButton changes label="End" name=format!("End session {handle}") change=Box::new(end)/> }
    });
    view! {
        <li class="card session" id=handle.to_string() class:compromised=theft.is_some()>
            <div class="session-header">
                <h2>{device}</h2>
                {is_this.then(|| view! { <span class="badge">"This session"</span> })}
                {end_button}
            </div>
            <p>"Signed in " <Time at=created/> {from} ", last used " <Time at=seen/> "."</p>
            <p data-testid="tier">{describe(tier)}</p>
            <p class="muted">"Code " <code translate="no">{handle.to_string()}</code></p>
            <p class="muted">
                "Keys: confirmation " <code translate="no">{abbreviate(confirmation_key)}</code>
                ", frame " <code translate="no">{frame_key}</code>
            </p>
            {theft.map(|(times, last)| view! { <TheftWarning times last is_this/> })}
        </li>
    }
}

/// What a session is bound to, and what that stops.
fn describe(tier: Tier) -> &'static str {
    match tier {
        Tier::Device => "Bound to this device’s hardware: a copy of the browser’s data is useless elsewhere.",
        Tier::Browser => {
            "Bound to this browser’s keys: a stolen cookie is useless, but a copy of all of the browser’s data is not."
        }
    }
}

/// The first characters of a key's thumbprint, which are enough to tell keys apart.
fn abbreviate(key: KeyThumbprint) -> String {
    key.to_string().chars().take(8).collect()
}

/// Warns that the token was presented without its key.
#[component]
fn TheftWarning(times: u64, last: u64, is_this: bool) -> impl IntoView {
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    let advice = if is_this {
        "Sign out and sign in again to make the copy useless. Then check what may have read the cookie: an extension, another program, a shared device."
    } else {
        "End this session to make the copy useless. Then check that device for what may have read the cookie."
    };
    view! {
        <div class="notice error" role="note">
            <p>
                {format!("Someone has a copy of this session’s cookie. It was used without the session’s key {times}, last on ")}
                <Time at=last/> ". Nothing was read or changed. " {advice}
            </p>
            <p><A href="/activity">"Review your activity"</A></p>
        </div>
    }
}
