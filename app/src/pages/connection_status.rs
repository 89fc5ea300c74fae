//! What the server says of itself, at the foot of every page of somebody who is signed in.

use leptos::prelude::*;
use protocol::push::Push;

use crate::pan::{
    push::{self, State, Transport},
    session::Session,
};

/// The line at the foot.
#[component]
pub fn ConnectionStatus() -> impl IntoView {
    let session = expect_context::<Session>();
    let (process, people) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    push::each(move |news| match &news.push {
        Push::Tm { cpu, memory, connections } => process.set(in_words(*cpu, *memory, *connections)),
        Push::Ua { users, verified } => {
            let people_are = if *users == 1 { "1 person is".to_owned() } else { format!("{users} people are") };
            people.set(format!("{people_are} here, {verified} requests verified in the last minute"));
        }
        _ => {}
    });
    let state = move || match session.push() {
        State::Off => "Not listening",
        State::Opening => "Connecting…",
        State::Live(Transport::Stream) => "Live, by event stream",
        State::Live(Transport::Socket) => "Live, by WebSocket",
        State::Waiting => "Disconnected, trying again",
    };
    view! {
        <footer class="pulse muted" aria-label="Connection">
            <span data-testid="push-state">{state}</span>
            <span data-testid="server-people">{move || people.get()}</span>
            <span data-testid="server-process">{move || process.get()}</span>
        </footer>
    }
}

/// `cpu` in thousandths of a core, `memory` in bytes.
fn in_words(cpu: u32, memory: u64, connections: u32) -> String {
    let pages = if connections == 1 { "1 page listens".to_owned() } else { format!("{connections} pages listen") };
    format!("server: {}.{} % of a core, {} MiB, {pages}", cpu / 10, cpu % 10, memory >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_told_in_words() {
        assert_eq!(in_words(37, 61 << 20, 1), "server: 3.7 % of a core, 61 MiB, 1 page listens");
        assert_eq!(in_words(1250, 5, 12), "server: 125.0 % of a core, 0 MiB, 12 pages listen");
    }
}
