//! The table of docs/PROOFS.md: how many paths of each kind are raised to a confirmation.
//!
//! ```text
//! scripts/proofs.sh HUMAN_FILE
//! ```

#[path = "../tests/support/machine.rs"]
mod machine;

use std::{error::Error, fs};

use fastrand::Rng;
use server::risk::recorded::{Recorded, Sessions};

/// How many paths of each kind are made.
const MANY: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("which file has the paths of people?")?;
    let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let people = text.lines().map(Recorded::parse).collect::<Result<Vec<_>, _>>()?;
    println!("| kind | paths | raised |\n|---|---|---|");
    let mut sessions = Sessions::default();
    tell("people, each a session of their own", people.iter().map(|path| sessions.judge(path).is_raised()));

    let mut rng = Rng::with_seed(1);
    let copies = (0..100).flat_map(|_| {
        let copied = &people[rng.usize(0..people.len())];
        let mut session = Sessions::default();
        (0..100).map(|_| session.judge(copied).is_raised()).collect::<Vec<_>>()
    });
    tell("a person's path, copied 100 times in a session", copies);
    for (kind, make) in machine::RAISED.iter().chain(machine::MEASURED) {
        tell(kind, (0..MANY).map(|_| Sessions::default().judge(&make(&mut rng)).is_raised()));
    }
    for (kind, make) in machine::MEASURED {
        let mut session = Sessions::default();
        let same = (0..MANY).map(|_| session.judge(&Recorded { hold_ms: 80.0, ..make(&mut rng) }).is_raised());
        tell(&format!("{kind}, always the same hold, all in one session"), same);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn tell(kind: &str, raised: impl Iterator<Item = bool>) {
    let (mut total, mut count) = (0_usize, 0_usize);
    for one in raised {
        total += 1;
        count += usize::from(one);
    }
    println!("| {kind} | {total} | {:.2} % |", 100.0 * count as f64 / total as f64);
}
