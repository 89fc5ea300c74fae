//! Chooses the weights of the risk score without each user in turn, and prints how often that user is then raised.
//!
//! ```text
//! cargo run --release -p server --example leave_one_user_out -- HUMAN_FILE
//! ```

#[path = "../../tests/support/human_variants.rs"]
mod human_variants;
#[path = "../../tests/support/selection.rs"]
mod selection;
#[path = "../../tests/support/synthetic_paths.rs"]
mod synthetic_paths;

use std::{error::Error, fs};

use fastrand::Rng;
use human_variants::{VARIANTS, Variant};
use selection::{Selection, User, users, worse_half};
use server::risk::{
    WEIGHTS, Weights,
    dataset::{RecordedInteraction, Sessions},
};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("which file has the paths of people?")?;
    let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let users = users(text.lines().map(RecordedInteraction::parse).collect::<Result<_, _>>()?);
    let mut selection = Selection::new(&users);
    let chosen = (0..users.len()).map(|user| selection.choose(Some(user))).collect::<Option<Vec<_>>>();
    let chosen = chosen.ok_or("no weights raise the synthetic paths")?;

    for (user, weights) in users.iter().zip(&chosen) {
        println!("without {}: {weights:?}\n", user.name);
    }
    println!("on all users: {:?}\n", selection.choose(None));
    table("people, judged with the weights chosen without them", &users, &chosen);
    table("people, judged with the weights in use", &users, &vec![WEIGHTS; users.len()]);
    Ok(())
}

/// Prints the share of each user's paths that is raised.
fn table(title: &str, users: &[User], weights: &[Weights]) {
    let names: Vec<_> = users.iter().map(|user| format!("{} ({})", user.name, user.recorded.len())).collect();
    println!("| {title} | {} | mean | median | worse half |", names.join(" | "));
    println!("|---|{}---|---|---|", "---|".repeat(users.len()));
    for variant in VARIANTS {
        let mut shares: Vec<_> =
            users.iter().zip(weights).map(|(user, weights)| raised(user, weights, variant)).collect();
        let worse = worse_half(shares.clone());
        #[expect(clippy::cast_precision_loss, reason = "some users")]
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let each: Vec<_> = shares.iter().map(|share| per_cent(*share)).collect();
        shares.sort_unstable_by(f64::total_cmp);
        let summary = [mean, shares[shares.len() / 2], worse].map(per_cent);
        println!("| {} | {} | {} |", variant.0, each.join(" | "), summary.join(" | "));
    }
    println!();
}

/// The share of the user's paths that is raised, in one session.
#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn raised(user: &User, weights: &Weights, (_, variant): Variant) -> f64 {
    let mut rng = Rng::with_seed(1);
    let mut session = Sessions::with_weights(*weights);
    let raised = user.recorded.iter().filter(|path| session.judge(&variant(path, &mut rng)).is_raised());
    raised.count() as f64 / user.recorded.len() as f64
}

fn per_cent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
