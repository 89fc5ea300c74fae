//! `pan audit`: takes the audit log out of the store, and finds what was changed in it.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use server::{
    StartError,
    audit::{self, Chain, Head, NotAnEntry},
    settings::{Settings, SettingsError},
    store::{AuditStore, StoreError},
};

/// How many entries are asked for at once.
const PAGE: usize = 1000;

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The words after `pan audit`.
    #[error("pan audit takes `export`, or `verify [FILE] [--head NUMBER:HASH]`")]
    Usage,
    /// Not a number and a hash.
    #[error("--head takes what an earlier `pan audit verify` said, such as 17:nIwVz…")]
    Head(#[from] NotAnEntry),
    /// The settings name the store and the secret of the chain.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Without a Redis the log is in the memory of the running server.
    #[error("no Redis is set, so the log is in the memory of the running server and ends with it. Give a FILE")]
    NoStore,
    /// The store cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store cannot be reached any more.
    #[error("{0}; is Redis running?")]
    Store(#[from] StoreError),
    /// The file cannot be read, or the output not be written.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
}

/// Runs `pan audit` with the words after it. The exit code says whether the log is whole.
///
/// # Errors
/// An [`AuditError`] that says what to mend.
pub async fn run(words: &[&str]) -> Result<ExitCode, AuditError> {
    match *words {
        ["export"] => export().await,
        ["verify"] => verify(None, None).await,
        ["verify", "--head", head] => verify(None, Some(head)).await,
        ["verify", file] => verify(Some(file), None).await,
        ["verify", file, "--head", head] => verify(Some(file), Some(head)).await,
        _ => Err(AuditError::Usage),
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

async fn verify(file: Option<&str>, head: Option<&str>) -> Result<ExitCode, AuditError> {
    let settings = Settings::load()?;
    let head: Option<Head> = head.map(str::parse).transpose()?;
    // What a store must still have: the number of its last entry, and how many it keeps.
    let mut kept = None;
    let (lines, last) = if let Some(file) = file {
        let text = fs::read_to_string(file).map_err(|error| AuditError::File(file.to_owned(), error))?;
        (text.lines().map(str::to_owned).collect(), head)
    } else {
        let store = open(&settings).await?;
        // Asked for first: what is appended meanwhile is in the lines and not missed at the end.
        let last = store.head().await?;
        let lines = lines(store.as_ref(), last.n).await?;
        // Asked for last: what was given up meanwhile is not missed at the beginning.
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

/// The log up to number `last`.
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
