//! Does the time of a sign-in tell whether a name exists? Compares the two distributions.
//!
//! ```text
//! cargo run --release -p server --example probing
//! ```

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use server::{accounts::Accounts, store::memory::MemoryStore};

/// How many sign-ins of each kind. Taken by turns, so that whatever else the machine does falls on both.
const MANY: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let accounts = Accounts::new(Arc::new(MemoryStore::new()));
    let (known, unknown) = ("ada".parse()?, "nobody".parse()?);
    accounts.register(&known, "correct horse battery").await?;
    let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
    for _ in 0..MANY {
        for (name, times) in [(&known, &mut of_known), (&unknown, &mut of_unknown)] {
            let began = Instant::now();
            // It is refused: what counts is how long that takes.
            let _ = accounts.sign_in(name, "wrong horse battery").await;
            times.push(began.elapsed());
        }
    }
    for (which, times) in [("a known name", &mut of_known), ("an unknown name", &mut of_unknown)] {
        times.sort_unstable();
        let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
        println!("{which}: p5 {:?}, p50 {:?}, p95 {:?}", at(5), at(50), at(95));
    }
    println!(
        "greatest distance of the two distributions (Kolmogorov-Smirnov): {:.3}",
        distance(&of_known, &of_unknown)
    );
    println!("equal distributions stay under {:.3} in 99 of 100 runs", critical(MANY));
    Ok(())
}

/// Of two sorted samples of one size.
#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn distance(one: &[Duration], other: &[Duration]) -> f64 {
    let share =
        |times: &[Duration], limit: Duration| times.partition_point(|time| *time <= limit) as f64 / times.len() as f64;
    let off = |limit: &Duration| (share(one, *limit) - share(other, *limit)).abs();
    one.iter().chain(other).map(off).fold(0.0, f64::max)
}

/// At a level of 1 %.
#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn critical(size: usize) -> f64 {
    1.628 * (2.0 / size as f64).sqrt()
}
