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
        Push::Telemetry { cpu, memory, connections } => server_load.set(describe(*cpu, *memory, *connections)),
        Push::UserActivity { users, verified } => {
            let count = if *users == 1 { "1 user".to_owned() } else { format!("{users} users") };
            active_users.set(format!("{count} online, {verified} requests verified in the last minute"));
        }
        _ => {}
    });
    let state = move || match session.connection() {
        ConnectionState::Off => "Not connected",
        ConnectionState::Connecting => "Connecting…",
        ConnectionState::Live(Transport::Stream) => "Live, by event stream",
        ConnectionState::Live(Transport::Socket) => "Live, by WebSocket",
        ConnectionState::Waiting => "Disconnected, retrying",
    };
    view! {
        <footer class="connection-status muted" aria-label="Connection">
            <span data-testid="push-state">{state}</span>
            <span data-testid="server-people">{move || active_users.get()}</span>
            <span data-testid="server-process">{move || server_load.get()}</span>
        </footer>
    }
}

/// `cpu` in thousandths of a core, `memory` in bytes.
fn describe(cpu: u32, memory: u64, connections: u32) -> String {
    let open =
        if connections == 1 { "1 open connection".to_owned() } else { format!("{connections} open connections") };
    format!("Server: {}.{} % of a core, {} MiB, {open}", cpu / 10, cpu % 10, memory >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_load_is_described() {
        assert_eq!(describe(37, 61 << 20, 1), "Server: 3.7 % of a core, 61 MiB, 1 open connection");
        assert_eq!(describe(1250, 5, 12), "Server: 125.0 % of a core, 0 MiB, 12 open connections");
    }
}
