//! The activity page: the user's part of the audit log.

use client::push;
use leptos::prelude::*;
use leptos_router::components::A;

use protocol::push::{PasskeyChange, Payload, Push, Security};

use super::private::{PrivateData, PrivatePage, Time};
use crate::session_api::{self, ActivityEntry};

/// How far the times of one event may differ between the audit log and the event log: ms.
const SAME_EVENT_MS: u64 = 1_000;

/// How long the audit log counts equal events together: ms.
const COUNTED_TOGETHER_MS: u64 = 60_000;

/// The page.
#[component]
pub fn Activity() -> impl IntoView {
    let data = PrivateData::load(|| Box::pin(session_api::activity())).reload_on(|_| false);
    push::subscribe(move |message| {
        if let Some(entry) = to_entry(message) {
            data.modify(|rows| insert(rows, entry));
        }
    });
    let rows = move || data.select(Vec::clone).unwrap_or_default();
    view! {
        <PrivatePage title="Your activity" data>
            <section class="card">
                <table class="activity">
                    <caption>"Your activity, newest first"</caption>
                    <thead>
                        <tr><th scope="col">"When"</th><th scope="col">"What"</th><th scope="col">"Session"</th></tr>
                    </thead>
                    <tbody>
                        {move || rows().into_iter().map(|entry| view! { <Row entry/> }).collect_view()}
                    </tbody>
                </table>
            </section>
            <p class="muted">
                "Sign-ins and changes, newest first; rejected requests of one kind are one line. Don’t recognise something? "
                <A href="/sessions">"Review your sessions"</A> "."
            </p>
        </PrivatePage>
    }
}

#[component]
fn Row(entry: ActivityEntry) -> impl IntoView {
    let description = describe(&entry);
    let ActivityEntry { at, times, session, refused, reason, action } = entry;
    let is_alarming = refused || action == "theft";
    let times = (times > 1).then(|| format!(" {times} times"));
    // The first characters are enough to find the session.
    let session = session.map(|session| session.to_string().chars().take(6).collect::<String>());
    view! {
        <tr class:rejected=is_alarming>
            <td><Time at/></td>
            <td>
                {description} <span class="muted">{times}</span>
                {reason.map(|reason| view! { " " <span class="note">{reason.replace('_', " ")}</span> })}
            </td>
            <td><code translate="no">{session}</code></td>
        </tr>
    }
}

/// Inserts a pushed entry by its time, unless the list has it: events from before the page was loaded may be pushed again.
fn insert(rows: &mut Vec<ActivityEntry>, new: ActivityEntry) {
    let is_new = |row: &ActivityEntry| {
        // A line that counts the events of all sessions has the time of the minute in which the last one was counted.
        let (is_same_session, tolerance) = match row.session {
            Some(session) => (Some(session) == new.session, SAME_EVENT_MS),
            None => (true, COUNTED_TOGETHER_MS),
        };
        row.action != new.action || !is_same_session || row.at.abs_diff(new.at) > tolerance
    };
    if new.session.is_none() || rows.iter().all(is_new) {
        let at = rows.partition_point(|row| row.at > new.at);
        rows.insert(at, new);
    }
}

/// The activity entry of a push message, as the audit log records it.
fn to_entry(message: &Payload) -> Option<ActivityEntry> {
    let (action, session) = match &message.push {
        // Another user acted.
        Push::Activity { session: None, .. } => ("received", None),
        Push::Activity { action, session, .. } => (action.as_str(), *session),
        Push::Security(Security::SignedIn { session, .. }) => ("enter", Some(*session)),
        Push::Security(Security::Theft { session, .. }) => ("theft", Some(*session)),
        Push::Security(Security::Ended { session, .. }) => ("session_ended", Some(*session)),
        Push::Security(Security::Passkey { change, session, .. }) => (
            match change {
                PasskeyChange::Added => "add_passkey",
                PasskeyChange::Removed => "remove_passkey",
                PasskeyChange::CodesCreated => "create_recovery_codes",
                PasskeyChange::Recovered => "recover",
                PasskeyChange::Copied => "theft",
            },
            *session,
        ),
        _ => return None,
    };
    Some(ActivityEntry {
        at: message.id.ms,
        times: 1,
        session,
        action: action.to_owned(),
        refused: false,
        reason: None,
    })
}

