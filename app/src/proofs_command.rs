//! `pan proofs`: scores recorded pointer paths as interaction proofs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    process::ExitCode,
};

use serde::Serialize;
use server::risk::dataset::{NotRecorded, RecordedInteraction, Sessions};

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProofsError {
    /// The words after `pan proofs`.
    #[error(
        "pan proofs takes one FILE of lines {{\"user\": …, \"path\": [[x, y, ms], …], \"hold_ms\": …}}. Each user is a session \
         with a history of its own; lines without a user are one session, in their order."
    )]
    Usage,
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
    /// A line is no recorded path.
    #[error("{0}, line {1}: {2}")]
    Line(String, usize, #[source] NotRecorded),
    /// Nobody takes what it says.
    #[error("the result cannot be written: {0}")]
    Output(#[source] io::Error),
}

/// The last line of the output.
#[derive(Serialize, Default)]
struct Sum {
    total: usize,
    raised: usize,
}

/// Runs `pan proofs` with the words after it. Ends with one line of JSON: how many there were, and how many were raised.
///
/// # Errors
/// A [`ProofsError`] that says what to mend.
pub fn run(words: &[&str]) -> Result<ExitCode, ProofsError> {
    tell(words, &mut io::stdout().lock())
}

fn tell(words: &[&str], output: &mut impl Write) -> Result<ExitCode, ProofsError> {
    let &[path] = words else { return Err(ProofsError::Usage) };
    let failed = |error| ProofsError::File(path.to_owned(), error);
    let mut sessions = Sessions::default();
    let mut sum = Sum::default();
    let mut findings = BTreeMap::<String, usize>::new();
    for (at, line) in BufReader::new(File::open(path).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let recorded =
            RecordedInteraction::parse(&line).map_err(|error| ProofsError::Line(path.to_owned(), at + 1, error))?;
        let risk = sessions.judge(&recorded);
        sum.total += 1;
        if risk.is_raised() {
            sum.raised += 1;
            for (finding, _) in &risk.findings {
                *findings.entry(format!("{finding:?}")).or_default() += 1;
            }
        }
    }
    for (finding, count) in findings {
        writeln!(output, "{count:>7} raised with {finding}").map_err(ProofsError::Output)?;
    }
    let sum = serde_json::to_string(&sum).map_err(|error| ProofsError::Output(error.into()))?;
    writeln!(output, "{sum}").map_err(ProofsError::Output)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hand, and a ruler.
    const HAND: &str = r#""path":[[400,300,0],[398,301,24],[389,304,40],[358,313,57],[300,344,73],[236,396,106],[195,443,123],[178,473,139],[172,487,189],[170,492,205],[169,493,288]],"hold_ms":94"#;
    const RULER: &str = r#""path":[[0,0,0],[50,50,10],[100,100,20],[150,150,30]],"hold_ms":50"#;

    /// What the command says of a file of these lines.
    fn told(lines: &[String]) -> Result<String, Box<dyn std::error::Error>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(lines.join("\n").as_bytes())?;
        let path = file.path().to_str().ok_or("a path that is no text")?;
        let mut output = Vec::new();
        tell(&[path], &mut output).map_err(|error| error.to_string().replace(path, "FILE"))?;
        Ok(String::from_utf8(output)?)
    }

    fn line(user: &str, rest: &str) -> String {
        format!(r#"{{"user":"{user}",{rest}}}"#)
    }

    #[test]
    fn it_ends_with_one_line_of_json_that_says_the_total_first() -> Result<(), Box<dyn std::error::Error>> {
        let told = told(&[line("ada", HAND), line("bob", RULER), String::new(), line("eve", RULER)])?;
        assert!(told.ends_with("\n{\"total\":3,\"raised\":2}\n"), "{told}");
        assert_eq!(told.lines().filter(|line| line.starts_with('{')).count(), 1, "{told}");
        assert_eq!(self::told(&[])?, "{\"total\":0,\"raised\":0}\n");
        Ok(())
    }

    #[test]
    fn each_user_is_a_session_and_lines_without_a_user_are_one() -> Result<(), Box<dyn std::error::Error>> {
        let of_many = told(&[line("ada", HAND), line("bob", HAND), line("eve", HAND)])?;
        assert_eq!(of_many, "{\"total\":3,\"raised\":0}\n");
        let without = [format!("{{{HAND}}}"), format!("{{\"user\":null,{HAND}}}"), format!("{{{HAND}}}")];
        for of_one in [without, [0; 3].map(|_| line("ada", HAND))] {
            let told = told(&of_one)?;
            assert!(told.contains(" 2 raised with Repeated\n"), "{told}");
            assert!(told.ends_with("\n{\"total\":3,\"raised\":2}\n"), "{told}");
        }
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_path_is_named() {
        let lines = [line("ada", HAND), String::new(), "{\"path\":[]}".to_owned(), line("ada", HAND)];
        let error = told(&lines).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("FILE, line 3: it is not "), "{error}");
        let error = tell(&["/no/such/file"], &mut Vec::new()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("/no/such/file: "), "{error}");
        let usage = tell(&[], &mut Vec::new()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(usage.contains("lines without a user are one session"), "{usage}");
    }
}
