//! Where one is signed in, and the way to end that.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;
use protocol::{built_in::Revoke, key::KeyThumbprint, push::Push, token::SessionHandle};

use super::{
    form::Alert,
    private::{Moment, Private, PrivatePage},
};
use crate::{
    error::AppError,
    session_api::{self, OwnSession},
};

/// What the parts of the page share.
#[derive(Clone, Copy)]
struct Ending {
    shown: Private<Vec<OwnSession>>,
    pending: RwSignal<bool>,
    error: RwSignal<Option<AppError>>,
}

impl Ending {
    /// Ends something, one at a time, and shows the sessions that are left.
    fn run(self, call: impl Future<Output = Result<String, AppError>> + 'static) {
        if self.pending.get_untracked() {
            return;
        }
        self.pending.set(true);
        self.error.set(None);
        self.shown.done.set(None);
        spawn_local(async move {
            match call.await {
                Ok(done) => self.shown.done.set(Some(done)),
                Err(error) => self.error.set(Some(error)),
            }
            self.pending.set(false);
            self.shown.load();
        });
    }

    fn one(self, session: SessionHandle) {
        self.run(async move {
            session_api::revoke(Revoke { session })
                .await
                .map(|()| "That session has ended, everywhere and at once.".to_owned())
        });
    }

    fn others(self) {
        self.run(async {
            session_api::revoke_others().await.map(|ended| match ended {
                1 => "One other session has ended.".to_owned(),
                many => format!("{many} other sessions have ended."),
            })
        });
    }
}

/// The page.
#[component]
pub fn Sessions() -> impl IntoView {
    let shown = Private::start(|| Box::pin(session_api::sessions())).follow(|push| matches!(push, Push::Security(_)));
    let ending = Ending { shown, pending: RwSignal::new(false), error: RwSignal::new(None) };
    let sessions = move || shown.part(Clone::clone).unwrap_or_default();
    let has_others = move || shown.part(|sessions| sessions.len() > 1).unwrap_or_default();
    view! {
        <PrivatePage title="Your sessions" shown>
            <p class="muted">
                "Each is a browser that you signed in with, and has keys of its own. Ending one asks you to confirm: compare its code."
            </p>
            <Alert sentence=move || ending.error.get().map(|error| error.to_string())/>
            <ul class="sessions" aria-label="Sessions">
                {move || sessions().into_iter().map(|session| view! { <One session ending/> }).collect_view()}
            </ul>
            <Show when=has_others>
                <button
                    type="button"
                    class="action"
                    aria-disabled=move || ending.pending.get().to_string()
                    on:click=move |_| ending.others()
                >
                    "End all other sessions"
                </button>
            </Show>
        </PrivatePage>
    }
}

#[component]
fn One(session: OwnSession, ending: Ending) -> impl IntoView {
    let OwnSession { handle, is_this, device, network, created, seen, confirmation_key, frame_key, theft } = session;
    let frame_key = frame_key.map_or_else(|| "none yet".to_owned(), short);
    let from = (!network.is_empty()).then(|| format!(" from {network}"));
    let end = (!is_this).then(|| {
        view! {
            <button
                type="button"
                class="quiet"
                aria-label=format!("End session {handle}")
                aria-disabled=move || ending.pending.get().to_string()
                on:click=move |_| ending.one(handle)
            >
                "End"
            </button>
        }
    });
    view! {
        <li class="card session" id=handle.to_string() class:threatened=theft.is_some()>
            <div class="session-head">
                <h2>{device}</h2>
                {is_this.then(|| view! { <span class="badge">"This session"</span> })}
                {end}
            </div>
            <p>"Signed in " <Moment at=created/> {from} ", last used " <Moment at=seen/> "."</p>
            <p class="muted">"Code " <code translate="no">{handle.to_string()}</code></p>
            <p class="muted">
                "Keys: confirmation " <code translate="no">{short(confirmation_key)}</code>
                ", frame " <code translate="no">{frame_key}</code>
            </p>
            {theft.map(|(times, last)| view! { <Threat times last is_this/> })}
        </li>
    }
}

/// The beginning of a key's thumbprint: enough to tell keys apart.
fn short(key: KeyThumbprint) -> String {
    key.to_string().chars().take(8).collect()
}

/// Somebody has the token.
#[component]
fn Threat(times: u64, last: u64, is_this: bool) -> impl IntoView {
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    let advice = if is_this {
        "Sign out and in again to make the cookie worthless, and look for what may have read it: an extension, another program, a device that you shared."
    } else {
        "End this session to make the cookie worthless, and look for what may have read it there."
    };
    view! {
        <div class="notice wrong" role="note">
            <p>
                {format!("Somebody has this session’s cookie. It was presented without the session’s key {times}, last on ")}
                <Moment at=last/> ". Nothing was done and nothing was read. " {advice}
            </p>
            <p><A href="/activity">"See what happened"</A></p>
        </div>
    }
}
