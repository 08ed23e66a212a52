//! Files that are whole or absent: written beside their place, synced, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file through `fill`; `path` holds the old content until the new one is whole.
///
/// # Errors
/// [`Error::Storage`] if the folder cannot be written to, and whatever `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    write_through(folder_of(path), path, fill)
}

/// [`write_with`], with what is not whole yet in the folder `partial` of the same file system.
fn write_through(
    partial: &Path,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let fault = |source| Error::Storage {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        // tempfile's 0600 would keep a report from the colleagues it is for; the umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(partial).map_err(fault)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(|e| fault(e.into_error()))?;
    file.as_file().sync_data().map_err(fault)?;
    file.persist(path).map_err(|e| fault(e.error))?;
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Has the names in a folder outlive a power cut, where its file system can do that.
///
/// # Errors
/// [`Error::Storage`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(e) if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(Error::storage("write to folder", folder)(e))
        }
        _ => Ok(()),
    }
}

/// Writes `bytes` as one whole file.
///
/// # Errors
/// As [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |out| {
        out.write_all(bytes).map_err(Error::storage("write", path))
    })
}

/// [`write()`] for a file below `root`, in whose top folder lies what is not whole yet: [`remove_partial`] finds it there.
///
/// # Errors
/// As [`write_with`].
pub fn write_below(root: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    write_through(root, path, |out| {
        out.write_all(bytes).map_err(Error::storage("write", path))
    })
}

/// A new folder in `folder` for files that are not whole together yet; it goes away with its value.
///
/// # Errors
/// [`Error::Storage`].
pub fn partial_folder(folder: &Path) -> Result<tempfile::TempDir> {
    fs::create_dir_all(folder).map_err(Error::storage("create folder", folder))?;
    let made = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempdir_in(folder);
    made.map_err(Error::storage("write to folder", folder))
}

/// Removes what killed runs left in `folder`. Only for who knows that nobody writes there.
///
/// # Errors
/// [`Error::Storage`].
pub fn remove_partial(folder: &Path) -> Result<()> {
    let fault = |source| Error::storage("clear folder", folder)(source);
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        let removed = match is_folder {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        match removed {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Error::storage("remove", entry.path())(e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Creates `folder` and checks that files can be made in it, before hours of work depend on it.
///
/// # Errors
/// [`Error::Storage`] with what the operating system said.
pub fn writable_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::storage("create folder", folder))?;
    let probe = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder);
    probe
        .map(drop)
        .map_err(Error::storage("write to folder", folder))
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Storage`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::storage("read", path))
}

/// Opens a file for reading.
///
/// # Errors
/// [`Error::Storage`].
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(Error::storage("read", path))
}

/// Starts the name of a file or folder that is not whole yet; a killed run leaves it behind.
#[doc(hidden)]
pub const TEMPORARY_PREFIX: &str = ".fruits-partial-";
