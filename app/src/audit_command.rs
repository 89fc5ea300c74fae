//! `pan audit`: exports the audit logs from the store, and verifies them.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use server::{
    StartError,
    audit::{self, AuditLog, Chain, Head},
    settings::{Settings, SettingsError},
    store::{AuditStore, StoreError},
};

use crate::command::AuditCommand;

/// The log of a file or a head that is given without one.
const DEFAULT: AuditLog = AuditLog::Security;

/// How many entries are read at once.
const PAGE: usize = 1000;

/// Why the log could not be exported or verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The settings, which hold the store and the secret of the chain, cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Without Redis the log is in the memory of the running server.
    #[error("no Redis is set, so the log is in the memory of the running server and is lost with it. Name a FILE")]
    NoStore,
    /// The store cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store cannot be reached.
    #[error("{0}; is Redis running?")]
    Store(#[from] StoreError),
    /// The file cannot be read, or the output cannot be written.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
}

/// Runs `pan audit`. The exit code says whether the log is complete and unaltered.
///
/// # Errors
/// Why the log could not be exported or verified.
pub async fn run(command: AuditCommand) -> Result<ExitCode, AuditError> {
    match command {
        AuditCommand::Export { log } => export(log).await,
        AuditCommand::Verify { file: Some(file), log, head } => verify_file(&file, log.unwrap_or(DEFAULT), head),
        // A head is one log's.
        AuditCommand::Verify { file: None, log, head: Some(head) } => {
            verify_store(&[log.unwrap_or(DEFAULT)], Some(head)).await
        }
        AuditCommand::Verify { file: None, log: Some(log), head: None } => verify_store(&[log], None).await,
        AuditCommand::Verify { file: None, log: None, head: None } => verify_store(&AuditLog::ALL, None).await,
    }
}

async fn export(log: AuditLog) -> Result<ExitCode, AuditError> {
    let lines = lines(open(&Settings::load()?).await?.as_ref(), log, u64::MAX).await?;
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(|error| AuditError::File("the output".to_owned(), error))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify_file(file: &Path, log: AuditLog, head: Option<Head>) -> Result<ExitCode, AuditError> {
    let settings = Settings::load()?;
    let text = fs::read_to_string(file).map_err(|error| AuditError::File(file.display().to_string(), error))?;
    let report = audit::verify(&Chain::new(&settings.audit.secret, log), text.lines(), head);
    Ok(exit_code(print(log, &report)))
}

/// Verifies logs in the store.
async fn verify_store(logs: &[AuditLog], head: Option<Head>) -> Result<ExitCode, AuditError> {
    let settings = Settings::load()?;
    let store = open(&settings).await?;
    let mut are_whole = true;
    for &log in logs {
        // Read first: entries appended meanwhile are in the lines and do not count as missing at the end.
        let last = store.head(log).await?;
        let lines = lines(store.as_ref(), log, last.n).await?;
        let chain = Chain::new(&settings.audit.secret, log);
        let mut report = audit::verify(&chain, lines.iter().map(String::as_str), Some(head.unwrap_or(last)));
        // With a time limit, entries are missing at the beginning because they were old.
        if settings.audit.life(log).is_none() {
            // Read last: entries dropped meanwhile do not count as missing at the beginning.
            report.expect_kept(store.head(log).await?.n, settings.audit.keep(log));
        }
        are_whole &= print(log, &report);
    }
    Ok(exit_code(are_whole))
}

/// Prints a report. Returns whether the log is whole.
fn print(log: AuditLog, report: &audit::Report) -> bool {
    for finding in &report.findings {
        println!("{finding}");
    }
    let audit::Report { entries, first, head, findings } = report;
    let found = if findings.is_empty() { "whole".to_owned() } else { format!("{} findings", findings.len()) };
    println!("{log} log: {entries} entries, {first} to {}: {found}. Last entry: {head}", head.n);
    findings.is_empty()
}

fn exit_code(are_whole: bool) -> ExitCode {
    if are_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn open(settings: &Settings) -> Result<Arc<dyn AuditStore>, AuditError> {
    if settings.redis.is_none() {
        return Err(AuditError::NoStore);
    }
    Ok(server::open_stores(settings).await?.audit_log)
}

/// The lines of a log up to number `last`.
async fn lines(store: &dyn AuditStore, log: AuditLog, last: u64) -> Result<Vec<String>, AuditError> {
    let mut lines = Vec::new();
    let mut after = 0;
    loop {
        let page = store.lines_after(log, after, PAGE).await?;
        match page.last() {
            Some(&(n, _)) if after < last => after = n,
            _ => return Ok(lines),
        }
        lines.extend(page.into_iter().filter(|(n, _)| *n <= last).map(|(_, line)| line));
    }
}
