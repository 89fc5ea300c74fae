//! The binary `pan`.

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// What is logged when `RUST_LOG` does not say.
const LOG: &str = "info";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => serve(),
        ["audit", ref words @ ..] => audit(words),
        ["proofs", ref words @ ..] => told(app::proofs_command::run(words)),
        _ => {
            eprintln!(
                "pan does not know `{}`. It knows: serve (also without a word), audit, proofs.",
                arguments.join(" ")
            );
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn audit(words: &[&str]) -> ExitCode {
    told(app::audit_command::run(words).await)
}

/// The command's own exit code; 2 when it could not do its work.
fn told(done: Result<ExitCode, impl std::fmt::Display>) -> ExitCode {
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

#[tokio::main]
async fn serve() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt().compact().with_env_filter(filter).init();
    match app::serve::serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
