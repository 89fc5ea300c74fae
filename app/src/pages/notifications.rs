//! Notifications about the user's sessions, in the head of every page.

use client::{Session, push, read_cursor};
use leptos::{ev, html, prelude::*};
use leptos_router::components::A;
use protocol::{
    problem::Ended,
    push::{Cursor, PasskeyChange, Payload, Push, Security},
    token::SessionHandle,
};
use wasm_bindgen::JsCast;

use super::{focus, private::Time};

/// The most notifications that are listed.
const MAX_LISTED: usize = 20;

/// A notification.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Notification {
    /// Its place in the event log, whose first half is its time.
    cursor: Cursor,
    session: SessionHandle,
    sentence: String,
    is_alarming: bool,
    /// Whether it is a theft signal, of which a session has one notification.
    is_theft: bool,
}

impl Notification {
    /// The notification of a push message. `own` is the session of this page, whose own sign-in needs no notification.
    fn new(payload: &Payload, own: SessionHandle) -> Option<Self> {
        let Push::Security(event) = &payload.push else { return None };
        let (session, sentence) = match event {
            Security::SignedIn { session, .. } if *session == own => return None,
            Security::SignedIn { session, device, network } => {
                let from = if network.is_empty() { String::new() } else { format!(" from {network}") };
                (session, format!("New sign-in: {device}{from}. Was this you?"))
            }
            Security::Theft { session, times } => {
                let whose = if *session == own { "this session" } else { "another of your sessions" };
                let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
                (session, format!("Someone has a copy of the cookie of {whose}. It was used without the key {times}."))
            }
            Security::Ended { session, why } => (session, format!("A session has ended: {}.", ended(*why))),
            // The page that has changed it shows the result, but only this list is kept.
            Security::Passkey { change, name, session } => (session.as_ref().unwrap_or(&own), passkey(*change, name)),
        };
        let is_theft =
            matches!(event, Security::Theft { .. } | Security::Passkey { change: PasskeyChange::Copied, .. });
        let is_recovery = matches!(event, Security::Passkey { change: PasskeyChange::Recovered, .. });
        Some(Self { cursor: payload.id, session: *session, sentence, is_alarming: is_theft || is_recovery, is_theft })
    }
}

fn passkey(change: PasskeyChange, name: &str) -> String {
    match change {
        PasskeyChange::Added => format!("The passkey “{name}” was added. Was this you?"),
        PasskeyChange::Removed => format!("The passkey “{name}” was removed. Was this you?"),
        PasskeyChange::CodesCreated => "New recovery codes were created. Earlier ones no longer work. Was this you?".to_owned(),
        PasskeyChange::Recovered => {
            "A recovery code was used to sign in, and all your passkeys were removed. If this was not you, end that session now."
                .to_owned()
        }
        PasskeyChange::Copied => {
            format!(
                "The passkey “{name}” may have been copied, and was not accepted. Remove it if you do not know why."
            )
        }
    }
}

fn ended(why: Ended) -> &'static str {
    match why {
        Ended::SignedOut => "you signed out",
        Ended::Replaced => "it was your oldest when you signed in again",
        Ended::Revoked => "you ended it",
        Ended::Stolen => "someone else used its cookie",
    }
}

/// Adds a notification at the top. A theft replaces an earlier theft of the same session.
fn add(list: &mut Vec<Notification>, new: Notification) {
    list.retain(|older| !(new.is_theft && older.is_theft && older.session == new.session));
    list.insert(0, new);
    list.truncate(MAX_LISTED);
}

/// Closes the menu when the focus leaves it: its list may cover what has the focus next.
fn close_when_left(menu: NodeRef<html::Details>, event: &ev::FocusEvent) {
    if let (Some(next), Some(menu)) = (event.related_target(), menu.get_untracked())
        && !menu.contains(Some(next.unchecked_ref()))
    {
        menu.set_open(false);
    }
}

fn close_on_escape(menu: NodeRef<html::Details>, event: &ev::KeyboardEvent) {
    if event.key() == "Escape"
        && let Some(menu) = menu.get_untracked()
    {
        // An element inside of the closed menu would lose the focus.
        focus::focus(menu.first_element_child());
        menu.set_open(false);
    }
}

