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

/// What systems, network drives, cameras and Hadoop leave among photographs, in lower case: caches of thumbnails, bins,
/// snapshots, settings of folders, catalogues, marks of finished jobs.
const LEFT_BEHIND: [&str; 36] = [
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "@__thumb",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@sharebin",
    "@tmp",
    "_committed",
    "_common_metadata",
    "_delta_log",
    "_metadata",
    "_started",
    "_success",
    "_temporary",
    "__macosx",
    "__pycache__",
    "autprint.mrk",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "found.000",
    "icon\r",
    "lost+found",
    "network trash folder",
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
/// How names of such files end: markers of folders in buckets, streams of Synology.
const ENDS: [&str; 3] = ["$folder$", "@synoeastream", "@synoresource"];
/// How they begin: marks of Databricks, locks of office programs, thumbnails of Synology.
const BEGINS: [&str; 4] = ["_committed_", "_started_", "~$", "synophoto_thumb_"];

/// Whether a part of a path names what systems leave, or hides it by a dot. `.` and `..` are names like others in a bucket.
pub(super) fn is_left_behind(part: &str) -> bool {
    let name = part.to_lowercase();
    let is_hidden = name.starts_with('.') && name != "." && name != "..";
    is_hidden
        || LEFT_BEHIND.contains(&name.as_str())
        || BEGINS.iter().any(|begin| name.starts_with(begin))
        || ENDS.iter().any(|end| name.ends_with(end))
}
