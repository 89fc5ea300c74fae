//! What happened in one's own account: the user's own part of the audit log.

use leptos::prelude::*;
use leptos_router::components::A;

use protocol::push::{Payload, Push, Security};

use super::private::{Moment, Private, PrivatePage};
use crate::{
    pan::push,
    session_api::{self, ActivityEntry},
};

/// How far the times of one event in the audit log and in the log of events may be apart: ms.
const SAME_MS: u64 = 1_000;

/// The page.
#[component]
pub fn Activity() -> impl IntoView {
    let shown = Private::start(|| Box::pin(session_api::activity())).follow(|_| false);
    push::each(move |news| {
        if let Some(happening) = as_happening(news) {
            shown.amend(|rows| add(rows, happening));
        }
    });
    let rows = move || shown.part(|rows| rows.iter().filter(|row| !is_plumbing(row)).cloned().collect::<Vec<_>>());
    let rows = move || rows().unwrap_or_default();
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
                "Every request is on record, also those that were refused. What a page needs to keep itself working is not shown. Something that you do not know? "
                <A href="/sessions">"Look at your sessions"</A> "."
            </p>
        </PrivatePage>
    }
}

#[component]
fn Row(happening: ActivityEntry) -> impl IntoView {
    let what = in_words(&happening);
    let ActivityEntry { at, times, session, refused, reason, action } = happening;
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

/// Adds what was pushed at its place in time, unless the list has it: what happened before the page was loaded may be told
/// again.
fn add(rows: &mut Vec<ActivityEntry>, new: ActivityEntry) {
    let is_new = |row: &ActivityEntry| {
        (&row.action, row.session) != (&new.action, new.session) || row.at.abs_diff(new.at) > SAME_MS
    };
    if new.session.is_none() || rows.iter().all(is_new) {
        let at = rows.partition_point(|row| row.at > new.at);
        rows.insert(at, new);
    }
}

/// What was just pushed, as the log will have it.
fn as_happening(news: &Payload) -> Option<ActivityEntry> {
    let (action, session) = match &news.push {
        // Others act in no session of one's own.
        Push::Activity { session: None, .. } => ("received", None),
        Push::Activity { action, session, .. } => (action.as_str(), *session),
        Push::Security(Security::SignedIn { session, .. }) => ("enter", Some(*session)),
        Push::Security(Security::Theft { session, .. }) => ("theft", Some(*session)),
        Push::Security(Security::Ended { session, .. }) => ("session_ended", Some(*session)),
        _ => return None,
    };
    Some(ActivityEntry { at: news.id.ms, times: 1, session, action: action.to_owned(), refused: false, reason: None })
}

/// What a page does by itself.
fn is_plumbing(happening: &ActivityEntry) -> bool {
    !happening.refused && matches!(&*happening.action, "nonces" | "jitterbug/keys" | "jitterbug/stream" | "push_ended")
}

/// What happened, for people. An action that this page does not know is called by its own name.
fn in_words(happening: &ActivityEntry) -> String {
    let known = match happening.action.as_str() {
        "register" => "Opened the account",
        "sign_in" => "Signed in",
        "sign_out" => "Signed out",
        "enter" => "Opened a session in a browser",
        "bind" => "Made a key for a session",
        "restore_browser" => "Restored a browser",
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
        "push_rejected" if happening.reason.as_deref() == Some("frame_stale") => "News came too late to be believed",
        "push_rejected" => "News came that the server had not signed for this page",
        "received" => "Somebody sent you something",
        other => return called(happening.refused, &other.replace('_', " ")),
    };
    called(happening.refused, known)
}

fn called(refused: bool, words: &str) -> String {
    if refused { format!("Refused: {}", lower_first(words)) } else { words.to_owned() }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use protocol::push::{ConnectionId, Cursor};

    use super::*;

    fn pushed(push: Push) -> Option<ActivityEntry> {
        as_happening(&Payload { conn: ConnectionId::new([0; 16]), id: Cursor { ms: 17, n: 0 }, seq: 1, push })
    }

    #[test]
    fn an_action_of_the_catalogue_has_words_or_its_name() {
        let happening = |action: &str, refused| ActivityEntry {
            at: 0,
            times: 1,
            session: None,
            action: action.to_owned(),
            refused,
            reason: None,
        };
        assert_eq!(in_words(&happening("transfer", false)), "Sent money");
        assert_eq!(in_words(&happening("transfer", true)), "Refused: sent money");
        assert_eq!(in_words(&happening("close_account", false)), "close account");
        let late = ActivityEntry { reason: Some("frame_stale".into()), ..happening("push_rejected", false) };
        assert_eq!(in_words(&late), "News came too late to be believed");
    }

    #[test]
    fn what_is_told_again_stands_there_once_and_in_its_place() {
        let row = |at, action: &str, own: bool| ActivityEntry {
            at,
            times: 1,
            session: own.then(|| "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()),
            action: action.to_owned(),
            refused: false,
            reason: None,
        };
        let mut rows = vec![row(9_000, "account", true), row(5_000, "transfer", true)];
        for (again, times) in [(row(5_400, "transfer", true), 2), (row(7_000, "transfer", true), 3)] {
            add(&mut rows, again);
            assert_eq!(rows.len(), times);
        }
        // Money that comes in is in no list before.
        add(&mut rows, row(7_000, "received", false));
        add(&mut rows, row(7_001, "received", false));
        assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [9_000, 7_001, 7_000, 7_000, 5_000]);
    }

    #[test]
    fn what_is_pushed_is_a_row_when_it_is_about_the_account() {
        let session = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let transfer = |session| Push::Activity { action: "transfer".into(), session, note: "12.00 EUR".into() };
        let received = pushed(transfer(None)).unwrap();
        assert_eq!((received.at, received.action.as_str()), (17, "received"));
        assert_eq!(pushed(transfer(Some(session))).unwrap().action, "transfer");
        assert_eq!(pushed(Push::Security(Security::Theft { session, times: 1 })).unwrap().action, "theft");
        assert_eq!(pushed(Push::Hb { latest: 3 }), None);
    }
}
