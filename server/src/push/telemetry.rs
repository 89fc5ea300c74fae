//! Telemetry for the pages: load of the server process and user activity.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use protocol::push::Push;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::hub::Hub;

/// How often telemetry is published.
const INTERVAL: Duration = Duration::from_secs(5);

/// Starts publishing telemetry until the hub is dropped. `verified` returns the number of verified requests so far.
pub(crate) fn start(hub: &Arc<Hub>, verified: impl Fn() -> u64 + Send + 'static) {
    tokio::spawn(publish_telemetry(Arc::downgrade(hub), verified));
}

async fn publish_telemetry(hub: Weak<Hub>, verified: impl Fn() -> u64) {
    let mut system = System::new();
    let mut counts = std::collections::VecDeque::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { return };
        counts.push_back(verified());
        // The count of a minute ago: twelve intervals.
        let before = if counts.len() > 12 { counts.pop_front() } else { counts.front().copied() };
        let (connections, users) = hub.size();
        if connections == 0 {
            continue;
        }
        if let Some((cpu, memory)) = measure(&mut system) {
            hub.broadcast(&Push::Telemetry { cpu, memory, connections: saturate(connections) });
        }
        let last_minute = verified().saturating_sub(before.unwrap_or_default());
        hub.broadcast(&Push::UserActivity {
            users: saturate(users),
            verified: u32::try_from(last_minute).unwrap_or(u32::MAX),
        });
    }
}

/// CPU use since the last call, in thousandths of a core, and memory in bytes.
fn measure(system: &mut System) -> Option<(u32, u64)> {
    let own = Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
    let process = system.process(own)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few cores at most")]
    let cpu = (process.cpu_usage() * 10.0).round() as u32;
    Some((cpu, process.memory()))
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
