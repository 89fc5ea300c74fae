//! The tables of docs/PROOFS.md: how many paths of each kind are raised to a confirmation, and what is measured of them.
//!
//! ```text
//! scripts/proofs.sh HUMAN_FILE
//! ```

mod filled;
mod statistics;
#[path = "../../tests/support/synthetic_paths.rs"]
mod synthetic_paths;

use std::{error::Error, fs};

use fastrand::Rng;
use server::risk::{
    self,
    dataset::{RecordedInteraction, Sessions},
};
use statistics::{quantile, share_greater};
use synthetic_paths::{MEASURED, RAISED, RATES, Rate};

/// How many paths of each kind are made.
const MANY: usize = 10_000;

type Measure = fn(&RecordedInteraction) -> Option<f64>;

/// What is measured beside the score.
const MEASURES: [(&str, Measure); 2] = [
    ("how much the turns vary, in radians", |path| risk::measure(&path.proof()).turning),
    ("the longest wait between two points, in waits of middling length", |path| risk::measure(&path.proof()).pause),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let people = read(&files.next().ok_or("which file has the paths of people?")?)?;
    // Made by Node: scripts/proofs.sh passes them.
    let ghost = files.next().map(|file| read(&file)).transpose()?.unwrap_or_default();
    let mut rng = Rng::with_seed(1);
    let filled: Vec<_> = people.iter().map(|path| filled::filled(path, &mut rng)).collect();
    let made = |kind: synthetic_paths::Kind, rate| -> Vec<RecordedInteraction> {
        let mut rng = Rng::with_seed(1);
        (0..MANY).map(|_| kind.1(&mut rng, rate)).collect()
    };

    println!("| kind | paths | raised | a point every 12 ms | every 100 ms |\n|---|---|---|---|---|");
    row("people, each a session of their own", people.len(), &[in_sessions(&people)]);
    row("people, all lines as one session", people.len(), &[in_one_session(&people)]);
    row("people, filled in to a browser's rate", filled.len(), &[in_sessions(&filled)]);
    let copied: Vec<_> = (0..MANY / 100).map(|_| people[rng.usize(0..people.len())].clone()).collect();
    let raised = copied.iter().map(|path| in_one_session(&vec![path.clone(); 100])).sum::<f64>();
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    row("a person's path, copied 100 times in a session", MANY, &[raised / copied.len() as f64]);
    for kind in RAISED {
        row(kind.0, MANY, &RATES.map(|rate| each_alone(&made(*kind, rate))));
    }
    if !ghost.is_empty() {
        row("ghost-cursor 1.4.2 (npm)", ghost.len(), &[in_sessions(&ghost)]);
    }
    for kind in MEASURED {
        row(kind.0, MANY, &RATES.map(|rate| each_alone(&made(*kind, rate))));
    }
    for kind in MEASURED.iter().filter(|(kind, _)| !kind.contains("at once")) {
        let same_hold = |path: RecordedInteraction| RecordedInteraction { hold_ms: 80.0, ..path };
        let raised =
            RATES.map(|rate| in_one_session(&made(*kind, rate).into_iter().map(same_hold).collect::<Vec<_>>()));
        row(&format!("{}, always the same hold, all in one session", kind.0), MANY, &raised);
    }

    for (what, measure) in MEASURES {
        println!("\n{what}\n\n| kind | 5 % | 50 % | 95 % | people's is greater |\n|---|---|---|---|---|");
        let measured = |paths: &[RecordedInteraction]| paths.iter().filter_map(measure).collect::<Vec<_>>();
        let of_people = measured(&people);
        numbers("people", &of_people, &of_people);
        numbers("people, filled in to a browser's rate", &measured(&filled), &of_people);
        for kind in RAISED.iter().chain(MEASURED) {
            numbers(kind.0, &measured(&made(*kind, Rate::Any)), &of_people);
        }
        numbers("ghost-cursor 1.4.2 (npm)", &measured(&ghost), &of_people);
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<RecordedInteraction>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(text.lines().map(RecordedInteraction::parse).collect::<Result<_, _>>()?)
}

/// Of paths, each in the session of its user: which share is raised.
fn in_sessions(paths: &[RecordedInteraction]) -> f64 {
    let mut sessions = Sessions::default();
    share(paths.iter().map(|path| sessions.judge(path).is_raised()))
}

fn in_one_session(paths: &[RecordedInteraction]) -> f64 {
    let mut session = Sessions::default();
    share(paths.iter().map(|path| session.judge(&RecordedInteraction { user: None, ..path.clone() }).is_raised()))
}

fn each_alone(paths: &[RecordedInteraction]) -> f64 {
    share(paths.iter().map(|path| Sessions::default().judge(path).is_raised()))
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn share(raised: impl Iterator<Item = bool>) -> f64 {
    let (mut total, mut count) = (0_usize, 0_usize);
    for one in raised {
        total += 1;
        count += usize::from(one);
    }
    count as f64 / total as f64
}

fn row(kind: &str, paths: usize, raised: &[f64]) {
    let cells: Vec<_> = (0..RATES.len())
        .map(|at| raised.get(at).map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share)))
        .collect();
    println!("| {kind} | {paths} | {} |", cells.join(" | "));
}

fn numbers(kind: &str, values: &[f64], of_people: &[f64]) {
    if values.is_empty() {
        return println!("| {kind} | – | – | – | – |");
    }
    let [low, middle, high] = [0.05, 0.5, 0.95].map(|share| quantile(values, share));
    let greater = 100.0 * share_greater(of_people, values);
    println!("| {kind} | {low:.2} | {middle:.2} | {high:.2} | {greater:.0} % |");
}
