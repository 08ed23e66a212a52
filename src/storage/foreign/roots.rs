//! Which folders are opened though nobody but a record names them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Fault, Folder};

/// File systems of disks and of memory. Others belong to a server, to a program, or to the kernel: to open a folder there may
/// ask somebody for it, or mount it.
const OF_DISKS: [&str; 25] = [
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus",
    "iso9660", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs",
    "squashfs", "tmpfs", "udf", "vfat", "xfs", "zfs",
];

/// Whether `path` lies on a disk of this machine and behind no link, found without opening what does not; or why not, as what
/// a sentence that names it goes on with. What is not there passes.
pub(crate) fn on_a_disk(path: &Path) -> Result<(), String> {
    let unknown = |e: std::io::Error| format!("is on a file system that cannot be known ({e})");
    let path = plain(path).map_err(unknown)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(unknown)?;
    match kind(&mounts, &path) {
        Some(kind) if OF_DISKS.contains(&kind) => {}
        Some(kind) => return Err(format!("is on a file system of the kind {kind}, no disk")),
        None => return Err("is on a file system that is not known".to_owned()),
    }
    let below = path.strip_prefix("/").unwrap_or(&path);
    let Some(below) = below.to_str() else {
        return Err("is no UTF-8".to_owned());
    };
    if below.is_empty() {
        return Ok(());
    }
    let root = Folder::open(Path::new("/")).map_err(|e| format!("cannot be opened: {e}"))?;
    // Every folder on the way is opened, and the name in the last one is not looked at.
    match root.way(&format!("{below}/any")) {
        Ok(_) | Err(Fault::Missing | Fault::Io(_)) => Ok(()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// The path from the root on, without `.` and `..`; the folder of this process has no link in its name.
fn plain(path: &Path) -> std::io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    Ok(plain)
}

/// The kind of the file system that a path lies on: that of the deepest mount above it, and of several the last one.
///
/// # References
/// proc_pid_mountinfo(5).
fn kind<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let (mount, system) = line.split_once(" - ")?;
        let point = PathBuf::from(unescaped(mount.split(' ').nth(4)?));
        let depth = point.components().count();
        if path.starts_with(&point) && found.is_none_or(|(deepest, _)| depth >= deepest) {
            found = Some((depth, system.split(' ').next()?));
        }
    }
    found.map(|(_, kind)| kind)
}

/// A space, a tab, a line break and a backslash are written `\040` and so on.
fn unescaped(text: &str) -> String {
    let octal = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    octal
        .iter()
        .fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "\
            22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            23 22 0:5 / /proc rw shared:2 - proc proc rw\n\
            24 22 0:40 / /net rw,relatime - autofs -hosts rw,fd=6\n\
            25 22 0:41 / /mnt/my\\040photos rw - nfs4 server:/photos rw\n\
            26 22 8:1 / /mnt/disk rw - xfs /dev/sda1 rw\n\
            27 26 0:42 / /mnt/disk rw - fuse.sshfs host: rw\n";
        let kind = |path: &str| kind(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/home/me/photos"), "ext4");
        assert_eq!(kind("/network"), "ext4");
        assert_eq!(kind("/net/evil.example/x"), "autofs");
        assert_eq!(kind("/mnt/my photos/a"), "nfs4");
        assert_eq!(kind("/mnt/disk/a"), "fuse.sshfs");
        assert_eq!(plain(Path::new("/a/./b/../c")).unwrap(), Path::new("/a/c"));
        assert_eq!(plain(Path::new("/../../proc")).unwrap(), Path::new("/proc"));
        assert!(OF_DISKS.is_sorted());
    }

    #[test]
    fn folders_of_the_kernel_and_behind_links_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("in")).unwrap();
        std::os::unix::fs::symlink("in", at("link")).unwrap();
        std::os::unix::fs::symlink("/proc", at("proc")).unwrap();
        for path in [at("in"), at("none"), at("in/../in"), PathBuf::from("/")] {
            assert_eq!(on_a_disk(&path), Ok(()), "{}", path.display());
        }
        for (path, why) in [
            (at("link"), "link"),
            (at("proc/self"), "link"),
            (PathBuf::from("/proc/self/root"), "kind proc"),
            (PathBuf::from("/sys/kernel"), "kind sysfs"),
        ] {
            let said = on_a_disk(&path).unwrap_err();
            assert!(said.contains(why), "{}: {said}", path.display());
        }
    }
}
