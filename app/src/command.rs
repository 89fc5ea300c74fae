//! The command line of `pan`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use server::audit::{AuditLog, Head};

/// Describes the file of `pan proofs`.
const FILE_HELP: &str = "Lines of {\"user\": …, \"path\": [[x, y, ms], …], \"hold_ms\": …}. Each user is a session with a \
                         history of its own; lines without a user are one session, in their order";

/// Web sessions in which a stolen token alone is worthless.
#[derive(Debug, Parser)]
#[command(name = "pan")]
pub struct CommandLine {
    /// What to do; `serve` if not given.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `pan` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default). Leptos.toml and the environment hold its settings.
    Serve,
    /// Export or verify the audit log.
    #[command(arg_required_else_help = true)]
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Score recorded pointer paths as interaction proofs.
    ///
    /// The last line of the output is JSON: how many interactions there were, and for how many the risk was raised.
    #[command(arg_required_else_help = true)]
    Proofs {
        /// A file of recorded paths.
        #[arg(help = FILE_HELP)]
        file: PathBuf,
    },
}

/// What `pan audit` can do.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print a log's lines, from the Redis that keeps it.
    Export {
        /// Which log: `security` (sign-ins, changes, thefts) or `traffic` (rejected requests, reads).
        #[arg(long, default_value_t = AuditLog::Security)]
        log: AuditLog,
    },
    /// Check that a log is complete and unaltered. Exit code 0 if it is, 1 if not, 2 if it cannot be checked.
    Verify {
        /// A file that `pan audit export` has written; without it, the log in Redis.
        file: Option<PathBuf>,
        /// Which log. Without it, a FILE is of the security log, and in Redis both are checked.
        #[arg(long)]
        log: Option<AuditLog>,
        /// The last entry that must be there, as an earlier `pan audit verify` or the server's log has printed it.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<Head>,
    },
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The exit code and the output of arguments that run no command.
    fn output(arguments: &[&str]) -> (i32, String) {
        let error = CommandLine::try_parse_from([&["pan"], arguments].concat()).unwrap_err();
        (error.exit_code(), error.to_string())
    }

    #[test]
    fn definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn help_succeeds_and_names_every_command() {
        let (code, help) = output(&["--help"]);
        assert_eq!(code, 0);
        for command in ["serve", "audit", "proofs"] {
            assert!(help.contains(command), "{help}");
        }
    }

    #[test]
    fn unknown_command_exits_2() {
        for arguments in [&["frobnicate"] as &[_], &["serve", "now"], &["audit"], &["audit", "erase"], &["proofs"]] {
            assert_eq!(output(arguments).0, 2, "{arguments:?}");
        }
    }

    #[test]
    fn proofs_without_file_explains_sessions() {
        let (_, usage) = output(&["proofs"]);
        assert!(usage.contains("lines without a user are one session"), "{usage}");
    }

    #[test]
    fn audit_head_is_a_number_and_a_hash() {
        assert_eq!(output(&["audit", "verify", "--head", "seventeen"]).0, 2);
        let no_command = CommandLine::try_parse_from(["pan"]).unwrap();
        assert!(no_command.command.is_none());
    }
}
