//! What the server says of itself: how busy its process is, and how many people are there.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use protocol::push::Push;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::hub::Hub;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(5);

/// Starts saying it, for as long as the hub lives. `verified` counts the requests that were let through so far.
pub(crate) fn start(hub: &Arc<Hub>, verified: impl Fn() -> u64 + Send + 'static) {
    tokio::spawn(say(Arc::downgrade(hub), verified));
}

async fn say(hub: Weak<Hub>, verified: impl Fn() -> u64) {
    let mut system = System::new();
    let mut counts = std::collections::VecDeque::new();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { return };
        counts.push_back(verified());
        // A minute ago.
        let before = if counts.len() > 12 { counts.pop_front() } else { counts.front().copied() };
        let (connections, users) = hub.size();
        if connections == 0 {
            continue;
        }
        if let Some((cpu, memory)) = measure(&mut system) {
            hub.broadcast(&Push::Tm { cpu, memory, connections: small(connections) });
        }
        let minute = verified().saturating_sub(before.unwrap_or_default());
        hub.broadcast(&Push::Ua { users: small(users), verified: u32::try_from(minute).unwrap_or(u32::MAX) });
    }
}

/// Thousandths of a core since the last time, and bytes of memory.
fn measure(system: &mut System) -> Option<(u32, u64)> {
    let own = Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
    let process = system.process(own)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of some cores")]
    let cpu = (process.cpu_usage() * 10.0).round() as u32;
    Some((cpu, process.memory()))
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
