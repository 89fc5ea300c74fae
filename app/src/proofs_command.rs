//! `pan proofs`: scores recorded pointer paths as interaction proofs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;
use server::risk::dataset::{NotRecorded, RecordedInteraction, Sessions};

/// Why the file could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ProofsError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
    /// A line is not a recorded path.
    #[error("{0}, line {1}: {2}")]
    Line(String, usize, #[source] NotRecorded),
    /// The output is closed or full.
    #[error("the result cannot be written: {0}")]
    Output(#[source] io::Error),
}

/// The last line of the output.
#[derive(Serialize, Default)]
struct Totals {
    total: usize,
    raised: usize,
}

/// Runs `pan proofs`. The last line of the output is JSON: how many interactions there were, and for how many the risk was
/// raised.
///
/// # Errors
/// Why the file could not be scored.
pub fn run(file: &Path) -> Result<ExitCode, ProofsError> {
    score(file, &mut io::stdout().lock())
}

fn score(file: &Path, output: &mut impl Write) -> Result<ExitCode, ProofsError> {
    let name = file.display().to_string();
    let failed = |error| ProofsError::File(name.clone(), error);
    let mut sessions = Sessions::default();
    let mut totals = Totals::default();
    let mut findings = BTreeMap::<String, usize>::new();
    for (at, line) in BufReader::new(File::open(file).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let recorded =
            RecordedInteraction::parse(&line).map_err(|error| ProofsError::Line(name.clone(), at + 1, error))?;
        let risk = sessions.judge(&recorded);
        totals.total += 1;
        if risk.is_raised() {
            totals.raised += 1;
            for (finding, _) in &risk.findings {
                *findings.entry(format!("{finding:?}")).or_default() += 1;
            }
        }
    }
    for (finding, count) in findings {
        writeln!(output, "{count:>7} raised with {finding}").map_err(ProofsError::Output)?;
    }
    let totals = serde_json::to_string(&totals).map_err(|error| ProofsError::Output(error.into()))?;
    writeln!(output, "{totals}").map_err(ProofsError::Output)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path by hand, and a straight line.
    const HAND: &str = r#""path":[[400,300,0],[398,301,24],[389,304,40],[358,313,57],[300,344,73],[236,396,106],[195,443,123],[178,473,139],[172,487,189],[170,492,205],[169,493,288]],"hold_ms":94"#;
    const STRAIGHT: &str = r#""path":[[0,0,0],[50,50,10],[100,100,20],[150,150,30]],"hold_ms":50"#;

    /// The output for a file of these lines.
    fn output_for(lines: &[String]) -> Result<String, Box<dyn std::error::Error>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(lines.join("\n").as_bytes())?;
        let path = file.path().to_str().ok_or("the path is not UTF-8")?;
        let mut output = Vec::new();
        score(file.path(), &mut output).map_err(|error| error.to_string().replace(path, "FILE"))?;
        Ok(String::from_utf8(output)?)
    }

    fn line(user: &str, rest: &str) -> String {
        format!(r#"{{"user":"{user}",{rest}}}"#)
    }

    #[test]
    fn last_line_is_json_with_the_total_first() -> Result<(), Box<dyn std::error::Error>> {
        let output = output_for(&[line("ada", HAND), line("bob", STRAIGHT), String::new(), line("eve", STRAIGHT)])?;
        assert!(output.ends_with("\n{\"total\":3,\"raised\":2}\n"), "{output}");
        assert_eq!(output.lines().filter(|line| line.starts_with('{')).count(), 1, "{output}");
        assert_eq!(output_for(&[])?, "{\"total\":0,\"raised\":0}\n");
        Ok(())
    }

    #[test]
    fn lines_without_user_are_one_session() -> Result<(), Box<dyn std::error::Error>> {
        let of_many = output_for(&[line("ada", HAND), line("bob", HAND), line("eve", HAND)])?;
        assert_eq!(of_many, "{\"total\":3,\"raised\":0}\n");
        let without = [format!("{{{HAND}}}"), format!("{{\"user\":null,{HAND}}}"), format!("{{{HAND}}}")];
        for of_one in [without, [0; 3].map(|_| line("ada", HAND))] {
            let output = output_for(&of_one)?;
            assert!(output.contains(" 2 raised with Repeated\n"), "{output}");
            assert!(output.ends_with("\n{\"total\":3,\"raised\":2}\n"), "{output}");
        }
        Ok(())
    }

    #[test]
    fn malformed_line_is_named() {
        let lines = [line("ada", HAND), String::new(), "{\"path\":[]}".to_owned(), line("ada", HAND)];
        let error = output_for(&lines).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("FILE, line 3: it is not "), "{error}");
        let error =
            score(Path::new("/no/such/file"), &mut Vec::new()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("/no/such/file: "), "{error}");
    }
}
