//! The names that this program gives to what it writes into a cache. What has another name is nobody's here.

use crate::storage::atomic::TEMPORARY_PREFIX;
use crate::storage::store::FOLDER;

/// Where a cluster hands over all but shards.
pub const CLUSTER: &str = "cluster";
/// The folders in it.
const OF_CLUSTER: [&str; 4] = ["models", "orders", "pieces", "tries"];
/// Parts of the longest key of a cluster: `cluster/tries/RUN/TASK/TRY.json`.
const MOST_PARTS: usize = 5;
/// Longest part of a key of a cluster: the name of a worker has 100 characters at most, that of a try 40 more.
const MAX_PART: usize = 160;

/// What a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A shard's file; holds the key without its ending.
    Data(String),
    /// A shard's receipt; likewise.
    Receipt(String),
    /// What drivers and workers of a cluster hand to each other.
    Cluster,
    /// A file that was not whole yet.
    Partial,
}

/// What a key names; none if this program gives no such name.
pub(super) fn name(key: &str) -> Option<Name> {
    let parts: Vec<&str> = key.split('/').collect();
    let (file, folders) = parts.split_last()?;
    if is_partial(file) && (folders.is_empty() || is_of_cluster(folders)) {
        return Some(Name::Partial);
    }
    match folders {
        [top, fingerprint] if *top == FOLDER && is_fingerprint(fingerprint) => {
            let (stem, ending) = file.split_once('.')?;
            is_stem(stem).then_some(())?;
            let stem = format!("{FOLDER}/{fingerprint}/{stem}");
            match ending {
                "parquet" => Some(Name::Data(stem)),
                "json" => Some(Name::Receipt(stem)),
                _ => None,
            }
        }
        folders if folders.len() > 1 && is_of_cluster(folders) && is_part(file) => {
            Some(Name::Cluster)
        }
        _ => None,
    }
}

/// Whether a folder of this name may hold such files.
pub(super) fn is_folder(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    match parts[..] {
        [top] => top == FOLDER || top == CLUSTER,
        [FOLDER, fingerprint] => is_fingerprint(fingerprint),
        _ => is_of_cluster(&parts),
    }
}

fn is_of_cluster(folders: &[&str]) -> bool {
    folders.len() < MOST_PARTS
        && folders.first() == Some(&CLUSTER)
        && folders.get(1).is_none_or(|f| OF_CLUSTER.contains(f))
        && folders.iter().all(|part| is_part(part))
}

/// Whether a part of a key of a cluster may be this: it leads nowhere else.
#[must_use]
pub fn is_part(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=MAX_PART).contains(&part.len()) && !part.starts_with('.') && part.chars().all(allowed)
}

fn is_fingerprint(part: &str) -> bool {
    part.len() == 16 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `shard-` and a number as [`crate::storage::store::keys`] writes it.
fn is_stem(stem: &str) -> bool {
    let number = stem.strip_prefix("shard-").unwrap_or_default();
    let index = number.parse::<usize>();
    index.is_ok_and(|index| format!("{index:05}") == number)
}

fn is_partial(file: &str) -> bool {
    let rest = file.strip_prefix(TEMPORARY_PREFIX).unwrap_or_default();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !rest.is_empty() && rest.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::atomic;
    use crate::storage::store::{Shard, keys};

    #[test]
    fn names_are_those_that_are_written() {
        for index in [0, 17, 99_999, 1_234_567] {
            let keys = keys(&Shard::named(index, &"0123456789abcdef".repeat(4)));
            let stem = keys.data.strip_suffix(".parquet").unwrap().to_owned();
            assert_eq!(name(&keys.data), Some(Name::Data(stem.clone())));
            assert_eq!(name(&keys.receipt), Some(Name::Receipt(stem)));
        }
        for key in [
            "cluster/orders/1f.json",
            "cluster/tries/17-ab/features-00017/host-1-2-3.json",
            "cluster/pieces/17-ab/pass-01.bin.json",
            "cluster/models/1f.onnx",
        ] {
            assert_eq!(name(key), Some(Name::Cluster), "{key}");
        }
        let folder = tempfile::tempdir().unwrap();
        let partial = atomic::partial_folder(folder.path()).unwrap();
        let partial = partial.path().file_name().unwrap().to_str().unwrap();
        for key in [partial, &format!("cluster/tries/1/2/{partial}")] {
            assert_eq!(name(key), Some(Name::Partial), "{key}");
        }
        let long = format!("cluster/models/{}", "a".repeat(MAX_PART + 1));
        for key in [
            "",
            "features",
            "shard-00001.json",
            "features/shard-00001.json",
            "features/0123456789abcdef/shard-1.json",
            "features/0123456789abcdef/shard-000001.json",
            "features/0123456789abcdef/shard-+0001.json",
            "features/0123456789abcdef/shard-00001.json.old",
            "features/0123456789abcdef/shard-00001.onnx",
            "features/0123456789abcdef/notes.json",
            "features/0123456789abcdef/",
            "features/0123456789ABCDEF/shard-00001.json",
            "features/0123456789abcde/shard-00001.json",
            "features/0123456789abcdef/a/shard-00001.json",
            "features/0123456789abcdef/.fruits-partial-x",
            "features/../0123456789abcdef/shard-00001.json",
            "cluster/README",
            "cluster/mine/a",
            "cluster/models/.hidden",
            "cluster/models/../a",
            "cluster/models/a/b/c/d",
            "cluster/models/a b",
            ".fruits-partial-",
            ".fruits-partial-../x",
            ".fruits-lock",
            "own.onnx",
            &long,
        ] {
            assert_eq!(name(key), None, "{key}");
        }
    }
}
