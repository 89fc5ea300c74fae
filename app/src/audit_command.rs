//! `pan audit`: exports the audit log from the store, and verifies it.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use server::{
    StartError,
    audit::{self, Chain, Head},
    settings::{Settings, SettingsError},
    store::{AuditStore, StoreError},
};

use crate::command::AuditCommand;

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
        AuditCommand::Export => export().await,
        AuditCommand::Verify { file, head } => verify(file.as_deref(), head).await,
    }
}

async fn export() -> Result<ExitCode, AuditError> {
    let lines = lines(open(&Settings::load()?).await?.as_ref(), u64::MAX).await?;
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(|error| AuditError::File("the output".to_owned(), error))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(file: Option<&Path>, head: Option<Head>) -> Result<ExitCode, AuditError> {
    let settings = Settings::load()?;
    // What the store must still have: the number of its last entry, and how many entries it keeps.
    let mut kept = None;
    let (lines, last) = if let Some(file) = file {
        let text = fs::read_to_string(file).map_err(|error| AuditError::File(file.display().to_string(), error))?;
        (text.lines().map(str::to_owned).collect(), head)
    } else {
        let store = open(&settings).await?;
        // Read first: entries appended meanwhile are in the lines and do not count as missing at the end.
        let last = store.head().await?;
        let lines = lines(store.as_ref(), last.n).await?;
        // Read last: entries dropped meanwhile do not count as missing at the beginning.
        kept = Some((store.head().await?.n, settings.audit.keep));
        (lines, Some(head.unwrap_or(last)))
    };
    let mut report = audit::verify(&Chain::new(&settings.audit.secret), lines.iter().map(String::as_str), last);
    if let Some((newest, keep)) = kept {
        report.expect_kept(newest, keep);
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    let audit::Report { entries, first, head, findings } = report;
    let found = if findings.is_empty() { "whole".to_owned() } else { format!("{} findings", findings.len()) };
    println!("audit log: {entries} entries, {first} to {}: {found}. Last entry: {head}", head.n);
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(settings: &Settings) -> Result<Arc<dyn AuditStore>, AuditError> {
    if settings.redis.is_none() {
        return Err(AuditError::NoStore);
    }
    Ok(server::open_stores(settings).await?.audit_log)
}

/// The lines of the log up to number `last`.
async fn lines(store: &dyn AuditStore, last: u64) -> Result<Vec<String>, AuditError> {
    let mut lines = Vec::new();
    let mut after = 0;
    loop {
        let page = store.lines_after(after, PAGE).await?;
        match page.last() {
            Some(&(n, _)) if after < last => after = n,
            _ => return Ok(lines),
        }
        lines.extend(page.into_iter().filter(|(n, _)| *n <= last).map(|(_, line)| line));
    }
}
