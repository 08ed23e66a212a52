//! Locks of the operating system: they go with the process that holds them, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Name of the file that says who writes to a folder.
pub(crate) const LOCK: &str = ".fruits-lock";
/// What Linux says on a network drive without locks.
const ENOLCK: i32 = 37;

/// A folder that no other process of this program writes to.
#[derive(Debug)]
pub(crate) struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a folder, or names the process that has it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            // Behind a link, the file would never be the one at this place.
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
            let mut file = options
                .open(&path)
                .map_err(Error::storage("write", &path))?;
            if !is_free(&file).map_err(Error::storage("lock", &path))? {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let why = format!(
                    "another run is writing there, {}; wait until it has ended, or name another folder",
                    holder.trim()
                );
                let busy = io::Error::new(ErrorKind::ResourceBusy, why);
                return Err(Error::storage("write to folder", folder)(busy));
            }
            // Who had it removed the file before letting go.
            if !is_at(&file, &path) {
                continue;
            }
            let written = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(holder().as_bytes()));
            written.map_err(Error::storage("write", &path))?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// This process, for a person who looks for it.
pub(crate) fn holder() -> String {
    let host = match host_name().as_str() {
        "" => String::new(),
        host => format!(" on {host}"),
    };
    format!("process {}{host}", std::process::id())
}

/// What this machine is called; empty where the system does not say.
#[must_use]
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Shares a folder with other processes until the file is closed; `when_alone` runs first where there is no other. `None` on a
/// drive without locks, where nobody knows of the others.
pub(crate) fn share(folder: &Path, when_alone: impl FnOnce()) -> Option<File> {
    let file = File::open(folder).ok()?;
    match file.try_lock() {
        Ok(()) => when_alone(),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(_)) => return None,
    }
    file.lock_shared().ok()?;
    Some(file)
}

/// Opens a file or folder that nobody holds, and holds it until the file is closed; `None` if somebody does, or it is gone.
pub(crate) fn hold(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    // A pipe is not waited for.
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.read(true).open(path).ok()?;
    (file.try_lock().is_ok() && is_at(&file, path)).then_some(file)
}

/// Whether anybody shares a folder.
#[derive(Debug)]
pub(crate) enum Alone {
    /// Nobody does, and nobody begins to until the file is closed.
    Yes(File),
    /// Somebody does; the processes, as far as the system tells.
    No(String),
    /// Nobody knows: the drive has no locks.
    Unknown,
}

/// Takes a folder for this process alone, if no other shares it.
pub(crate) fn alone(folder: &Path) -> io::Result<Alone> {
    let file = File::open(folder)?;
    Ok(match file.try_lock() {
        Ok(()) => Alone::Yes(file),
        Err(TryLockError::WouldBlock) => Alone::No(holders(&file)),
        Err(TryLockError::Error(_)) => Alone::Unknown,
    })
}

/// The processes that hold a lock on a file, as Linux lists them: `1: FLOCK  ADVISORY  READ 4711 08:01:1234 0 EOF`.
fn holders(file: &File) -> String {
    let Ok(found) = file.metadata() else {
        return "another process".to_owned();
    };
    let (major, minor) = (
        rustix::fs::major(found.dev()),
        rustix::fs::minor(found.dev()),
    );
    let place = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, _, process, at, ..] if at == place => Some(process.to_owned()),
            _ => None,
        }
    };
    let holders: Vec<_> = locks.lines().filter_map(holder).collect();
    match holders.is_empty() {
        true => "another process".to_owned(),
        false => format!("process {}", holders.join(", ")),
    }
}

/// Whether the lock was had. A drive without locks gives it to everyone: better two runs than none.
fn is_free(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e))
            if e.kind() == ErrorKind::Unsupported || e.raw_os_error() == Some(ENOLCK) =>
        {
            Ok(true)
        }
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Whether `path` still names what was opened.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let place = |found: io::Result<fs::Metadata>| found.ok().map(|m| (m.dev(), m.ino()));
    let opened = place(file.metadata());
    opened.is_some() && opened == place(fs::symlink_metadata(path))
}
