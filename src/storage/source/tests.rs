//! What systems leave among photographs.

use std::collections::BTreeSet;

use super::listing::LEFT_BEHIND;
use super::{Source, path_left_behind};

/// As they are written by who leaves them.
const NAMES: [&str; 44] = [
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    "@__thumb",
    "@eaDir",
    "@Recently-Snapshot",
    "@Recycle",
    "@sharebin",
    "@tmp",
    "__MACOSX",
    "__pycache__",
    "_change_data",
    "_committed",
    "_common_metadata",
    "_delta_log",
    "_logs",
    "_metadata",
    "_spark_metadata",
    "_started",
    "_SUCCESS",
    "_temporary",
    "autorun.inf",
    "AUTPRINT.MRK",
    "Desktop DB",
    "Desktop DF",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "Icon\r",
    "lost+found",
    "LOST.DIR",
    "NC_FLLST.DAT",
    "Network Trash Folder",
    "Picasa.ini",
    "pspbrwse.jbf",
    "sync.ffs_db",
    "System Volume Information",
    "Temporary Items",
    "TheVolumeSettingsFolder",
    "Thumbs.db",
    "Thumbs.db:encryptable",
    "WMPInfo.xml",
    "ZbThumbnail.info",
    "~snapshot",
];
const OTHERS: [&str; 20] = [
    ".DS_Store",
    ".#a.jpg",
    "._a.jpg",
    ".~tmp~",
    ".@__thumb",
    ".Spotlight-V100",
    ".dropbox.cache",
    ".nomedia",
    ".thumbnails",
    "Apple_$folder$",
    "FOUND.000",
    "FOUND.017",
    "Previews.lrdata",
    "RECYCLED",
    "RECYCLER",
    "SYNOPHOTO_THUMB_XL.jpg",
    "_committed_7",
    "_started_7",
    "a.jpg@SynoEAStream",
    "a.jpg@SynoResource",
];
/// Of files alone: folders of such names are classes.
const OF_FILES: [&str; 7] = [
    "IMG_0001.THM",
    "M0100.CTG",
    "a.jpg.crdownload",
    "a.jpg.filepart",
    "a.jpg.part",
    "a.jpg.partial",
    "~$a.jpg",
];
const OWN: [&str; 10] = [
    "Apple",
    "Recycled",
    "recycler",
    "FOUND.1",
    "FOUND.0000",
    "found",
    "parts",
    "_a.jpg",
    "thumbs",
    "lost",
];

#[test]
fn the_whole_table_is_left_out_in_a_folder_and_in_a_bucket() {
    let lower: BTreeSet<_> = NAMES.iter().map(|name| name.to_lowercase()).collect();
    let known: BTreeSet<_> = LEFT_BEHIND.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(lower, known);
    let folder = tempfile::tempdir().unwrap();
    let put = |key: String| {
        let path = folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    };
    let left: Vec<_> = NAMES.into_iter().chain(OTHERS).collect();
    for name in &left {
        let (folder, file) = (format!("Apple/{name}"), format!("Pear/{name}"));
        assert_eq!(path_left_behind(&format!("{folder}/a.jpg")), Some(&*folder));
        assert_eq!(path_left_behind(&file), Some(&*file));
        put(format!("{folder}/a.jpg"));
        put(file);
    }
    for name in OWN {
        assert_eq!(path_left_behind(&format!("{name}/{name}")), None);
        put(format!("{name}/{name}"));
    }
    for name in OF_FILES {
        let (image, file) = (format!("{name}/a.jpg"), format!("Pear/{name}"));
        assert_eq!(path_left_behind(&image), None);
        assert_eq!(path_left_behind(&file), Some(&*file));
        put(image);
        put(file);
    }
    let listing = Source::folder(folder.path()).unwrap().list(&mut |_| true);
    let listing = listing.unwrap();
    assert_eq!(listing.objects.len(), OWN.len() + OF_FILES.len());
    let n_left = 2 * left.len() + OF_FILES.len();
    assert_eq!(listing.n_left_behind, n_left as u64);
}

#[test]
fn a_path_is_left_behind_as_far_as_a_system_left_it() {
    for (key, path) in [
        ("Apple/a.jpg", None),
        ("Apple/Thumbs.db", Some("Apple/Thumbs.db")),
        ("Apple/@eaDir/b/c.jpg", Some("Apple/@eaDir")),
        ("RECYCLER/S-1/c.jpg", Some("RECYCLER")),
        ("Apple/", Some("Apple/")),
        ("", Some("")),
    ] {
        assert_eq!(path_left_behind(key), path, "{key}");
    }
}
