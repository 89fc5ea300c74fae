//! The footer of every page of a signed-in user: the push connection and the server's load.

use client::{ConnectionState, Session, Transport, push};
use leptos::prelude::*;
use protocol::push::Push;

/// The footer.
#[component]
pub fn ConnectionStatus() -> impl IntoView {
    let session = expect_context::<Session>();
    let (server_load, active_users) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    push::subscribe(move |message| match &message.push {
        Push::Tm { cpu, memory, connections } => server_load.set(describe(*cpu, *memory, *connections)),
        Push::Ua { users, verified } => {
            let people_are = if *users == 1 { "1 person is".to_owned() } else { format!("{users} people are") };
            active_users.set(format!("{people_are} here, {verified} requests verified in the last minute"));
        }
        _ => {}
    });
    let state = move || match session.connection() {
        ConnectionState::Off => "Not listening",
        ConnectionState::Connecting => "Connecting…",
        ConnectionState::Live(Transport::Stream) => "Live, by event stream",
        ConnectionState::Live(Transport::Socket) => "Live, by WebSocket",
        ConnectionState::Waiting => "Disconnected, trying again",
    };
    view! {
        <footer class="pulse muted" aria-label="Connection">
            <span data-testid="push-state">{state}</span>
            <span data-testid="server-people">{move || active_users.get()}</span>
            <span data-testid="server-process">{move || server_load.get()}</span>
        </footer>
    }
}

/// `cpu` in thousandths of a core, `memory` in bytes.
fn describe(cpu: u32, memory: u64, connections: u32) -> String {
    let pages = if connections == 1 { "1 page listens".to_owned() } else { format!("{connections} pages listen") };
    format!("server: {}.{} % of a core, {} MiB, {pages}", cpu / 10, cpu % 10, memory >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_load_is_described() {
        assert_eq!(describe(37, 61 << 20, 1), "server: 3.7 % of a core, 61 MiB, 1 page listens");
        assert_eq!(describe(1250, 5, 12), "server: 125.0 % of a core, 0 MiB, 12 pages listen");
    }
}