/// Describes an entry to the user. An action that this page does not know keeps its name.
fn describe(entry: &ActivityEntry) -> String {
    let known = match entry.action.as_str() {
        "register" => "Opened the account",
        "sign_in" => "Signed in",
        "sign_out" => "Signed out",
        "enter" => "Started a session in a browser",
        "bind" => "Created a key for a session",
        "restore_browser" => "Restored a browser",
        "session_ended" => "A session ended",
        "device_bound" => "Bound a session to its device",
        "theft" if entry.reason.as_deref() == Some("passkey_counter") => "A passkey may have been copied",
        "theft" => "A session’s cookie was used without its key",
        "sessions" => "Viewed the sessions",
        "revoke" => "Ended a session",
        "revoke_others" => "Ended all other sessions",
        "passkeys" => "Viewed the passkeys",
        "add_passkey" => "Added a passkey",
        "remove_passkey" => "Removed a passkey",
        "create_recovery_codes" => "Created recovery codes",
        "recover" => "Used a recovery code",
        "activity" => "Viewed the activity",
        "nonces" => "Renewed the session",
        "account" => "Viewed the account",
        "display_name" => "Changed the display name",
        // <demo>
        "transfer" => "Sent money",
        // </demo>
        "jitterbug/keys" | "jitterbug/stream" => "Connected to live updates",
        "push_ended" => "Disconnected from live updates",
        "push_rejected" if entry.reason.as_deref() == Some("frame_stale") => "Rejected an update that arrived too late",
        "push_rejected" => "Rejected an update that was not signed for this page",
        "received" => "Another user sent you something",
        other => return prefixed(entry.refused, &other.replace('_', " ")),
    };
    prefixed(entry.refused, known)
}

fn prefixed(refused: bool, words: &str) -> String {
    if refused { format!("Rejected: {}", lower_first(words)) } else { words.to_owned() }
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
        to_entry(&Payload { conn: ConnectionId::new([0; 16]), id: Cursor { ms: 17, n: 0 }, seq: 1, push })
    }

    #[test]
    fn unknown_action_keeps_its_name() {
        let entry = |action: &str, refused| ActivityEntry {
            at: 0,
            times: 1,
            session: None,
            action: action.to_owned(),
            refused,
            reason: None,
        };
        assert_eq!(describe(&entry("revoke", false)), "Ended a session");
        assert_eq!(describe(&entry("revoke", true)), "Rejected: ended a session");
        assert_eq!(describe(&entry("close_account", false)), "close account");
        let late = ActivityEntry { reason: Some("frame_stale".into()), ..entry("push_rejected", false) };
        assert_eq!(describe(&late), "Rejected an update that arrived too late");
    }

    #[test]
    fn repeated_push_is_inserted_once_in_order() {
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
            insert(&mut rows, again);
            assert_eq!(rows.len(), times);
        }
        // Money received is in no earlier list.
        insert(&mut rows, row(7_000, "received", false));
        insert(&mut rows, row(7_001, "received", false));
        assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [9_000, 7_001, 7_000, 7_000, 5_000]);
        // The theft signals of all sessions are one line.
        let mut rows = vec![row(9_000, "theft", false)];
        insert(&mut rows, row(30_000, "theft", true));
        assert_eq!(rows.len(), 1);
        insert(&mut rows, row(90_000, "theft", true));
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn account_push_becomes_an_entry() {
        let session = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let transfer = |session| Push::Activity { action: "transfer".into(), session, note: "12.00 EUR".into() };
        let received = pushed(transfer(None)).unwrap();
        assert_eq!((received.at, received.action.as_str()), (17, "received"));
        assert_eq!(pushed(transfer(Some(session))).unwrap().action, "transfer");
        assert_eq!(pushed(Push::Security(Security::Theft { session, times: 1 })).unwrap().action, "theft");
        let recovered =
            Security::Passkey { change: PasskeyChange::Recovered, name: String::new(), session: Some(session) };
        assert_eq!(pushed(Push::Security(recovered)).unwrap().action, "recover");
        assert_eq!(pushed(Push::Heartbeat { latest: 3 }), None);
    }
}
