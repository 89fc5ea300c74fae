//! `pan proofs`: scores recorded pointer paths as interaction proofs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    process::ExitCode,
};

use server::risk::recorded::{NotRecorded, Recorded, Sessions};

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProofsError {
    /// The words after `pan proofs`.
    #[error("pan proofs takes one FILE of lines {{\"user\": …, \"path\": [[x, y, ms], …], \"hold_ms\": …}}")]
    Usage,
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
    /// A line is no recorded path.
    #[error("{0}, line {1}: {2}")]
    Line(String, usize, #[source] NotRecorded),
}

/// Runs `pan proofs` with the words after it. Ends with one line of JSON: how many there were, and how many were raised.
///
/// # Errors
/// A [`ProofsError`] that says what to mend.
pub fn run(words: &[&str]) -> Result<ExitCode, ProofsError> {
    let &[path] = words else { return Err(ProofsError::Usage) };
    let failed = |error| ProofsError::File(path.to_owned(), error);
    let mut sessions = Sessions::default();
    let (mut total, mut raised) = (0_usize, 0_usize);
    let mut findings = BTreeMap::<String, usize>::new();
    for (at, line) in BufReader::new(File::open(path).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let recorded = Recorded::parse(&line).map_err(|error| ProofsError::Line(path.to_owned(), at + 1, error))?;
        let risk = sessions.judge(&recorded);
        total += 1;
        if risk.is_raised() {
            raised += 1;
            for (finding, _) in &risk.findings {
                *findings.entry(format!("{finding:?}")).or_default() += 1;
            }
        }
    }
    for (finding, count) in findings {
        println!("{count:>7} raised with {finding}");
    }
    println!("{}", serde_json::json!({ "total": total, "raised": raised }));
    Ok(ExitCode::SUCCESS)
}