/// The notification menu: a bell with the number of unread notifications, and their list.
#[component]
pub fn Notifications() -> impl IntoView {
    let session = expect_context::<Session>();
    let list = RwSignal::new(Vec::<Notification>::new());
    let read = RwSignal::new(None::<Cursor>);
    let missed = RwSignal::new(false);
    let details = NodeRef::<html::Details>::new();
    let unread =
        move || list.with(|list| list.iter().filter(|item| read.get().is_none_or(|at| item.cursor > at)).count());
    let is_open = move || details.get_untracked().is_some_and(|details| details.open());

    // Another session has other notifications.
    let current = session.clone();
    Effect::new(move || {
        current.state();
        list.set(Vec::new());
        missed.set(false);
        read.set(current.handle().and_then(read_cursor::of));
    });
    // Another tab of this browser may have read them.
    let shared = session.clone();
    Effect::new(move || {
        let shared = shared.clone();
        let handle = window_event_listener(ev::storage, move |event| {
            if event.key().as_deref() == Some(read_cursor::KEY) {
                read.set(shared.handle().and_then(read_cursor::of));
            }
        });
        on_cleanup(move || handle.remove());
    });

    let reader = session.clone();
    let mark_read = move |cursor: Cursor| {
        if let Some(session) = reader.handle() {
            read_cursor::advance(session, cursor);
            read.set(Some(cursor));
        }
    };
    let mark_received = mark_read.clone();
    push::subscribe(move |payload| {
        let Some(own) = session.handle() else { return };
        let notification = Notification::new(payload, own);
        let is_notification = notification.is_some();
        if let Some(notification) = notification {
            list.update(|list| add(list, notification));
        }
        missed.update(|missed| *missed |= matches!(payload.push, Push::Reset {} | Push::Dropped { .. }));
        // Other messages advance the cursor too, so that it does not fall out of the log.
        if is_open() || (!is_notification && untrack(unread) == 0 && read.get_untracked() != Some(payload.id)) {
            mark_received(payload.id);
        }
    });
    let open = move |_| {
        if let Some(newest) = list.with_untracked(|list| list.first().map(|newest| newest.cursor)).filter(|_| is_open())
        {
            mark_read(newest);
        }
    };
    let label = move || match unread() {
        0 => "Notifications: nothing new".to_owned(),
        1 => "Notifications: 1 new".to_owned(),
        many => format!("Notifications: {many} new"),
    };
    view! {
        <details
            class="notifications"
            node_ref=details
            on:toggle=open
            on:focusout=move |event| close_when_left(details, &event)
            on:keydown=move |event| close_on_escape(details, &event)
        >
            <summary aria-label=label>
                <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
                    <path d="M10 2.5a4.8 4.8 0 0 0-4.8 4.8c0 4.4-1.7 5.6-1.7 5.6h13s-1.7-1.2-1.7-5.6A4.8 4.8 0 0 0 10 2.5zM8.4 15.6a1.7 1.7 0 0 0 3.2 0"/>
                </svg>
                {move || Some(unread()).filter(|&count| count > 0).map(|count| view! { <span class="unread-count" translate="no">{count}</span> })}
            </summary>
            <section class="card notification-list" aria-label="Notifications">
                {move || missed.get().then(|| view! {
                    <p class="muted">"Not everything is shown here. " <A href="/activity">"See your activity"</A> "."</p>
                })}
                <Show
                    when=move || list.with(|list| !list.is_empty())
                    fallback=|| view! { <p class="muted">"No notifications."</p> }
                >
                    <ul>
                        <For each=move || list.get() key=|item| item.cursor let:item>
                            <li class:error=item.is_alarming>
                                <p>{item.sentence.clone()}</p>
                                <p class="muted">
                                    <Time at=item.cursor.ms/> " · "
                                    <A href=format!("/sessions#{}", item.session)>"See the session"</A>
                                </p>
                            </li>
                        </For>
                    </ul>
                </Show>
            </section>
        </details>
        // Outside of the menu, because screen readers skip what is in a closed one.
        <p class="visually-hidden" aria-live="polite">
            {move || list.with(|list| list.first().map(|newest| newest.sentence.clone()))}
        </p>
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use protocol::push::ConnectionId;

    use super::*;

    fn own() -> SessionHandle {
        "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
    }

    fn other() -> SessionHandle {
        "BAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
    }

    fn notification(ms: u64, event: Security) -> Option<Notification> {
        let push = Push::Security(event);
        Notification::new(&Payload { conn: ConnectionId::new([0; 16]), id: Cursor { ms, n: 0 }, seq: 1, push }, own())
    }

    #[test]
    fn only_another_sign_in_notifies() {
        let signed_in =
            |session| Security::SignedIn { session, device: "Firefox on Linux".into(), network: String::new() };
        assert_eq!(notification(1, signed_in(own())), None);
        assert!(notification(1, signed_in(other())).unwrap().sentence.contains("Firefox on Linux"));
    }

    #[test]
    fn recovery_is_announced_and_stays() {
        let passkey = |change, session| Security::Passkey { change, name: String::new(), session };
        let created = notification(1, passkey(PasskeyChange::CodesCreated, Some(own()))).unwrap();
        assert!(created.sentence.contains("New recovery codes") && !created.is_alarming);
        let recovered = notification(2, passkey(PasskeyChange::Recovered, Some(other()))).unwrap();
        assert!(recovered.sentence.contains("all your passkeys were removed") && recovered.is_alarming);
        let mut list = vec![recovered];
        add(&mut list, notification(3, Security::Theft { session: other(), times: 1 }).unwrap());
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn newer_theft_replaces_older_of_same_session() {
        let mut list = Vec::new();
        for (ms, session, times) in [(1, own(), 1), (2, other(), 1), (3, own(), 2)] {
            add(&mut list, notification(ms, Security::Theft { session, times }).unwrap());
        }
        let sentences: Vec<_> = list.iter().map(|item| item.sentence.as_str()).collect();
        assert_eq!(sentences.len(), 2);
        assert!(sentences[0].contains("this session") && sentences[0].contains("2 times"), "{sentences:?}");
        for ms in 4..50 {
            add(&mut list, notification(ms, Security::Ended { session: other(), why: Ended::Revoked }).unwrap());
        }
        assert_eq!(list.len(), MAX_LISTED);
        assert_eq!(list[0].cursor.ms, 49);
    }
}
