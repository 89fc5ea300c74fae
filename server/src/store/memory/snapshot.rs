//! The file that keeps the memory store over restarts.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use protocol::token::SessionHandle;
use serde::{Deserialize, Serialize};

use crate::{
    model::Session,
    store::records::{Record, RecordKey},
};

/// The shortest time between two writes.
const PAUSE: Duration = Duration::from_millis(100);

/// The content of the file: entered sessions and records. Never nonces or challenges, which must be spent once.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) sessions: HashMap<SessionHandle, Session>,
    pub(super) records: HashMap<RecordKey, Record>,
}

impl Snapshot {
    /// Reads the file. A missing file counts as empty.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => Ok(serde_json::from_slice(&read?)?),
        }
    }

    /// Replaces the file atomically, so that neither a reader nor a crash leaves half a file. Only the owner may read
    /// it, because it contains password hashes.
    fn save(&self, path: &Path) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(temporary, path)?;
        // Otherwise a power failure could bring the old file back.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
}

/// A thread that keeps the file current. Dropping this waits until the last change is written.
pub(super) struct SnapshotFile {
    path: PathBuf,
    changes: Option<SyncSender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl SnapshotFile {
    pub(super) fn keep(path: PathBuf, take: impl Fn() -> Snapshot + Send + 'static) -> Self {
        // Capacity 1 is enough: a message means that something has changed since the last write began.
        let (changes, receiver) = sync_channel(1);
        let written = path.clone();
        let writer = thread::spawn(move || {
            // The first change is written at once, then follows the pause: watch mode may kill this process any moment.
            while receiver.recv().is_ok() {
                if let Err(error) = take().save(&written) {
                    tracing::error!(path = %written.display(), %error, "the snapshot cannot be written: a restart loses what changed");
                }
                thread::sleep(PAUSE);
            }
        });
        Self { path, changes: Some(changes), writer: Some(writer) }
    }

    /// Writes the file at once, and its folder if that is missing.
    pub(super) fn save(&self, snapshot: &Snapshot) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        snapshot.save(&self.path)
    }

    /// Requests a write.
    pub(super) fn changed(&self) {
        // If the channel is full, a write is requested already.
        let _ = self.changes.as_ref().map(|changes| changes.try_send(()));
    }
}

impl Drop for SnapshotFile {
    fn drop(&mut self) {
        // Without a sender the writer ends after the requested write.
        self.changes = None;
        let _ = self.writer.take().map(JoinHandle::join);
    }
}
