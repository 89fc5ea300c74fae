//! What happened in one's own account: the user's own part of the audit log.

use leptos::prelude::*;
use leptos_router::components::A;

use super::private::{Moment, Private, PrivatePage};
use crate::access::{self, Happening};

/// The page.
#[component]
pub fn Activity() -> impl IntoView {
    let shown = Private::start(|| Box::pin(access::activity()));
    let rows = move || shown.part(Clone::clone).unwrap_or_default();
    view! {
        <PrivatePage title="Your activity" shown>
            <section class="card">
                <table class="activity">
                    <caption>"What happened, newest first"</caption>
                    <thead>
                        <tr><th scope="col">"When"</th><th scope="col">"What"</th><th scope="col">"Session"</th></tr>
                    </thead>
                    <tbody>
                        {move || rows().into_iter().map(|happening| view! { <Row happening/> }).collect_view()}
                    </tbody>
                </table>
            </section>
            <p class="muted">
                "Every request is on record, also those that were refused. Something that you do not know? "
                <A href="/sessions">"Look at your sessions"</A> "."
            </p>
        </PrivatePage>
    }
}

#[component]
fn Row(happening: Happening) -> impl IntoView {
    let what = in_words(&happening);
    let Happening { at, times, session, refused, reason, action } = happening;
    let is_alarming = refused || action == "theft";
    let times = (times > 1).then(|| format!(" {times} times"));
    // The code's beginning is enough to find the session by.
    let session = session.map(|session| session.to_string().chars().take(6).collect::<String>());
    view! {
        <tr class:refused=is_alarming>
            <td><Moment at/></td>
            <td>
                {what} <span class="muted">{times}</span>
                {reason.map(|reason| view! { " " <span class="note">{reason.replace('_', " ")}</span> })}
            </td>
            <td><code>{session}</code></td>
        </tr>
    }
}

/// What happened, for people. An action that this page does not know is called by its own name.
fn in_words(happening: &Happening) -> String {
    let known = match happening.action.as_str() {
        "register" => "Opened the account",
        "sign_in" => "Signed in",
        "sign_out" => "Signed out",
        "bind" => "Made a key for a session",
        "session_ended" => "A session ended",
        "theft" => "A session’s cookie was presented without its key",
        "sessions" => "Looked at the sessions",
        "revoke" => "Ended a session",
        "revoke_others" => "Ended all other sessions",
        "activity" => "Looked at the activity",
        "nonces" => "Kept the session working",
        "account" => "Looked at the account",
        "display_name" => "Changed the display name",
        "transfer" => "Sent money",
        "jitterbug/keys" | "jitterbug/stream" => "Listened for news",
        "push_ended" => "Stopped listening for news",
        other => other,
    };
    if happening.refused { format!("Refused: {}", lower_first(known)) } else { known.to_owned() }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_the_catalogue_has_words() {
        for entry in protocol::catalogue::CATALOGUE {
            let happening = |refused| Happening {
                at: 0,
                times: 1,
                session: None,
                action: entry.name.to_owned(),
                refused,
                reason: None,
            };
            assert_ne!(in_words(&happening(false)), entry.name);
            assert!(in_words(&happening(true)).starts_with("Refused: "));
        }
    }
}
