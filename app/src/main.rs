//! The binary `pan`.

use std::process::ExitCode;

use app::command::{Command, CommandLine};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// The log filter when `RUST_LOG` is not set.
const DEFAULT_LOG: &str = "info";

fn main() -> ExitCode {
    match CommandLine::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => serve(),
        Command::Audit { command } => audit(command),
        Command::Proofs { file } => exit_code(app::proofs_command::run(&file)),
    }
}

#[tokio::main]
async fn audit(command: app::command::AuditCommand) -> ExitCode {
    exit_code(app::audit_command::run(command).await)
}

/// The command's exit code, or 2 and its error on standard error.
fn exit_code(result: Result<ExitCode, impl std::fmt::Display>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

#[tokio::main]
async fn serve() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt().compact().with_env_filter(filter).init();
    match app::serve::serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
