//! What is below a source.

use std::path::PathBuf;

use crate::storage::rejection::Reason;

/// A file below a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Path below the source with `/` between parts. Bytes that are no UTF-8 show as `U+FFFD`.
    pub key: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// What tells whether the file is still this one.
    pub state: State,
}

/// What tells whether a file is still the one that was listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A digest of the file here, taken when it is needed.
    File(PathBuf),
    /// The ETag that S3 lists.
    Etag(String),
}

/// A part of the listing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Path below the source.
    pub key: String,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub message: String,
}

/// What is below a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files, sorted by key.
    pub objects: Vec<Object>,
    /// Folders that could not be read and links that were not followed, sorted by key.
    pub unlisted: Vec<Unlisted>,
    /// Files and folders that systems leave; what lies in such a folder is not counted.
    pub n_left_behind: u64,
}

/// What systems, network drives, cameras, programs and Hadoop leave among photographs, in lower case: caches of thumbnails, bins,
/// snapshots, settings of folders, catalogues, logs of tables, marks of finished jobs.
pub(super) const LEFT_BEHIND: [&str; 44] = [
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "@__thumb",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@sharebin",
    "@tmp",
    "__macosx",
    "__pycache__",
    "_change_data",
    "_committed",
    "_common_metadata",
    "_delta_log",
    "_logs",
    "_metadata",
    "_spark_metadata",
    "_started",
    "_success",
    "_temporary",
    "autorun.inf",
    "autprint.mrk",
    "desktop db",
    "desktop df",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
    "lost+found",
    "lost.dir",
    "nc_fllst.dat",
    "network trash folder",
    "picasa.ini",
    "pspbrwse.jbf",
    "sync.ffs_db",
    "system volume information",
    "temporary items",
    "thevolumesettingsfolder",
    "thumbs.db",
    "thumbs.db:encryptable",
    "wmpinfo.xml",
    "zbthumbnail.info",
    "~snapshot",
];
/// Bins of older Windows as it writes them: in other cases they may be classes.
const AS_WRITTEN: [&str; 2] = ["RECYCLED", "RECYCLER"];
/// How such names end: markers of folders in buckets, streams of Synology, previews of Lightroom.
const ENDS: [&str; 4] = ["$folder$", ".lrdata", "@synoeastream", "@synoresource"];
/// How those of files end: thumbnails and catalogues of cameras, and what is not yet fetched. A folder of such a name may be a class.
const ENDS_OF_FILES: [&str; 6] = [
    ".crdownload",
    ".ctg",
    ".filepart",
    ".part",
    ".partial",
    ".thm",
];
/// How they begin: marks of Databricks, thumbnails of Synology.
const BEGINS: [&str; 3] = ["_committed_", "_started_", "synophoto_thumb_"];
/// How those of files begin: locks of office programs.
const BEGINNING_OF_FILES: &str = "~$";

/// Whether a part of a path names what systems leave, or hides it by a dot. `.` and `..` are names like others in a bucket.
pub(super) fn is_left_behind(part: &str, is_folder: bool) -> bool {
    let name = part.to_lowercase();
    let is_hidden = name.starts_with('.') && name != "." && name != "..";
    is_hidden
        || LEFT_BEHIND.contains(&name.as_str())
        || AS_WRITTEN.contains(&part)
        || is_found(&name)
        || BEGINS.iter().any(|begin| name.starts_with(begin))
        || ENDS.iter().any(|end| name.ends_with(end))
        || !is_folder
            && (name.starts_with(BEGINNING_OF_FILES)
                || ENDS_OF_FILES.iter().any(|end| name.ends_with(end)))
}

/// What Windows finds after a crash: `FOUND.000`, `FOUND.001` ...
fn is_found(name: &str) -> bool {
    let number = name.strip_prefix("found.").unwrap_or_default();
    number.len() == 3 && number.bytes().all(|c| c.is_ascii_digit())
}
