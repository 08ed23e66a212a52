//! What this machine has for a run: threads and memory.

use std::path::Path;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// More threads than cores of any machine. Where the system has no room for the stacks, starting them aborts the process.
const MAX_THREADS: usize = 1024;

/// Refuses more threads than can be started.
pub fn check_threads(n_threads: usize) -> Result<()> {
    match n_threads {
        0..=MAX_THREADS => Ok(()),
        n => Err(Error::Invalid(format!(
            "{n} threads are more than a machine has cores; take at most {MAX_THREADS} with --threads"
        ))),
    }
}

/// A pool of so many threads.
pub fn pool(n_threads: usize) -> Result<ThreadPool> {
    check_threads(n_threads)?;
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).build();
    pool.map_err(|e| {
        Error::Invalid(format!(
            "this machine does not start {n_threads} threads: {e}; take fewer with --threads"
        ))
    })
}

/// A number of bytes in gigabytes, for a sentence.
#[must_use]
pub fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Memory in bytes that this process can have without others being swapped out, within the limits of its control groups (of a
/// container, of a unit of systemd); absent where the system does not tell.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    available(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

/// The same, as the folders `proc` and `cgroup` tell.
fn available(proc: &Path, cgroup: &Path) -> Option<u64> {
    let of_machine = kibibytes(&proc.join("meminfo"), "MemAvailable:");
    let of_groups = left_in_groups(&proc.join("self/cgroup"), cgroup);
    of_machine.into_iter().chain(of_groups).min()
}

/// What the control groups of this process, which `own` lists, leave it, each that has a limit.
fn left_in_groups(own: &Path, cgroup: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(own).unwrap_or_default();
    // Version 2 has one line for all kinds of limits; in version 1 memory has its own.
    let groups = text.lines().filter_map(|line| {
        let (kinds, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, limit, used) = match kinds {
            "" => (cgroup.to_owned(), "memory.max", "memory.current"),
            _ if kinds.split(',').any(|kind| kind == "memory") => (
                cgroup.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => return None,
        };
        Some((root, path.to_owned(), limit, used))
    });
    let left = groups.flat_map(|(root, path, limit, used)| {
        // A container sees its own group as the root, whatever it is called outside.
        let own = root.join(path.trim_start_matches('/'));
        let upwards: Vec<_> = own.ancestors().map(Path::to_owned).collect();
        upwards
            .into_iter()
            .take_while(move |group| group.starts_with(&root))
            .filter_map(move |group| {
                let number = |name| {
                    std::fs::read_to_string(group.join(name))
                        .ok()?
                        .trim()
                        .parse()
                        .ok()
                };
                let (limit, used): (u64, u64) = (number(limit)?, number(used)?);
                // Files that were read count as used, and go first.
                let files = figure(&group.join("memory.stat"), "inactive_file").unwrap_or(0);
                Some(limit.saturating_sub(used.saturating_sub(files)))
            })
    });
    left.collect()
}

/// Largest resident memory of this process so far in bytes, 0 where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    kibibytes(Path::new("/proc/self/status"), "VmHWM:").unwrap_or(0)
}

/// A figure that the kernel gives in kibibytes, in bytes.
fn kibibytes(file: &Path, name: &str) -> Option<u64> {
    Some(figure(file, name)? * 1024)
}

fn figure(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let figure = text.lines().find_map(|line| line.strip_prefix(name))?;
    figure.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: (&str, &str) = (
        "proc/meminfo",
        "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    5000 kB\n",
    );

    /// What is available where these files say so.
    fn available_with(files: &[(&str, &str)]) -> Option<u64> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        available(&folder.path().join("proc"), &folder.path().join("cgroup"))
    }

    #[test]
    fn without_groups_it_is_what_the_machine_has() {
        assert_eq!(available_with(&[MEMORY]), Some(5_120_000));
        assert_eq!(available_with(&[]), None);
        let unlimited = [
            MEMORY,
            ("proc/self/cgroup", "0::/a\n"),
            ("cgroup/a/memory.max", "max\n"),
            ("cgroup/a/memory.current", "4000000\n"),
        ];
        assert_eq!(available_with(&unlimited), Some(5_120_000));
    }

    #[test]
    fn of_groups_within_each_other_the_fullest_counts_without_the_files_it_read() {
        let groups = [
            MEMORY,
            ("proc/self/cgroup", "0::/system.slice/run.service\n"),
            ("cgroup/system.slice/run.service/memory.max", "2000000\n"),
            ("cgroup/system.slice/run.service/memory.current", "500000\n"),
            (
                "cgroup/system.slice/run.service/memory.stat",
                "anon 300000\ninactive_file 200000\nactive_file 7\n",
            ),
            ("cgroup/system.slice/memory.max", "4000000\n"),
            ("cgroup/system.slice/memory.current", "3000000\n"),
            // A group beside it says nothing of this process.
            ("cgroup/user.slice/memory.max", "10\n"),
            ("cgroup/user.slice/memory.current", "0\n"),
        ];
        // 4,000,000 - 3,000,000 above, 2,000,000 - (500,000 - 200,000) within.
        assert_eq!(available_with(&groups), Some(1_000_000));
        let inner = groups.map(|(path, text)| match path {
            "cgroup/system.slice/memory.max" => (path, "max\n"),
            _ => (path, text),
        });
        assert_eq!(available_with(&inner), Some(1_700_000));
        let full = groups.map(|(path, text)| match path {
            "cgroup/system.slice/memory.current" => (path, "4000001\n"),
            _ => (path, text),
        });
        assert_eq!(available_with(&full), Some(0));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let version_2 = [
            MEMORY,
            ("proc/self/cgroup", "0::/docker/3f1c\n"),
            ("cgroup/memory.max", "1500000\n"),
            ("cgroup/memory.current", "100000\n"),
        ];
        assert_eq!(available_with(&version_2), Some(1_400_000));
    }

    #[test]
    fn version_1_has_limits_of_memory_in_a_folder_of_its_own() {
        let groups = [
            MEMORY,
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/elsewhere\n",
            ),
            (
                "cgroup/memory/a/b/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("cgroup/memory/a/b/memory.usage_in_bytes", "100000\n"),
            ("cgroup/memory/a/memory.limit_in_bytes", "900000\n"),
            ("cgroup/memory/a/memory.usage_in_bytes", "300000\n"),
            (
                "cgroup/memory/a/memory.stat",
                "cache 5\ninactive_file 50000\ntotal_inactive_file 9\n",
            ),
            // No limit of memory.
            ("cgroup/cpu/a/memory.limit_in_bytes", "1\n"),
            ("cgroup/cpu/a/memory.usage_in_bytes", "0\n"),
        ];
        assert_eq!(available_with(&groups), Some(650_000));
        let container = [
            MEMORY,
            ("proc/self/cgroup", "4:hugetlb,memory:/docker/3f1c\n"),
            ("cgroup/memory/memory.limit_in_bytes", "800000\n"),
            ("cgroup/memory/memory.usage_in_bytes", "300000\n"),
        ];
        assert_eq!(available_with(&container), Some(500_000));
    }
}
